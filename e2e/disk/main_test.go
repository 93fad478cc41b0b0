// Package disk_test does to the real binary what disks do: they run full (a small
// file system in a file is mounted for that, which takes root) and they rot. Every promise about messages is held
// against a ledger that lies elsewhere.
package disk_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"edgegw/e2e/process"
	"edgegw/internal/gatewaytest"
)

func TestMain(m *testing.M) { os.Exit(process.Main(m, filepath.Join("..", ".."))) }

// disk is an ext4 of its own.
type disk struct {
	t    *testing.T
	path string // where it is mounted
}

// mount makes a disk of so many MiB that lives as long as the test.
func mount(t *testing.T, mib int) *disk {
	t.Helper()
	image := filepath.Join(t.TempDir(), "disk.img")
	d := &disk{t: t, path: t.TempDir()}
	d.run("truncate", "-s", fmt.Sprintf("%dM", mib), image)
	d.run("mkfs.ext4", "-q", "-m", "0", "-F", image)
	d.run("mount", "-o", "loop", image, d.path)
	t.Cleanup(func() { d.run("umount", d.path) })
	return d
}

func (d *disk) run(name string, args ...string) {
	d.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		d.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// fill leaves no space for anyone.
func (d *disk) fill() {
	d.t.Helper()
	file, err := os.OpenFile(filepath.Join(d.path, "ballast"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for block := make([]byte, 64<<10); len(block) > 0; {
		_, err := file.Write(block)
		if err == nil {
			err = file.Sync()
		}
		switch {
		case errors.Is(err, syscall.ENOSPC):
			block = block[:len(block)/2]
		case err != nil:
			d.t.Fatal(err)
		}
	}
}

func (d *disk) free() {
	d.t.Helper()
	if err := os.Remove(filepath.Join(d.path, "ballast")); err != nil {
		d.t.Fatal(err)
	}
}

// site is a gateway whose data lies on the disk.
type site struct {
	*process.Gateway
	t      *testing.T
	client *http.Client
}

func open(t *testing.T, d *disk) *site {
	t.Helper()
	return openIn(t, filepath.Join(d.path, "data"))
}

func openIn(t *testing.T, data string) *site {
	t.Helper()
	rooms := process.WriteFile(t, "edgegw.toml", "[[rooms]]\nmatch = \"mem\"\ndurability = \"memory\"\n[[rooms]]\nmatch = \"fs\"\ndurability = \"fsynced\"\n")
	s := &site{t: t, Gateway: process.New(t, "data_dir="+data, "config="+rooms, "message_rate=0", "argon2_memory_kib=7168", "argon2_time=1",
		"login_rate_per_ip=0", "login_rate_per_account=0", "commit_window=0s")}
	s.client = &http.Client{Timeout: process.Patience}
	t.Cleanup(s.client.CloseIdleConnections)
	s.Run()
	return s
}

func (s *site) ask(method, path string, body any) gatewaytest.Answer {
	s.t.Helper()
	a, err := gatewaytest.Ask(s.client, method, s.URL+path, s.Token("admin", time.Hour), body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (s *site) connect(room string) *gatewaytest.Socket {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		s.t.Fatal(err)
	}
	socket, answer, err := gatewaytest.Upgrade(conn, "?room="+room, nil, "Sec-WebSocket-Protocol: bearer, "+s.Token("admin", time.Hour))
	if err != nil || socket == nil {
		s.t.Fatalf("handshake: %d %v", answer.Status, err)
	}
	socket.Patience = process.Patience
	s.t.Cleanup(func() { _ = conn.Close() })
	return socket
}
