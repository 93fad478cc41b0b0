package httpapi

import (
	"io"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"testing"
)

func api(o Options) *API {
	o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	return New(o)
}

func TestOrigins(t *testing.T) {
	a := api(Options{AllowedOrigins: []string{"https://dash.example.net", "capacitor://localhost"}})
	tests := []struct {
		name, host string
		origins    []string
		ok         bool
		allow      string
	}{
		{"ok none", "gw.local", nil, true, ""},
		{"ok listed", "gw.local", []string{"https://dash.example.net"}, true, "https://dash.example.net"},
		{"ok listed, other case", "gw.local", []string{"HTTPS://Dash.Example.NET"}, true, "HTTPS://Dash.Example.NET"},
		{"ok listed, scheme of an app", "gw.local", []string{"capacitor://localhost"}, true, "capacitor://localhost"},
		{"ok same host", "gw.local", []string{"http://gw.local"}, true, ""},
		{"ok same host and port", "gw.local:8080", []string{"http://gw.local:8080"}, true, ""},
		{"ok same host, other case", "GW.local:8080", []string{"http://gw.LOCAL:8080"}, true, ""},
		{"ok same host, default port named", "gw.local:80", []string{"http://gw.local"}, true, ""},
		{"ok same host behind TLS", "gw.local", []string{"https://gw.local"}, true, ""},
		{"ok same host, IPv6", "[fd00::1]:8080", []string{"http://[fd00::1]:8080"}, true, ""},
		{"ok same host, IPv6, default port", "[fd00::1]", []string{"http://[fd00::1]"}, true, ""},
		{"bad null", "gw.local", []string{"null"}, false, ""},
		{"bad empty", "gw.local", []string{""}, false, ""},
		{"bad other port", "gw.local:8080", []string{"http://gw.local:8081"}, false, ""},
		{"bad default port of the other scheme", "gw.local:80", []string{"https://gw.local"}, false, ""},
		{"bad host as a suffix", "gw.local", []string{"http://evil-gw.local"}, false, ""},
		{"bad host as a prefix", "gw.local", []string{"http://gw.local.evil.net"}, false, ""},
		{"bad user", "gw.local", []string{"http://gw.local@evil.net"}, false, ""},
		{"bad user of the same host", "gw.local", []string{"http://x@gw.local"}, false, ""},
		{"bad path", "gw.local", []string{"http://gw.local/"}, false, ""},
		{"bad query", "gw.local", []string{"http://gw.local?x"}, false, ""},
		{"bad scheme", "gw.local", []string{"file://gw.local"}, false, ""},
		{"bad two", "gw.local", []string{"https://dash.example.net", "http://gw.local"}, false, ""},
		{"bad listed twice", "gw.local", []string{"https://dash.example.net", "https://dash.example.net"}, false, ""},
		{"bad empty host on both sides", "", []string{"http://"}, false, ""},
	}
	for _, test := range tests {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = test.host
		for _, o := range test.origins {
			r.Header.Add("Origin", o)
		}
		w := httptest.NewRecorder()
		if err := a.checkOrigin(w, r); (err == nil) != test.ok {
			t.Errorf("%s: error %v", test.name, err)
		}
		if got := w.Header().Get("Access-Control-Allow-Origin"); got != test.allow {
			t.Errorf("%s: allowed %q", test.name, got)
		}
		if got := w.Header().Get("Vary") == "Origin"; got != (test.origins != nil) {
			t.Errorf("%s: Vary %t", test.name, got)
		}
	}
}

func TestClientIP(t *testing.T) {
	a := api(Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}})
	tests := []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"ok direct", "192.0.2.7:1234", nil, "192.0.2.7"},
		{"ok direct IPv6", "[2001:db8::7]:1234", nil, "2001:db8::7"},
		{"ok IPv4 in IPv6", "[::ffff:192.0.2.7]:1234", nil, "192.0.2.7"},
		{"ok proxy", "10.0.0.1:1234", []string{"192.0.2.7"}, "192.0.2.7"},
		{"ok proxy, IPv4 in IPv6", "[::ffff:10.0.0.1]:1234", []string{"::ffff:192.0.2.7"}, "192.0.2.7"},
		{"ok proxies in a row", "10.0.0.1:1234", []string{"192.0.2.7, fd00::2, 10.0.0.3"}, "192.0.2.7"},
		{"ok proxies in lines", "10.0.0.1:1234", []string{"192.0.2.7", "10.0.0.3"}, "192.0.2.7"},
		{"ok proxy without a header", "10.0.0.1:1234", nil, "10.0.0.1"},
		{"ok the proxy's own request", "10.0.0.1:1234", []string{"10.0.0.3"}, "10.0.0.3"},
		{"bad header of a stranger", "192.0.2.7:1234", []string{"203.0.113.9"}, "192.0.2.7"},
		{"bad made-up address in front", "10.0.0.1:1234", []string{"203.0.113.9, 192.0.2.7"}, "192.0.2.7"},
		{"bad made-up trusted address in front", "10.0.0.1:1234", []string{"10.9.9.9, 192.0.2.7"}, "192.0.2.7"},
		{"bad word", "10.0.0.1:1234", []string{"unknown"}, "10.0.0.1"},
		{"bad word in front", "10.0.0.1:1234", []string{"unknown, 10.0.0.3"}, "10.0.0.3"},
		{"bad port", "10.0.0.1:1234", []string{"192.0.2.7:99"}, "10.0.0.1"},
		{"bad empty", "10.0.0.1:1234", []string{""}, "10.0.0.1"},
	}
	for _, test := range tests {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = test.peer
		for _, f := range test.forwarded {
			r.Header.Add("X-Forwarded-For", f)
		}
		if got := a.clientIP(r); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}
