package app

import (
	"net/netip"
	"strings"
	"testing"
)

func TestURLs(t *testing.T) {
	lan := func(list ...string) func() []netip.Addr {
		return func() (addrs []netip.Addr) {
			for _, a := range list {
				addrs = append(addrs, netip.MustParseAddr(a))
			}
			return addrs
		}
	}
	all := lan("192.168.1.5", "10.0.0.2", "fd00::5")
	tests := []struct {
		name, scheme, listen, host string
		lan                        func() []netip.Addr
		want                       string
	}{
		{"ok every interface", "http", "[::]:8080", "pi.local", all,
			"http://192.168.1.5:8080 http://10.0.0.2:8080 http://[fd00::5]:8080 http://pi.local:8080"},
		{"ok every interface as it is configured", "http", ":8080", "pi.local", lan("192.168.1.5"), "http://192.168.1.5:8080 http://pi.local:8080"},
		{"ok every interface of IPv4", "http", "0.0.0.0:8080", "pi.local", all, "http://192.168.1.5:8080 http://10.0.0.2:8080 http://pi.local:8080"},
		{"ok many interfaces", "http", ":80", "", lan("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"),
			"http://10.0.0.1 http://10.0.0.2 http://10.0.0.3 http://10.0.0.4"},
		{"ok no network", "http", ":8080", "", lan(), "http://127.0.0.1:8080"},
		{"ok TLS on its port", "https", ":443", "pi.local", lan("fd00::5"), "https://[fd00::5] https://pi.local"},
		{"ok one address", "http", "192.168.1.5:8080", "pi.local", all, "http://192.168.1.5:8080 http://pi.local:8080"},
		{"ok loopback", "http", "127.0.0.1:8080", "pi.local", all, "http://127.0.0.1:8080"},
		{"ok loopback of IPv6", "http", "[::1]:8080", "pi.local", all, "http://[::1]:8080"},
		{"ok a name", "http", "localhost:8080", "pi.local", all, "http://localhost:8080"},
		{"bad no port", "http", "192.168.1.5", "pi.local", all, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(urlsOf(tt.scheme, tt.listen, tt.host, tt.lan), " "); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}
