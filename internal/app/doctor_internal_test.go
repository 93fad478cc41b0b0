package app

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"edgegw/internal/config"
)

func TestOutput(t *testing.T) {
	if out, err := output(t.Context(), "/bin/echo", "two", "words"); err != nil || out != "two words\n" {
		t.Errorf("echo: %q, %v", out, err)
	}
	if out, err := output(t.Context(), "/bin/false"); err == nil || out != "" {
		t.Errorf("a program that fails: %q, %v", out, err)
	}
	if _, err := output(t.Context(), filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a program that there is not: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := output(ctx, "/bin/sleep", "60"); err == nil || time.Since(began) > 20*time.Second {
		t.Errorf("a program that hangs: %v after %v", err, time.Since(began))
	}
}

// What the checks are given is what the machine has.
func TestMachineOf(t *testing.T) {
	dir := t.TempDir()
	cfg, err := config.Load(config.Sources{Flags: map[string]string{"env": "development", "data_dir": dir, "listen": "127.0.0.1:1", "site": "plant"}})
	if err != nil {
		t.Fatal(err)
	}
	backups := filepath.Join(dir, "backups")
	if err := os.Mkdir(backups, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"plant-20260201-120000.edgegw-backup", "plant-20260301-120000.edgegw-backup", "other-20260401-120000.edgegw-backup"} {
		if err := os.WriteFile(filepath.Join(backups, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m := machineOf(t.Context(), cfg)
	if m.Gateway.Answers || m.Gateway.Err == nil || m.Gateway.FloorErr != nil {
		t.Errorf("a gateway that does not run: %+v", m.Gateway)
	}
	if want := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC); !m.NewestBackup.Equal(want) {
		t.Errorf("the newest backup is of %v", m.NewestBackup)
	}
	if d, err := m.Disk(dir); err != nil || d.Total < d.Free || d.Free <= 0 {
		t.Errorf("the disk: %+v, %v", d, err)
	}
	if _, err := m.Disk(filepath.Join(dir, "none")); err == nil {
		t.Error("the disk of a folder that there is not: no error")
	}
	if machine, group := m.Memory(os.Getpid()); machine <= 0 || group < 0 || machine != machineMemory("/") || group != cgroupMemory("/") {
		t.Errorf("memory: %d %d", machine, group)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.TryListen(l.Addr().String()); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("an address that is taken: %v", err)
	}
	if err := errors.Join(l.Close(), m.TryListen("127.0.0.1:0")); err != nil {
		t.Errorf("one that is free: %v", err)
	}
	if len(m.Addresses) == 0 || m.Lookup(t.Context(), "localhost") != nil {
		t.Errorf("addresses %v", m.Addresses)
	}
}
