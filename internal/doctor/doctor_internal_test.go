package doctor

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"edgegw/internal/config"
)

var today = time.Date(2027, 5, 1, 12, 0, 0, 0, time.UTC)

// sick is a machine that is well, and the ways to make it ill.
type sick struct {
	*Machine
	t *testing.T
}

// healthy is a machine on which every check has nothing to say but that all is
// well: what a test then changes is what it finds.
func healthy(t *testing.T, flags ...string) *sick {
	t.Helper()
	root, data := t.TempDir(), filepath.Join(t.TempDir(), "data")
	given := map[string]string{"env": "development", "listen": ":8080", "data_dir": data, "backup_every": "24h", "backup_dir": t.TempDir()}
	for _, f := range flags {
		name, value, _ := strings.Cut(f, "=")
		given[name] = value
	}
	cfg, err := config.Load(config.Sources{Flags: given})
	if err != nil {
		t.Fatal(err)
	}
	s := &sick{t: t, Machine: &Machine{
		Root: root, Config: cfg, Now: today, Synced: true, UID: 1000, Hostname: "board",
		Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.168.1.7")},
		Lookup:    func(context.Context, string) error { return nil },
		TryListen: func(string) error { return syscall.EADDRINUSE },
		Systemctl: func(context.Context, ...string) (string, error) { return wellUnits, nil },
		Disk: func(string) (Disk, error) {
			return Disk{Free: 8 << 30, Total: 16 << 30, Inodes: 1e6, FreeInodes: 9e5}, nil
		},
		Memory:  func(int) (int64, int64) { return 1 << 30, 128 << 20 },
		LowDisk: 64 << 20, StoreBytes: 2 << 30, NewestBackup: today.Add(-time.Hour),
		Gateway: Gateway{
			Answers: true, Status: "ok", Clock: "synced", Floor: today.Add(-time.Minute),
			Checks: map[string]string{"admin": "ok", "disk": "ok", "pressure": "ok", "wear": "12.5 MB a day"},
		},
	}}
	s.store("identity.db")
	s.store("history.db")
	s.fake("proc/locks", s.lock("identity.db", 812)+s.lock("history.db", 812))
	s.fake("proc/812/comm", "edgegw\n")
	s.fake("proc/812/limits", "Limit Soft Hard Units\nMax open files            65536                65536                files     \n")
	s.fake("proc/net/tcp", "  sl  local_address rem_address   st\n   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 4711 1\n")
	s.link("proc/812/fd/7", "socket:[4711]")
	s.fake("proc/self/mountinfo", "36 35 179:2 / / rw,noatime - ext4 /dev/mmcblk0p2 rw\n")
	s.link("sys/dev/block/179:2", "../../devices/soc/block/mmcblk0/mmcblk0p2")
	s.fake("sys/fs/ext4/mmcblk0p2/errors_count", "0\n")
	s.fake("sys/block/mmcblk0/device/life_time", "0x01 0x02\n")
	s.fake("sys/block/mmcblk0/device/pre_eol_info", "0x01\n")
	s.fake("proc/meminfo", "MemTotal:        1000000 kB\nMemAvailable:     500000 kB\n")
	s.fake("sys/class/rtc/rtc0/name", "rtc-ds1307\n")
	s.fake("run/avahi-daemon/pid", "99\n")
	s.fake("run/systemd/system/.keep", "")
	return s
}

const wellUnits = `Id=edgegw.service
LoadState=loaded
ActiveState=active
SubState=running
Result=success
NRestarts=0
UnitFileState=enabled

Id=edgegw.socket
LoadState=not-found
ActiveState=inactive
`

func (s *sick) write(path, text string) {
	s.t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sick) fake(name, text string) { s.t.Helper(); s.write(s.path(name), text) }

func (s *sick) link(name, to string) {
	s.t.Helper()
	path := s.path(name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.Symlink(to, path)); err != nil {
		s.t.Fatal(err)
	}
}

// store makes a file that looks like one of bbolt.
func (s *sick) store(name string) {
	s.t.Helper()
	page := make([]byte, 8<<10)
	binary.NativeEndian.PutUint32(page[16:], magic)
	s.write(s.data(name), string(page))
}

