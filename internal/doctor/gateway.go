package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

func gatewayRuns(_ context.Context, m *Machine) (list []Finding) {
	g := m.Gateway
	switch pids := m.holders("identity.db"); {
	case g.Answers:
	case len(pids) > 0:
		return []Finding{found(Problem, "look at `journalctl -u edgegw`; restart it if it does not answer in a minute",
			"a process holds the stores (pid %d), but no gateway answers: %v", pids[0], g.Err)}
	default:
		return []Finding{found(Note, "start it with `systemctl start edgegw`, or `edgegw serve`", "the gateway does not run: %v", g.Err)}
	}
	if g.Status == "failing" {
		list = append(list, found(Problem, "wait a moment; if it stays so, see `journalctl -u edgegw`", "the gateway is failing: it starts or stops"))
	}
	for _, name := range slices.Sorted(maps.Keys(g.Checks)) {
		said := g.Checks[name]
		switch {
		case said == "ok":
		case name == "history" || name == "accounts":
			list = append(list, found(Warning, "see `edgegw check`; go back to a backup with `edgegw restore` if too much is gone", "%s: %s", name, said))
		case name == "pressure":
			list = append(list, found(Warning, "lower max_connections or send_queue_bytes, or give the gateway more memory or disk; OPERATIONS has a chapter about pressure", "pressure: %s", said))
		}
	}
	if list == nil {
		return good("the gateway answers, and is %s", g.Status)
	}
	return list
}

func admin(_ context.Context, m *Machine) []Finding {
	switch said := m.Gateway.Checks["admin"]; {
	case !m.Gateway.Answers:
		return []Finding{found(Unknown, "start the gateway", "whether there is an administrator: the gateway does not answer")}
	case said == "missing":
		return []Finding{found(Problem, "make one: `sudo edgegw setup`, or open /setup in a browser", "there is no administrator: everything but health and metrics is refused (setup_required)")}
	}
	return good("there is an administrator")
}

// oneGateway looks at who has locked the stores.
func oneGateway(_ context.Context, m *Machine) []Finding {
	pids := append(m.holders("identity.db"), m.holders("history.db")...)
	slices.Sort(pids)
	pids = slices.Compact(pids)
	if len(pids) > 1 {
		return []Finding{found(Problem, "give each gateway a data_dir of its own, and stop all but one of these",
			"more than one process holds the stores in %s: pids %v", m.Config.DataDir, pids)}
	}
	switch _, err := os.Stat(m.data("identity.db")); {
	case errors.Is(err, fs.ErrPermission):
		return unknown("who holds the stores: %v", err)
	case len(pids) == 0:
		return good("nobody else holds the stores")
	}
	return good("one process holds the stores: pid %d", pids[0])
}

// holders are the processes that have locked a file of the data folder (proc(5),
// /proc/locks).
func (m *Machine) holders(name string) (pids []int) {
	info, err := os.Stat(m.data(name))
	if err != nil {
		return nil
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	for line := range strings.Lines(m.read("proc/locks")) {
		// 1: FLOCK ADVISORY WRITE 812 b3:02:131074 0 EOF
		f := strings.Fields(line)
		if len(f) < 6 || f[1] != "FLOCK" {
			continue
		}
		where := strings.Split(f[5], ":")
		pid, err := strconv.Atoi(f[4])
		if err != nil || len(where) != 3 || where[2] != strconv.FormatUint(st.Ino, 10) {
			continue
		}
		// Some file systems show another device here than to stat: there, the
		// name of the process decides.
		if where[0]+":"+where[1] == device(uint64(st.Dev)) || m.read("proc", f[4], "comm") == "edgegw" {
			pids = append(pids, pid)
		}
	}
	return pids
}

// device is a device's number as the kernel writes it in /proc/locks.
func device(dev uint64) string {
	major := dev>>8&0xfff | dev>>32&^0xfff
	minor := dev&0xff | dev>>12&^0xff
	return fmt.Sprintf("%02x:%02x", major, uint32(minor))
}

// openFiles compares what the running gateway may open with what it is to hold.
func openFiles(_ context.Context, m *Machine) []Finding {
	const others = 64 // stores, listeners, requests
	pids := m.holders("identity.db")
	switch {
	case len(pids) == 0 && m.Gateway.Answers:
		return unknown("how many files the gateway may open: this user cannot tell which process it is")
	case len(pids) == 0:
		return []Finding{found(Unknown, "start the gateway", "how many files the gateway may open: it does not run")}
	}
	for line := range strings.Lines(m.read("proc", strconv.Itoa(pids[0]), "limits")) {
		rest, is := strings.CutPrefix(line, "Max open files")
		f := strings.Fields(rest)
		if !is || len(f) < 2 {
			continue
		}
		most, err := strconv.Atoi(f[0])
		if err != nil { // unlimited
			return good("the gateway may open any number of files")
		}
		if most < m.Config.MaxConnections+others {
			return []Finding{found(Warning, fmt.Sprintf("set LimitNOFILE=%d in the unit, or lower max_connections", m.Config.MaxConnections+others),
				"the gateway may open %d files, and max_connections is %d", most, m.Config.MaxConnections)}
		}
		return good("the gateway may open %d files, enough for %d connections", most, m.Config.MaxConnections)
	}
	return unknown("how many files the gateway may open: /proc/%d/limits cannot be read", pids[0])
}
