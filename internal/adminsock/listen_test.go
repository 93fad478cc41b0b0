package adminsock_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"edgegw/internal/adminsock"
	"edgegw/internal/gateway"
)

func TestListen(t *testing.T) {
	// The mode has to hold whatever the umask is.
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := t.TempDir()
	l, err := adminsock.Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(adminsock.Path(dir))
	if err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("the socket's mode is %v, %v", info.Mode(), err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(adminsock.Path(dir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the closed socket is still there: %v", err)
	}
	// What a killed gateway left behind is in nobody's way.
	if err := os.WriteFile(adminsock.Path(dir), []byte("left over"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err = adminsock.Listen(dir); err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
}

func TestListenRefuses(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("d", 100))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := adminsock.Listen(long); gateway.CodeOf(err) != gateway.CodeUnavailable || !strings.Contains(err.Error(), "shorter data_dir") {
		t.Errorf("a long path: %v", err)
	}
	if l, err := adminsock.Listen(filepath.Join(t.TempDir(), "none")); err == nil || l != nil {
		t.Errorf("a missing folder: %v %v", l, err)
	}
	full := t.TempDir()
	if err := os.MkdirAll(filepath.Join(adminsock.Path(full), "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := adminsock.Listen(full); err == nil {
		t.Error("a folder in the socket's place: no error")
	}
}

func TestDialWithoutAGateway(t *testing.T) {
	dir := t.TempDir()
	if _, err := adminsock.Dial(t.Context(), dir); err == nil {
		t.Error("nothing there: no error")
	}
	if err := os.WriteFile(adminsock.Path(dir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := adminsock.Dial(t.Context(), dir); err == nil {
		t.Error("a plain file: no error")
	}
}

// The store is closed when Serve has returned, so no operation may be under way
// then.
func TestServeWaitsForOperations(t *testing.T) {
	begun, slow := make(chan struct{}), make(chan struct{})
	f := &fake{during: func(context.Context) { close(begun); <-slow }}
	dir, stop := serve(t, f)
	c := dial(t, dir)
	answered := make(chan error, 1)
	go func() { answered <- c.DeleteUser(context.Background(), "ann") }()
	<-begun
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	select {
	case err := <-stopped:
		t.Errorf("Serve returned in the middle of an operation: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(slow)
	if err := <-answered; err != nil {
		t.Errorf("the operation of before the stop: %v", err)
	}
}

// An import that would take longer than a stop is told to end, and waited for.
func TestServeEndsImports(t *testing.T) {
	var over atomic.Bool
	begun := make(chan struct{})
	f := &fake{err: context.Canceled, during: func(ctx context.Context) {
		close(begun)
		<-ctx.Done()
		time.Sleep(100 * time.Millisecond) // one last hash
		over.Store(true)
	}}
	dir, stop := serve(t, f)
	c := dial(t, dir)
	answered := make(chan error, 1)
	go func() {
		_, err := c.ImportUsers(context.Background(), adminsock.Import{})
		answered <- err
	}()
	<-begun
	if err := stop(); err != nil || !over.Load() {
		t.Errorf("Serve returned %v, and the import has ended: %t", err, over.Load())
	}
	if err := <-answered; err == nil {
		t.Error("the import that was cut off succeeded")
	}
}

// Who interrupts the command ends what it asked for.
func TestClientThatLeaves(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan struct{})
	f := &fake{during: func(ctx context.Context) { close(begun); <-ctx.Done(); close(ended) }}
	dir, _ := serve(t, f)
	c := dial(t, dir)
	ctx, leave := context.WithCancel(t.Context())
	go func() { <-begun; leave() }()
	if _, err := c.ImportDevices(ctx, adminsock.Import{}); err == nil {
		t.Error("the interrupted import succeeded")
	}
	<-ended
}
