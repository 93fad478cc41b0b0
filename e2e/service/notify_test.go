package service_test

import (
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"edgegw/e2e/process"
	"edgegw/internal/gatewaytest"
)

func TestWhatSystemdIsTold(t *testing.T) {
	m := newManager(t)
	g := m.gateway()
	g.Run()
	m.await("STATUS=opening the stores", "READY=1")
	ready := m.await("READY=1", "STOPPING=1")
	if len(ready) != 2 || !strings.Contains(ready[1], g.Addr) {
		t.Errorf("the status does not say where: %q", ready)
	}
	if said := m.next(300 * time.Millisecond); said != nil {
		t.Errorf("without a watchdog there is nothing more to tell: %q", said)
	}
	if err := syscall.Kill(g.PID(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	m.await("RELOADING=1", "READY=1")
	m.await("READY=1")
	if err := g.End(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	m.await("STOPPING=1", "READY=1")
}

// The watchdog is fed while the gateway works, traffic or not, and no longer when a
// commit hangs; and again when the disk has come back.
func TestWatchdogIsFedByWork(t *testing.T) {
	m := newManager(t)
	g := m.gateway("WATCHDOG_USEC=600000")
	g.Run()
	for range 5 {
		m.await("WATCHDOG=1")
	}
	// From now on every fdatasync takes 4 s: a card that is about to die.
	tracer := exec.Command("strace", "-f", "-qq", "-o", "/dev/null", "-p", fmt.Sprint(g.PID()), "-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_enter=4000000")
	if err := tracer.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tracer.Process.Signal(syscall.SIGTERM); _ = tracer.Wait() }()
	for deadline := time.Now().Add(process.Patience); g.Of("status", "TracerPid") == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("strace does not attach")
		}
	}
	token := g.Token("admin", time.Hour)
	answered := make(chan error, 1)
	go func() {
		client := &http.Client{Timeout: process.Patience}
		defer client.CloseIdleConnections()
		a, err := gatewaytest.Ask(client, http.MethodPost, g.URL+"/rooms/lobby/messages", token, map[string]any{"data": 1})
		if err == nil && a.Status != http.StatusCreated {
			err = fmt.Errorf("publishing was answered with %d", a.Status)
		}
		answered <- err
	}()
	began, quiet, last := time.Now(), time.Duration(0), time.Now()
	for time.Since(began) < 3500*time.Millisecond {
		if said := m.next(100 * time.Millisecond); said != nil {
			last = time.Now()
		}
		quiet = max(quiet, time.Since(last))
	}
	if quiet < 1500*time.Millisecond {
		t.Errorf("while a commit hung the watchdog was fed every %v at least", quiet)
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
	m.await("WATCHDOG=1")
}
