package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"edgegw/internal/command"
)

// maxSecretBytes bounds what is read as a password or a token, whatever device a
// path may name.
const maxSecretBytes = 64 << 10

// stdinName is the file that stands for standard input.
const stdinName = "-"

// say prints a result for people.
func say(cmd *command.Command, format string, args ...any) error {
	_, err := fmt.Fprintf(cmd.Out(), format+"\n", args...)
	return err
}

// hint prints what to know about a result that a script reads from standard
// output.
func hint(cmd *command.Command, format string, args ...any) {
	fmt.Fprintf(cmd.Err(), format+"\n", args...)
}

func printJSON(cmd *command.Command, v any) error {
	return json.NewEncoder(cmd.Out()).Encode(v)
}

// printSecret prints a result whose secret is shown this once: alone on standard
// output, so that a script gets it and nothing else, with what to do with it on
// standard error.
func printSecret(cmd *command.Command, asJSON bool, result any, secret, format string, args ...any) error {
	if asJSON {
		return printJSON(cmd, result)
	}
	hint(cmd, format, args...)
	return say(cmd, "%s", secret)
}

// moment shows a time of a listing; never is "-".
func moment(ms int64) string {
	if ms == 0 {
		return "-"
	}
	return time.UnixMilli(ms).UTC().Format(time.DateTime)
}

// lasting shows a number of seconds.
func lasting(seconds int64) string { return (time.Duration(seconds) * time.Second).String() }

// readInput reads a file, or standard input for "-", of at most limit bytes.
func readInput(cmd *command.Command, file string, limit int64) ([]byte, error) {
	var r io.Reader = cmd.In()
	if file != stdinName {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		r = f
	}
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s has more than %d KiB; is it the right file?", inputName(file), limit>>10)
	}
	return b, err
}

func inputName(file string) string {
	if file == stdinName {
		return "standard input"
	}
	return file
}

// readPassword reads a password from a file, from the terminal without showing
// it (twice), or as the first line of standard input. It is never an argument:
// those can be read by every process of the machine.
func readPassword(cmd *command.Command, file string) (string, error) {
	if file != "" {
		b, err := readInput(cmd, file, maxSecretBytes)
		return strings.TrimSuffix(string(b), "\n"), err
	}
	if f, ok := cmd.In().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		first, err := promptPassword(cmd, f, "Password: ")
		if err != nil {
			return "", err
		}
		again, err := promptPassword(cmd, f, "Again: ")
		if err == nil && again != first {
			err = errors.New("the two passwords differ; nothing was changed")
		}
		return first, err
	}
	line, err := bufio.NewReader(io.LimitReader(cmd.In(), maxSecretBytes+1)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if len(line) > maxSecretBytes {
		return "", fmt.Errorf("the first line of standard input has more than %d KiB; is it a password?", maxSecretBytes>>10)
	}
	return strings.TrimSuffix(line, "\n"), nil
}

func promptPassword(cmd *command.Command, f *os.File, prompt string) (string, error) {
	fmt.Fprint(cmd.Err(), prompt)
	b, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(cmd.Err())
	return string(b), err
}