func (s *sick) lock(name string, pid int) string {
	s.t.Helper()
	var st syscall.Stat_t
	if err := syscall.Stat(s.data(name), &st); err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprintf("1: FLOCK  ADVISORY  WRITE %d %s:%d 0 EOF\n", pid, device(uint64(st.Dev)), st.Ino)
}

// bad are the findings that are not ok, one a line.
func bad(list []Finding) string {
	var lines []string
	for _, f := range list {
		if f.Level != OK {
			lines = append(lines, fmt.Sprintf("%s %s: %s | %s", f.Level, f.Check, f.Message, f.Fix))
		}
	}
	return strings.Join(lines, "\n")
}

// Of a machine that is well every check says so.
func TestHealthy(t *testing.T) {
	list := Examine(t.Context(), healthy(t).Machine)
	if b := bad(list); b != "" || Worst(list) != OK {
		t.Errorf("a healthy machine has\n%s", b)
	}
	seen := map[string]bool{}
	for _, f := range list {
		seen[f.Check] = true
	}
	for _, c := range checks {
		if !seen[c.name] {
			t.Errorf("the check %s says nothing", c.name)
		}
	}
}

// Each illness is found, by one check, and has a fix; nothing else is said.
func TestFindings(t *testing.T) {
	for _, test := range illnesses {
		t.Run(test.name, func(t *testing.T) {
			s := healthy(t, test.flags...)
			test.make(s)
			list := Examine(t.Context(), s.Machine)
			got := bad(list)
			if !strings.HasPrefix(got, string(test.level)+" "+test.check+": ") || !strings.Contains(got, test.says) {
				t.Errorf("found\n%s\nwant %s %s with %q", got, test.level, test.check, test.says)
			}
			if s.Gateway.Answers && strings.Count(got, "\n") != 0 {
				t.Errorf("more than one finding:\n%s", got)
			}
			for _, f := range list {
				if (f.Level == Problem || f.Level == Warning) && f.Fix == "" {
					t.Errorf("no fix for %s", f.Message)
				}
			}
		})
	}
}

// Of a gateway that does not run, nothing is a problem, and what only it knows is
// said to be unknown.
func TestStopped(t *testing.T) {
	s := healthy(t)
	s.down()
	s.TryListen = free
	s.fake("proc/locks", "")
	list := Examine(t.Context(), s.Machine)
	got := bad(list)
	for _, want := range []string{"note gateway: the gateway does not run: nothing listens there", "unknown files: ", "unknown admin: "} {
		if !strings.Contains(got, want) {
			t.Errorf("found\n%s\nwithout %s", got, want)
		}
	}
	if Worst(list) != OK {
		t.Errorf("the worst is %s", Worst(list))
	}
	s.UID, s.TryListen = 0, free
	s.fake("proc/sys/net/ipv4/ip_unprivileged_port_start", "9000")
	if got := bad(ports(t.Context(), s.Machine)); !strings.Contains(got, "a gateway that is not root may not take it") {
		t.Errorf("root does not see what the gateway's user may not do: %s", got)
	}
}

// A file of another owner than the folder's is one that the gateway cannot open.
func TestOwner(t *testing.T) {
	s := healthy(t)
	path := s.data("history.db")
	if got := bad(s.filePermissions(path, os.Getuid())); got != "" {
		t.Errorf("one's own file: %s", got)
	}
	if got := bad(s.filePermissions(path, os.Getuid()+1)); !strings.Contains(got, "belongs to another user") || !strings.Contains(got, "chown --reference") {
		t.Errorf("another's file: %s", got)
	}
}

// What cannot be looked at is said once, and is no problem.
func TestUnreadable(t *testing.T) {
	s := healthy(t)
	s.Config = &config.Config{DataDir: "/proc/self/comm/below-a-file"}
	for _, list := range [][]Finding{permissions(t.Context(), s.Machine), stores(t.Context(), s.Machine)} {
		if got := bad(list); !strings.HasPrefix(got, "unknown") || len(list) != 1 || Worst(list) != OK {
			t.Errorf("found %s", got)
		}
	}
}

func TestWorst(t *testing.T) {
	for want, levels := range map[Level][]Level{OK: {OK, Note, Unknown}, Warning: {Note, Warning, OK}, Problem: {Problem, Warning}} {
		var list []Finding
		for _, l := range levels {
			list = append(list, Finding{Level: l})
		}
		if got := Worst(list); got != want {
			t.Errorf("the worst of %v is %s", levels, got)
		}
	}
}
