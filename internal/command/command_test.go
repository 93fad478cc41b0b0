package command_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"edgegw/internal/command"
)

// tree is a small program; ran is what was called with which arguments.
func tree(ran *string) *command.Command {
	leaf := func(use string, args command.Args) *command.Command {
		c := &command.Command{Use: use, Short: "Do " + use, Args: args}
		c.Flags().String("file", "", "a file")
		c.Flags().BoolP("json", "j", false, "print JSON")
		c.Run = func(c *command.Command, args []string) error {
			file, err := c.Flags().GetString("file")
			*ran = strings.Join(append([]string{c.Path(), file}, args...), "|")
			return err
		}
		return c
	}
	group := func(use string, below ...*command.Command) *command.Command {
		c := &command.Command{Use: use, Short: "Group " + use, Args: command.NoArgs}
		c.Run = func(c *command.Command, _ []string) error { return c.Help() }
		c.Add(below...)
		return c
	}
	hidden := leaf("secret", nil)
	hidden.Hidden = true
	root := group("prog", group("user", leaf("list", command.NoArgs), leaf("add NAME", command.Between(1, 1))), leaf("serve", nil), hidden)
	root.AddHelp()
	return root
}

func run(args ...string) (ran, out string, err error) {
	var b bytes.Buffer
	err = tree(&ran).Execute(context.Background(), args, command.Streams{In: strings.NewReader(""), Out: &b, Err: &b})
	return ran, b.String(), err
}

func TestExecute(t *testing.T) {
	for name, tc := range map[string]struct {
		line, ran string
	}{
		"ok a command":              {"serve", "prog serve|"},
		"ok arguments":              {"serve a b", "prog serve||a|b"},
		"ok flags behind":           {"user add ann --file x", "prog user add|x|ann"},
		"ok flags between":          {"user add --file=x ann", "prog user add|x|ann"},
		"ok flags before the names": {"--file x user list --json", "prog user list|x"},
		"ok short flags":            {"user list -j", "prog user list|"},
		"ok after two dashes":       {"serve -- --file", "prog serve||--file"},
		"ok a hidden one":           {"secret", "prog secret|"},
	} {
		t.Run(name, func(t *testing.T) {
			ran, _, err := run(strings.Fields(tc.line)...)
			if err != nil || ran != tc.ran {
				t.Errorf("%q ran %q with %v, want %q", tc.line, ran, err, tc.ran)
			}
		})
	}
}

func TestUsage(t *testing.T) {
	for line, want := range map[string]string{
		"frob":             `unknown command "frob" for "prog"`,
		"user frob":        `unknown command "frob" for "prog user"`,
		"user list ann":    `unknown command "ann" for "prog user list"`,
		"user add":         "accepts 1 arg(s), received 0",
		"user list --frob": "unknown flag: --frob",
		"serve --file":     "flag needs an argument: --file",
		"help frob":        `unknown command "frob" for "prog"`,
		"completion tcsh":  "name one shell: bash, zsh or fish",
		"completion":       "name one shell: bash, zsh or fish",
	} {
		ran, out, err := run(strings.Fields(line)...)
		if !errors.Is(err, command.ErrUsage) || err.Error() != want || ran != "" || out != "" {
			t.Errorf("%q ran %q, printed %q and failed with %v, want %s", line, ran, out, err, want)
		}
	}
	// What a command itself fails with is not of usage.
	failed := errors.New("no")
	root := &command.Command{Use: "prog", Run: func(*command.Command, []string) error { return failed }}
	if err := root.Execute(context.Background(), nil, command.Streams{}); !errors.Is(err, failed) || errors.Is(err, command.ErrUsage) {
		t.Errorf("the command failed with %v", err)
	}
}

func TestHelp(t *testing.T) {
	const want = `Group user

Usage:
  prog user [flags]
  prog user [command]

Available Commands:
  add         Do add NAME
  list        Do list

Flags:
  -h, --help   help for user

Use "prog user [command] --help" for more information about a command.
`
	for _, line := range []string{"user", "user --help", "user -h", "help user", "-h user"} {
		if _, out, err := run(strings.Fields(line)...); out != want || err != nil {
			t.Errorf("%q printed, with %v:\n%s", line, err, out)
		}
	}
	_, out, err := run("help")
	if err != nil || strings.Contains(out, "secret") || strings.Contains(out, "__complete") || !strings.Contains(out, "serve") {
		t.Errorf("the list of commands is, with %v:\n%s", err, out)
	}
	if ran, out, err := run("user", "add", "--help"); ran != "" || err != nil || !strings.Contains(out, "prog user add NAME [flags]") || !strings.Contains(out, "--file string") {
		t.Errorf("help of a command ran %q and printed, with %v:\n%s", ran, err, out)
	}
}

func TestComplete(t *testing.T) {
	for words, want := range map[string][]string{
		"":                {"help", "serve", "user"},
		"u":               {"user"},
		"user ":           {"add", "list"},
		"user l":          {"list"},
		"user add --f":    {"--file"},
		"user add -":      {"--file", "--help", "--json"},
		"--file x user a": {"add"},
		"user add x":      nil,
		"sec":             nil,
		"nothing ":        nil,
	} {
		_, out, err := run(append([]string{"__complete"}, strings.Split(words, " ")...)...)
		var got []string
		for line := range strings.Lines(out) {
			word, _, _ := strings.Cut(line, "\t")
			got = append(got, word)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q is completed by %q with %v, want %q", words, got, err, want)
		}
	}
}

// The script in a real bash, with a program that answers as __complete does. What
// zsh and fish make of theirs is tried with the packages.
func TestBashCompletes(t *testing.T) {
	_, script, err := run("completion", "bash")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	prog := filepath.Join(dir, "prog")
	fake := "#!/bin/bash\n[ \"$*\" = '__complete user l' ] && printf 'list\\tDo list\\nlast\\twords with spaces\\n'\n"
	if err := os.WriteFile(prog, []byte(fake), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", "-c", script+`COMP_WORDS=("$0" user l); COMP_CWORD=2; _prog; printf '%s,' "${COMPREPLY[@]}"; complete -p prog`, prog)
	out, err := cmd.CombinedOutput()
	if want := "list,last,complete -o default -F _prog prog\n"; err != nil || string(out) != want {
		t.Errorf("bash says %q with %v, want %q", out, err, want)
	}
}
