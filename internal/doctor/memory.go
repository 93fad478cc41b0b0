package doctor

import (
	"context"
	"strconv"
	"strings"
)

// leastMemory is what a gateway with a few connections needs, with room for one
// password hash and a commit.
const leastMemory = 64 << 20

func memory(_ context.Context, m *Machine) (list []Finding) {
	pid := 0
	if pids := m.holders("identity.db"); len(pids) > 0 {
		pid = pids[0]
	}
	machine, group := m.Memory(pid)
	if group > 0 && group < leastMemory {
		list = append(list, found(Warning, "raise MemoryMax and MemoryHigh of the unit to 64M or more", "the control group of the gateway may take %s: one login needs 19 of them", mib(group)))
	}
	free := m.meminfo("MemAvailable")
	switch total := m.meminfo("MemTotal"); {
	case total == 0:
		list = append(list, unknown("the machine's memory: /proc/meminfo cannot be read")...)
	case free < total/20:
		list = append(list, found(Warning, "see who has it: `ps aux --sort=-rss | head`", "of %s of memory only %s are free", mib(total), mib(free)))
	}
	for line := range strings.Lines(m.read("proc/swaps")) {
		if f := strings.Fields(line); len(f) > 2 && strings.HasPrefix(f[0], "/") && !strings.Contains(f[0], "zram") {
			list = append(list, found(Note, "use zram instead, or none: `sudo systemctl disable --now dphys-swapfile`", "there is swap on %s: on a card it is slow and wears it", f[0]))
		}
	}
	if list == nil {
		limit := machine
		if group > 0 {
			limit = min(limit, group)
		}
		return good("the gateway may use %s of memory, and %s are free", mib(limit), mib(free))
	}
	return list
}

// meminfo is a line of /proc/meminfo in bytes, 0 when there is none.
func (m *Machine) meminfo(name string) int64 {
	for line := range strings.Lines(m.read("proc/meminfo")) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib << 10
		}
	}
	return 0
}
