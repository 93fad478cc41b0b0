package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// logVariable names the file that the log of a script's gateway goes to, besides
// standard error.
const logVariable = "GATEWAY_LOG"

// program is main, but for that file.
func program() {
	path := os.Getenv(logVariable)
	if len(os.Args) < 2 || os.Args[1] != "serve" {
		main()
		return
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		panic(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, io.MultiWriter(os.Stderr, f)))
}

// keepLog gives the script's gateways a log, and leaves it where all tests leave
// theirs to be searched for secrets.
func keepLog(e *testscript.Env) {
	log := filepath.Join(e.WorkDir, "gateway.log")
	e.Setenv(logVariable, log)
	dir := os.Getenv("EDGEGW_TEST_LOGS")
	if dir == "" {
		return
	}
	e.Defer(func() {
		b, err := os.ReadFile(log)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(e.WorkDir)+".log"), b, 0o600)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			panic(err)
		}
	})
}

// exits CODE COMMAND... runs a command that has to end with the code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code, err = exit.ExitCode(), nil
	}
	ts.Check(err)
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// quick CODE COMMAND... is exits with a limit of 3 s: the one second that a lock
// is waited for, and the time that a busy machine takes to start a process.
func quick(ts *testscript.TestScript, neg bool, args []string) {
	began := time.Now()
	exits(ts, neg, args)
	if took := time.Since(began); took > 3*time.Second {
		ts.Fatalf("it took %v", took)
	}
}

// signals sends the background commands a signal.
func signals(which os.Signal) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, _ []string) {
		for _, cmd := range ts.BackgroundCmds() {
			ts.Check(cmd.Process.Signal(which))
		}
	}
}

// until REGEXP FILE waits for a file to match.
func until(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile(args[0])
	wait(ts, func() bool {
		b, _ := os.ReadFile(ts.MkAbs(args[1]))
		return want.Match(b)
	})
}

// eventually REGEXP ... does what http does until its answer matches.
func eventually(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile(args[0])
	wait(ts, func() bool { return want.MatchString(answer(ts, args[1:])) })
}

// wait asks again and again, for 20 s at most.
func wait(ts *testscript.TestScript, done func() bool) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if done() {
			return
		}
	}
	ts.Fatalf("20 s were not enough")
}

// pick MEMBER FILE writes the text that the JSON member has in the last output
// to a file.
func pick(ts *testscript.TestScript, _ bool, args []string) {
	m := regexp.MustCompile(`"` + args[0] + `":"([^"]+)"`).FindStringSubmatch(ts.ReadFile("stdout"))
	if m == nil {
		ts.Fatalf("no member %s", args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(m[1]), 0o600))
}

// fill FILE TEMPLATE VALUE writes the template with the content of the file
// VALUE in the place of each %.
func fill(ts *testscript.TestScript, _ bool, args []string) {
	value := bytes.TrimSpace([]byte(ts.ReadFile(args[2])))
	out := bytes.ReplaceAll([]byte(ts.ReadFile(args[1])), []byte("%"), value)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), out, 0o600))
}

// large FILE KIB makes a file of that size.
func large(ts *testscript.TestScript, _ bool, args []string) {
	kib, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), bytes.Repeat([]byte("x"), kib<<10), 0o600))
}
