package app

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"edgegw/internal/hub"
)

// climb looks at one load after the other and tells the levels.
func climb(l *ladder, loads ...load) string {
	var levels []string
	for i := range loads {
		levels = append(levels, fmt.Sprint(l.step(&loads[i])))
	}
	return strings.Join(levels, " ")
}

func memoryLoads(shares ...float64) (loads []load) {
	for _, s := range shares {
		loads = append(loads, load{memory: s})
	}
	return loads
}

func TestLadder(t *testing.T) {
	for _, c := range []struct {
		name  string
		loads []load
		want  string
	}{
		{"ok nothing", memoryLoads(0, 0.5, 0.74), "0 0 0"},
		{"ok rises at once", memoryLoads(0.75, 0.85, 0.92, 2), "1 2 3 3"},
		{"ok rises over levels", memoryLoads(0, 0.95), "0 3"},
		{"ok falls slowly, then level by level", memoryLoads(0.95, 0, 0, 0, 0, 0, 0), "3 3 3 2 1 0 0"},
		{"ok stays while it is near", memoryLoads(0.76, 0.66, 0.66, 0.66, 0.66, 0.66), "1 1 1 1 1 1"},
		{"ok falls when it is clearly below", memoryLoads(0.76, 0.64, 0.64, 0.64), "1 1 1 0"},
		{"ok calm is in a row", memoryLoads(0.76, 0, 0, 0.7, 0, 0, 0.7, 0, 0, 0), "1 1 1 1 1 1 1 1 1 0"},
		{"ok falls to where it belongs", memoryLoads(0.95, 0.8, 0.8, 0.8, 0.8, 0.8), "3 3 3 2 2 2"},
		{"ok rises again on the way down", memoryLoads(0.95, 0, 0, 0, 0.95, 0, 0), "3 3 3 2 3 3 3"},
		{"ok send queues", []load{{waiting: 0.19}, {waiting: 0.2}, {waiting: 0.3}, {waiting: 0.4}}, "0 1 2 3"},
		{"ok the store's queue cuts nobody off", []load{{backlog: 0.4}, {backlog: 0.5}, {backlog: 0.8}, {backlog: 1}}, "0 1 2 2"},
		{"ok a full disk sheds little", []load{{disk: 0.9}, {disk: 1}, {disk: 1e8}}, "0 1 1"},
		{"ok the worst counts", []load{{disk: 5, backlog: 0.9, memory: 0.1}}, "2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l ladder
			if got := climb(&l, c.loads...); got != c.want {
				t.Errorf("levels %s, want %s", got, c.want)
			}
		})
	}
}

func TestCauses(t *testing.T) {
	l := load{memory: 0.8, backlog: 0.41, disk: 0.1}
	if got := l.causes(); got != "memory, store queue" {
		t.Errorf("causes %q", got)
	}
	for level := hub.PressureEphemeral; level <= hub.PressureConnections; level++ {
		if shed[level] == "" || !strings.HasPrefix(shed[level], shed[level-1]) {
			t.Errorf("level %d sheds %q", level, shed[level])
		}
	}
}

// What a collection found in the middle of a large answer is not taken for what is
// in use, and not for long.
func TestMemoryIsLookedAtAnew(t *testing.T) {
	m := memory{limit: 80 << 20, looks: collectLooks, samples: newMemory("/").samples}
	fill := func() {
		sink := make([]byte, 128<<20)
		runtime.GC()
		runtime.KeepAlive(sink)
	}
	fill()
	if used, limit := m.look(); used > limit/2 {
		t.Errorf("at once: %d of %d", used, limit)
	}
	fill()
	for range collectLooks {
		if used, limit := m.look(); used < limit {
			t.Errorf("collected after less than %d looks", collectLooks)
		}
	}
	if used, limit := m.look(); used > limit/2 {
		t.Errorf("after %d looks: %d of %d", collectLooks+1, used, limit)
	}
}

// The limit is the Go runtime's, else the group's, else the machine's.
func TestMemoryLimit(t *testing.T) {
	const meminfo = "proc/meminfo"
	const group = "proc/self/cgroup"
	const max = "sys/fs/cgroup/a.slice/b.service/memory.max"
	const parent = "sys/fs/cgroup/a.slice/memory.max"
	machine := "MemFree:  7 kB\nMemTotal:        1000 kB\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		limit int64
	}{
		{"ok machine", map[string]string{meminfo: machine}, 512_000},
		{"ok group", map[string]string{meminfo: machine, group: "0::/a.slice/b.service\n", max: "400000\n"}, 300_000},
		{"ok group above", map[string]string{meminfo: machine, group: "0::/a.slice/b.service\n", max: "max\n", parent: "400000\n"}, 300_000},
		{"ok least of the groups", map[string]string{meminfo: machine, group: "0::/a.slice/b.service\n", max: "500000\n", parent: "400000\n"}, 300_000},
		{"ok in a container", map[string]string{meminfo: machine, group: "0::/\n", "sys/fs/cgroup/memory.max": "400000\n"}, 300_000},
		{"ok group without a limit", map[string]string{meminfo: machine, group: "0::/a.slice/b.service\n", max: "max\n"}, 512_000},
		{"ok slowed down", map[string]string{meminfo: machine, group: "0::/a.slice/b.service\n", max: "500000\n", "sys/fs/cgroup/a.slice/b.service/memory.high": "400000\n"}, 300_000},
		{"ok group of version 1", map[string]string{meminfo: machine, group: "5:cpu,memory:/a\n0::/\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "400000\n"}, 300_000},
		{"ok group of version 1 above", map[string]string{meminfo: machine, group: "5:memory:/a/b\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "400000\n"}, 300_000},
		{"ok group of version 1 without a limit", map[string]string{meminfo: machine, group: "4:memory:/a\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "9223372036854771712\n"}, 512_000},
		{"ok more than the machine has", map[string]string{meminfo: machine, group: "0::/a.slice/b.service\n", max: "5000000\n"}, 512_000},
		{"bad group", map[string]string{meminfo: machine, group: "0::/a.slice/b.service\n", max: "-5\n", parent: "x\n"}, 512_000},
		{"bad group outside", map[string]string{meminfo: machine, group: "0::/../../..\n", "memory.max": "400000\n"}, 512_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			for name, text := range c.files {
				path := filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			m := newMemory(root)
			if m.limit != c.limit {
				t.Errorf("limit %d, want %d", m.limit, c.limit)
			}
			if used, limit := m.look(); used < 1<<10 || used > 1<<30 || limit != c.limit {
				t.Errorf("looked: %d of %d", used, limit)
			}
		})
	}
	for _, text := range []string{"", "MemTotal: x kB\n", "MemTotal: 99999999999999999999 kB\n"} {
		root := t.TempDir()
		if err := os.Mkdir(filepath.Join(root, "proc"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, meminfo), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if m := newMemory(root); m.limit < 1<<60 {
			t.Errorf("%q: limit %d", text, m.limit)
		}
	}
}
