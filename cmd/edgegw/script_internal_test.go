package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the test binary a second edgegw: scripts run the real program
// in a process of its own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"edgegw": program})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("EDGEGW_ENV", "development") // cheap password hashes
			e.Setenv("GORACE", "atexit_sleep_ms=10")
			keepLog(e)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "quick": quick, "freeport": freePort, "occupy": occupy, "ready": ready, "http": request,
			"sigterm": signals(syscall.SIGTERM), "sighup": signals(syscall.SIGHUP), "pick": pick, "fill": fill, "large": large,
			"until": until, "eventually": eventually,
		},
	})
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
	wait(ts, func() bool {
		res, err := http.Get("http://" + args[0] + "/readyz")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

// request is `http [-bearer TOKEN-FILE] METHOD URL [BODY-FILE]`; it prints the
// status and the body.
func request(ts *testscript.TestScript, _ bool, args []string) {
	_, _ = fmt.Fprintln(ts.Stdout(), answer(ts, args))
}

func answer(ts *testscript.TestScript, args []string) string {
	bearer := ""
	if args[0] == "-bearer" {
		bearer = strings.TrimSpace(ts.ReadFile(args[1]))
		args = args[2:]
	}
	var body io.Reader = http.NoBody
	if len(args) > 2 {
		b, err := os.ReadFile(ts.MkAbs(args[2]))
		ts.Check(err)
		body = strings.NewReader(string(b))
	}
	req, err := http.NewRequest(args[0], args[1], body)
	ts.Check(err)
	req.Header.Set("Content-Type", "application/json")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	ts.Check(err)
	return fmt.Sprintf("%d %s", res.StatusCode, b)
}
