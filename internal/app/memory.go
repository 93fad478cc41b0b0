package app

import (
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
)

const (
	// cgroupShare is how much of a control group's memory the gateway plans
	// with: what is not collected yet, and the kernel's buffers, stand beside
	// the live heap, and the group's limit kills.
	cgroupShare = 0.75
	// machineShare is the same for a machine whose memory nobody has divided.
	machineShare = 0.5
	// collectLooks is how many looks lie between two collections that are made
	// for them.
	collectLooks = 5
)

// memory tells how much memory is in use, and how much may be.
type memory struct {
	// limit is that of the control group or the machine, in bytes.
	limit   int64
	samples []metrics.Sample
	// looks were taken since the last collection that was made for one.
	looks int
}

// newMemory reads the limits below root, which is / but in tests.
func newMemory(root string) memory {
	m := memory{looks: collectLooks, samples: []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}, {Name: "/gc/gomemlimit:bytes"},
	}}
	machine := machineMemory(root)
	m.limit = int64(float64(machine) * machineShare)
	if group := cgroupMemory(root); group > 0 && group < machine {
		m.limit = int64(float64(group) * cgroupShare)
	}
	return m
}

// MemoryLimit is how much memory a gateway plans with where nobody has set
// GOMEMLIMIT, in bytes: a part of what its control group allows (MemoryHigh= and
// MemoryMax= of the unit), or of the machine's.
func MemoryLimit() int64 { return newMemory("/").limit }

// look returns what the newest collection has left on the heap, with the stacks,
// and the limit: that of the Go runtime (GOMEMLIMIT) if there is one. When that is
// so much that something would be shed, it collects before it says so: the newest
// collection may have come in the middle of a large answer, and where new
// connections are sent away there may not be another for two minutes.
func (m *memory) look() (used, limit int64) {
	used, limit = m.read()
	if m.looks++; m.looks > collectLooks && share(used, limit) >= memoryRungs[0]-calmShare {
		m.looks = 0
		runtime.GC()
		used, limit = m.read()
	}
	return used, limit
}

func (m *memory) read() (used, limit int64) {
	metrics.Read(m.samples)
	value := func(i int) int64 {
		if m.samples[i].Value.Kind() != metrics.KindUint64 {
			return 0
		}
		return int64(min(m.samples[i].Value.Uint64(), math.MaxInt64))
	}
	limit = m.limit
	if own := value(2); own > 0 && own < math.MaxInt64 {
		limit = own
	}
	return value(0) + value(1), limit
}

// machineMemory is MemTotal; without one, so much that nothing comes near.
func machineMemory(root string) int64 {
	b, _ := os.ReadFile(filepath.Join(root, "proc/meminfo"))
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err == nil && kib > 0 && kib < math.MaxInt64>>10 {
				return kib << 10
			}
		}
	}
	return math.MaxInt64
}

// cgroupMemory is the least limit of the process's control group and those above
// it, of either version of control groups, or 0 when there is none. Above
// memory.high a process is not killed, but slowed down until it might as well be.
func cgroupMemory(root string) int64 { return groupMemory(root, "proc/self/cgroup") }

// groupMemory is cgroupMemory of the process whose cgroup file is named.
func groupMemory(root, file string) (least int64) {
	b, _ := os.ReadFile(filepath.Join(root, file))
	for line := range strings.Lines(string(b)) {
		// hierarchy:controllers:group, without controllers in version 2
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) < 3 {
			continue
		}
		switch controllers := strings.Split(parts[1], ","); {
		case parts[1] == "":
			least = leastLimit(least, filepath.Join(root, "sys/fs/cgroup"), parts[2], "memory.max", "memory.high")
		case slices.Contains(controllers, "memory"):
			least = leastLimit(least, filepath.Join(root, "sys/fs/cgroup/memory"), parts[2], "memory.limit_in_bytes")
		}
	}
	return least
}

// leastLimit is the least of the limits in the named files of a group and those
// above it, and of least unless that is 0.
func leastLimit(least int64, mount, group string, files ...string) int64 {
	for dir := filepath.Clean("/" + group); ; dir = filepath.Dir(dir) {
		for _, name := range files {
			text, err := os.ReadFile(filepath.Join(mount, dir, name))
			n, bad := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
			if err == nil && bad == nil && n > 0 && (least == 0 || n < least) {
				least = n
			}
		}
		if dir == "/" {
			return least
		}
	}
}
