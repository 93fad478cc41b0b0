package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// listens are the addresses that the configuration has, by option.
func (m *Machine) listens() (list [][2]string) {
	for _, option := range []string{"listen", "tls_listen", "metrics_listen"} {
		if address := m.Config.Text(option); address != "" {
			list = append(list, [2]string{option, address})
		}
	}
	return list
}

func ports(_ context.Context, m *Machine) (list []Finding) {
	for _, l := range m.listens() {
		list = append(list, m.port(l[0], l[1]))
	}
	return list
}

func (m *Machine) port(option, address string) Finding {
	err := m.TryListen(address)
	_, port, _ := net.SplitHostPort(address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return m.taken(option, address, port)
	case errors.Is(err, syscall.EACCES):
		return found(Problem, "choose a port from 1024 on, or give the unit AmbientCapabilities=CAP_NET_BIND_SERVICE", "%s = %s: this user may not take a port below 1024", option, address)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return found(Problem, "use an address that `ip address` shows, or none at all (\":"+port+"\") for every interface", "%s = %s is no address of this machine now", option, address)
	case err != nil:
		return found(Problem, "correct "+option, "%s = %s: %v", option, address, err)
	case m.Gateway.Answers && option == "listen":
		return found(Note, "", "%s = %s is free, although a gateway answers there", option, address)
	}
	if n, err := strconv.Atoi(port); err == nil && n > 0 && n < m.firstFreePort() && m.UID == 0 {
		return found(Warning, "choose a port from 1024 on, or give the unit AmbientCapabilities=CAP_NET_BIND_SERVICE", "%s = %s is free, but a gateway that is not root may not take it", option, address)
	}
	return found(OK, "", "%s = %s is free", option, address)
}

// firstFreePort is the first that everybody may take.
func (m *Machine) firstFreePort() int {
	if n, err := strconv.Atoi(m.read("proc/sys/net/ipv4/ip_unprivileged_port_start")); err == nil {
		return n
	}
	return 1024
}

func (m *Machine) taken(option, address, port string) Finding {
	pid, name, known := m.listener(port)
	switch {
	case known && (slices.Contains(m.holders("identity.db"), pid) || pid == 1):
		return found(OK, "", "%s = %s is taken by the gateway itself (pid %d, %s)", option, address, pid, name)
	case known:
		return found(Problem, "stop it, or choose another port for "+option, "%s = %s is taken by another program: %s (pid %d)", option, address, name, pid)
	case m.Gateway.Answers:
		return found(OK, "", "%s = %s is taken, and the gateway answers", option, address)
	}
	return found(Problem, "see who it is with `sudo ss -ltnp 'sport = :"+port+"'`; stop it, or choose another port for "+option, "%s = %s is taken, by whom this user may not see", option, address)
}

// listener finds who listens on a TCP port (proc(5), /proc/net/tcp).
func (m *Machine) listener(port string) (pid int, name string, known bool) {
	n, _ := strconv.Atoi(port)
	suffix, inodes := fmt.Sprintf(":%04X", n), map[string]bool{}
	for _, table := range []string{"proc/net/tcp", "proc/net/tcp6"} {
		for line := range strings.Lines(m.read(table)) {
			f := strings.Fields(line)
			const listening = "0A"
			if len(f) > 9 && f[3] == listening && strings.HasSuffix(f[1], suffix) {
				inodes["socket:["+f[9]+"]"] = true
			}
		}
	}
	sockets, _ := filepath.Glob(m.path("proc/[0-9]*/fd/*")) // the pattern is good
	for _, fd := range sockets {
		if to, err := os.Readlink(fd); err == nil && inodes[to] {
			dir := filepath.Dir(filepath.Dir(fd))
			pid, _ = strconv.Atoi(filepath.Base(dir))
			return pid, m.read("proc", filepath.Base(dir), "comm"), true
		}
	}
	return 0, "", false
}

// reachable says whether anybody but this machine can come in.
func reachable(_ context.Context, m *Machine) []Finding {
	for _, l := range m.listens() {
		host, _, _ := net.SplitHostPort(l[1])
		a, err := netip.ParseAddr(host)
		if l[0] != "metrics_listen" && host != "localhost" && (err != nil || !a.IsLoopback()) {
			return good("other machines can come in by %s = %s", l[0], l[1])
		}
	}
	return []Finding{found(Note, "set tls_listen = \":8443\" for the network, or put a proxy in front", "the gateway listens on loopback only: no other machine can come in")}
}

// names looks at what others call this machine.
func names(ctx context.Context, m *Machine) (list []Finding) {
	if err := m.Lookup(ctx, m.Hostname); err != nil {
		list = append(list, found(Warning, "add the line `127.0.1.1 "+m.Hostname+"` to /etc/hosts", "the machine's own name, %s, does not resolve: %v", m.Hostname, err))
	}
	if m.read("run/avahi-daemon/pid") == "" {
		list = append(list, found(Note, "install avahi-daemon, or use addresses", "nobody answers for %s.local: avahi-daemon does not run", m.Hostname))
	}
	if list == nil {
		return good("%s resolves, and avahi answers for %s.local", m.Hostname, m.Hostname)
	}
	return list
}
