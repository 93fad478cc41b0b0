// Package service_test runs the real binary as systemd does: with a notify socket
// and a watchdog, with sockets passed on, and within the unit's system calls. What
// systemd itself makes of the unit is tried by scripts/test-boot.sh.
package service_test

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"edgegw/e2e/process"
)

func TestMain(m *testing.M) { os.Exit(process.Main(m, filepath.Join("..", ".."))) }

// manager is the end of the notify socket that systemd has.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
	path string
}

func newManager(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &manager{t, conn, path}
}

// gateway is one that tells this manager how it is.
func (m *manager) gateway(variables ...string) *process.Gateway {
	g := process.New(m.t)
	g.Under = append([]string{"env", "NOTIFY_SOCKET=" + m.path}, variables...)
	return g
}

// next is the next message, by its assignments; nil when none comes in time.
func (m *manager) next(within time.Duration) []string {
	m.t.Helper()
	b := make([]byte, 4096)
	_ = m.conn.SetReadDeadline(time.Now().Add(within))
	n, err := m.conn.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return strings.Split(string(b[:n]), "\n")
}

// await waits for a message with the assignment and returns it; those before it are
// passed over, but for those that must not come.
func (m *manager) await(want string, never ...string) []string {
	m.t.Helper()
	for deadline := time.Now().Add(process.Patience); time.Now().Before(deadline); {
		said := m.next(time.Until(deadline))
		for _, bad := range never {
			if slices.Contains(said, bad) {
				m.t.Fatalf("%s came before %s", bad, want)
			}
		}
		if slices.Contains(said, want) {
			return said
		}
	}
	m.t.Fatalf("%s never came", want)
	return nil
}

// output runs a tool and wants it to succeed.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	b, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, b)
	}
	return string(b)
}
