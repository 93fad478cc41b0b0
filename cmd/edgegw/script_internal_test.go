package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the test binary a second edgegw: scripts run the real program
// in a process of its own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"edgegw": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("EDGEGW_ENV", "development") // cheap password hashes
			e.Setenv("GORACE", "atexit_sleep_ms=10")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "quick": quick, "freeport": freePort, "ready": ready, "sigterm": sigterm, "http": request,
			"occupy": occupy,
		},
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

// freePort NAME sets the variable to an address that nobody listens on.
func freePort(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], l.Addr().String())
	ts.Check(l.Close())
}

// occupy NAME sets the variable to an address that is taken until the end.
func occupy(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], l.Addr().String())
	ts.Defer(func() { _ = l.Close() })
}

// ready ADDRESS waits for a gateway.
func ready(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		res, err := http.Get("http://" + args[0] + "/readyz")
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
	}
	ts.Fatalf("no gateway is ready at %s", args[0])
}

// sigterm asks the background commands to end, as systemd does.
func sigterm(ts *testscript.TestScript, _ bool, _ []string) {
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	}
}

// request is `http METHOD URL [BODY-FILE]`; it prints the status and the body.
func request(ts *testscript.TestScript, _ bool, args []string) {
	var body io.Reader = http.NoBody
	if len(args) > 2 {
		b, err := os.ReadFile(ts.MkAbs(args[2]))
		ts.Check(err)
		body = strings.NewReader(string(b))
	}
	req, err := http.NewRequest(args[0], args[1], body)
	ts.Check(err)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	ts.Check(err)
	_, _ = fmt.Fprintf(ts.Stdout(), "%d %s\n", res.StatusCode, answer)
}
