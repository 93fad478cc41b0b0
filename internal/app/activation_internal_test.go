package app

import (
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func listenOn(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestPassedSocketsThatAreNoListeners(t *testing.T) {
	file := func(f *os.File, err error) *os.File {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	tcp := listenOn(t, "tcp", "127.0.0.1:0")
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = udp.Close() })
	conn, err := net.Dial("tcp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	unix := listenOn(t, "unix", filepath.Join(t.TempDir(), "s"))
	for name, row := range map[string]struct {
		file *os.File
		want string
	}{
		"ok tcp":        {file(tcp.(*net.TCPListener).File()), ""},
		"bad udp":       {file(udp.File()), "ListenStream="},
		"bad connected": {file(conn.(*net.TCPConn).File()), "Accept=no"},
		"bad unix":      {file(unix.(*net.UnixListener).File()), "with a port"},
		"bad file":      {file(os.Open(os.DevNull)), "is no socket"},
	} {
		l, err := listenerOf(row.file)
		switch {
		case row.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case row.want == "":
			_ = l.Close()
		case err == nil || !strings.Contains(err.Error(), row.want):
			t.Errorf("%s: %v, which does not say %q", name, err, row.want)
		}
	}
}

func TestWhichOptionTakesWhichSocket(t *testing.T) {
	loopback, everywhere := listenOn(t, "tcp", "127.0.0.1:0"), listenOn(t, "tcp", ":0")
	port := func(l net.Listener) string { return strconv.Itoa(l.Addr().(*net.TCPAddr).Port) }
	own, all := port(loopback), port(everywhere)
	for name, row := range map[string]struct {
		named   string
		socket  net.Listener
		option  string
		address string
		taken   bool
	}{
		"ok by name":                 {"listen", loopback, "listen", "127.0.0.1:" + own, true},
		"ok by name, elsewhere":      {"listen", loopback, "listen", "127.0.0.1:1", true},
		"ok by address":              {"edgegw.socket", loopback, "listen", "127.0.0.1:" + own, true},
		"ok by address, localhost":   {"edgegw.socket", loopback, "listen", "localhost:" + own, true},
		"ok by address, every one":   {"edgegw.socket", everywhere, "listen", ":" + all, true},
		"ok by address, 0.0.0.0":     {"edgegw.socket", everywhere, "listen", "0.0.0.0:" + all, true},
		"bad name of another":        {"metrics_listen", loopback, "listen", "127.0.0.1:" + own, false},
		"bad port":                   {"edgegw.socket", loopback, "listen", "127.0.0.1:1", false},
		"bad host, loopback for all": {"edgegw.socket", loopback, "listen", ":" + own, false},
		"bad host, all for loopback": {"edgegw.socket", everywhere, "listen", "127.0.0.1:" + all, false},
		"bad address, any free one":  {"edgegw.socket", loopback, "listen", "127.0.0.1:0", false},
	} {
		a := &App{logger: slog.New(slog.NewTextHandler(io.Discard, nil)), passed: []passedSocket{{row.named, row.socket}}}
		l := a.takePassed(row.option, row.address)
		if (l != nil) != row.taken {
			t.Errorf("%s: taken %v", name, l != nil)
		}
		if row.taken {
			if err := a.refusePassed(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	a := &App{passed: []passedSocket{{"edgegw.socket", listenOn(t, "tcp", "127.0.0.1:0")}}}
	if err := a.refusePassed(); err == nil || !strings.Contains(err.Error(), "edgegw.socket") || !strings.Contains(err.Error(), "systemctl edit") {
		t.Errorf("a socket that nobody takes: %v", err)
	}
}
