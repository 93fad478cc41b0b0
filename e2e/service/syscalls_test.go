package service_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"edgegw/e2e/process"
	"edgegw/internal/gatewaytest"
)

// refused are calls that the unit refuses with EPERM and that edgegw does without.
var refused = []string{
	"setpriority", // see internal/spare
}

// TestSystemCallsFitTheFilter lives through a life of a gateway with everything
// that it does, and holds each system call that was seen against the unit.
func TestSystemCallsFitTheFilter(t *testing.T) {
	trace := filepath.Join(t.TempDir(), "trace")
	backups := t.TempDir()
	m := newManager(t)
	g := process.New(t, "backup_dir="+backups, "backup_every=1m", "metrics_listen=127.0.0.1:0", "message_rate=0")
	// The gateway stays the process that the test started.
	g.Under = []string{"strace", "-D", "-f", "-qq", "-e", "signal=none", "-A", "-o", trace, "env", "NOTIFY_SOCKET=" + m.path, "WATCHDOG_USEC=900000"}
	g.Run()
	live(t, g)
	m.await("WATCHDOG=1")
	if err := syscall.Kill(g.PID(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	m.await("RELOADING=1")
	if err := g.End(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	g.Run() // on what is stored
	if err := g.End(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	seen := callsOf(t, trace)
	t.Logf("figure: %d different system calls in a life: %s", len(seen), strings.Join(seen, " "))
	for _, must := range []string{"accept4", "fdatasync", "mmap", "adjtimex", "openat", "renameat"} {
		if !slices.ContainsFunc(seen, func(s string) bool { return strings.HasPrefix(s, must) }) {
			t.Errorf("the trace is not whole: no %s in it", must)
		}
	}
	allowed := filter(t)
	for _, call := range seen {
		if !allowed[call] && !slices.Contains(refused, call) {
			t.Errorf("the unit refuses %s, which edgegw calls; see the trace for what for, and whether it can do without", call)
		}
	}
}

// live does what people, devices and operators do.
func live(t *testing.T, g *process.Gateway) {
	t.Helper()
	client := &http.Client{Timeout: process.Patience}
	defer client.CloseIdleConnections()
	token := ""
	ask := func(method, path string, body any, want int) gatewaytest.Answer {
		t.Helper()
		a, err := gatewaytest.Ask(client, method, g.URL+path, token, body)
		if err != nil || a.Status != want {
			t.Fatalf("%s %s: %d %v", method, path, a.Status, err)
		}
		return a
	}
	var login struct {
		AccessToken string `json:"access_token"`
	}
	a := ask(http.MethodPost, "/auth/login", map[string]any{"username": "admin", "password": process.Password}, http.StatusOK)
	if err := json.Unmarshal(a.Body, &login); err != nil {
		t.Fatal(err)
	}
	token = login.AccessToken
	ask(http.MethodPost, "/users", map[string]any{"username": "mary", "password": "canary-password-of-mary"}, http.StatusCreated)
	ask(http.MethodPost, "/devices", map[string]any{"name": "sensor", "grants": []any{}}, http.StatusCreated)
	conn, err := net.Dial("tcp", g.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	socket, answer, err := gatewaytest.Upgrade(conn, "?room=lobby", nil, "Sec-WebSocket-Protocol: bearer, "+token)
	if err != nil || socket == nil {
		t.Fatalf("handshake: %d %v", answer.Status, err)
	}
	for i := range 400 { // more than make a commit a long one
		socket.Send(fmt.Sprintf(`{"type":"message","data":%d}`, i))
	}
	ask(http.MethodPost, "/rooms/lobby/messages", map[string]any{"data": 1}, http.StatusCreated)
	ask(http.MethodGet, "/rooms/lobby/messages", nil, http.StatusOK)
	ask(http.MethodGet, "/health", nil, http.StatusOK)
	ask(http.MethodGet, "/backup", nil, http.StatusOK)
	archive := filepath.Join(t.TempDir(), "backup.edgegw")
	for _, args := range [][]string{{"backup", archive}, {"compact"}, {"check"}, {"token", "rotate"}, {"user", "list"}} {
		cmd := process.Command(append(args, "--data-dir="+g.Dir)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("edgegw %v: %v\n%s", args, err, out)
		}
	}
}

// callsOf are the names of the system calls in a trace of strace.
func callsOf(t *testing.T, trace string) []string {
	t.Helper()
	b, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^\d+ +([a-z0-9_]+)\(`).FindAllStringSubmatch(string(b), -1) {
		seen[m[1]] = true
	}
	names := make([]string, 0, len(seen))
	for name := range seen {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
