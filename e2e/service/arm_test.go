package service_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"edgegw/e2e/process"
	"edgegw/internal/gatewaytest"
)

// TestSystemCallsOfTheOldestBoard holds what the 32-bit ARM binary calls, under qemu,
// against the unit: the names differ from those of amd64. What a board's kernel and
// systemd make of the filter is not tried by it.
func TestSystemCallsOfTheOldestBoard(t *testing.T) {
	dir := t.TempDir()
	bin, trace := filepath.Join(dir, "edgegw"), filepath.Join(dir, "trace")
	build := exec.Command(filepath.Join("..", "..", "scripts", "build.sh"), bin)
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm", "GOARM=6")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Setenv(process.BinVariable, bin)
	m := newManager(t)
	g := m.gateway("WATCHDOG_USEC=3000000", "qemu-arm-static", "-cpu", "arm1176", "-strace", "-D", trace)
	g.Run()
	m.await("WATCHDOG=1")
	client := &http.Client{Timeout: process.Patience}
	defer client.CloseIdleConnections()
	a, err := gatewaytest.Ask(client, http.MethodPost, g.URL+"/rooms/lobby/messages", g.Token("admin", time.Hour), map[string]any{"data": 1})
	if err != nil || a.Status != http.StatusCreated {
		t.Fatalf("publishing: %d %v", a.Status, err)
	}
	if err := g.End(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	seen := callsOf(t, trace)
	t.Logf("figure: %d different system calls on armv6: %s", len(seen), strings.Join(seen, " "))
	if !slices.Contains(seen, "mmap2") || !slices.Contains(seen, "adjtimex") {
		t.Errorf("the trace is not whole: %v", seen)
	}
	allowed := filter(t)
	for _, call := range seen {
		if !allowed[call] && !slices.Contains(refused, call) {
			t.Errorf("the unit refuses %s, which edgegw calls on 32-bit ARM", call)
		}
	}
}
