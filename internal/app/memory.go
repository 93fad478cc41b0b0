package app

import (
	"math"
	"os"
	"path/filepath"
	"runtime/metrics"
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
)

// memory tells how much memory is in use, and how much may be.
type memory struct {
	// limit is that of the control group or the machine, in bytes.
	limit   int64
	samples []metrics.Sample
}

// newMemory reads the limits below root, which is / but in tests.
func newMemory(root string) memory {
	m := memory{samples: []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}, {Name: "/gc/gomemlimit:bytes"},
	}}
	m.limit = int64(float64(machineMemory(root)) * machineShare)
	if group := cgroupMemory(root); group > 0 {
		m.limit = int64(float64(group) * cgroupShare)
	}
	return m
}

// look returns what the newest collection has left on the heap, with the stacks,
// and the limit: that of the Go runtime (GOMEMLIMIT) if there is one.
func (m *memory) look() (used, limit int64) {
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

// cgroupMemory is the least memory.max of the process's control group (version
// 2) and those above it, or 0 when there is none.
func cgroupMemory(root string) (least int64) {
	b, _ := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	for line := range strings.Lines(string(b)) {
		group, ok := strings.CutPrefix(strings.TrimSpace(line), "0::/")
		if !ok {
			continue
		}
		for dir := filepath.Clean("/" + group); ; dir = filepath.Dir(dir) {
			text, err := os.ReadFile(filepath.Join(root, "sys/fs/cgroup", dir, "memory.max"))
			n, bad := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
			if err == nil && bad == nil && n > 0 && (least == 0 || n < least) {
				least = n
			}
			if dir == "/" {
				return least
			}
		}
	}
	return 0
}
