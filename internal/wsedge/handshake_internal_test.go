package wsedge

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// headerOf makes a header of lines "Name: value".
func headerOf(lines ...string) http.Header {
	h := http.Header{}
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		h.Add(name, value)
	}
	return h
}

func TestTokenOf(t *testing.T) {
	const protocol = "Sec-WebSocket-Protocol: "
	tests := []struct {
		name   string
		lines  []string
		token  string
		bearer bool
		code   gateway.Code
	}{
		{"ok subprotocol", []string{protocol + "bearer, t"}, "t", true, ""},
		{"ok without a space", []string{protocol + "bearer,t"}, "t", true, ""},
		{"ok empty items", []string{protocol + ",bearer,,t,"}, "t", true, ""},
		{"ok two lines", []string{protocol + "bearer", protocol + "t"}, "t", true, ""},
		{"ok authorization", []string{"Authorization: Bearer t"}, "t", false, ""},
		{"ok authorization, other case", []string{"Authorization: bEaReR  t "}, "t", false, ""},
		{"ok bearer and authorization", []string{protocol + "bearer", "Authorization: Bearer t"}, "t", true, ""},
		{"bad nothing", nil, "", false, gateway.CodeInvalidToken},
		{"bad bearer alone", []string{protocol + "bearer"}, "", false, gateway.CodeInvalidToken},
		{"bad scheme", []string{"Authorization: Basic t"}, "", false, gateway.CodeInvalidToken},
		{"bad scheme without a token", []string{"Authorization: Bearer"}, "", false, gateway.CodeInvalidToken},
		{"bad bare token", []string{"Authorization: t"}, "", false, gateway.CodeInvalidToken},
		{"bad two tokens", []string{protocol + "bearer, t, u"}, "", false, gateway.CodeInvalidRequest},
		{"bad two tokens in two lines", []string{protocol + "bearer, t", protocol + "u"}, "", false, gateway.CodeInvalidRequest},
		{"bad the same token twice", []string{protocol + "bearer, t, t"}, "", false, gateway.CodeInvalidRequest},
		{"bad order", []string{protocol + "t, bearer"}, "", false, gateway.CodeInvalidRequest},
		{"bad case of bearer", []string{protocol + "Bearer, t"}, "", false, gateway.CodeInvalidRequest},
		{"bad token alone", []string{protocol + "t"}, "", false, gateway.CodeInvalidRequest},
		{"bad two places", []string{protocol + "bearer, t", "Authorization: Bearer t"}, "", false, gateway.CodeInvalidRequest},
		{"bad two authorizations", []string{"Authorization: Bearer t", "Authorization: Bearer t"}, "", false, gateway.CodeInvalidRequest},
	}
	for _, test := range tests {
		token, bearer, err := tokenOf(headerOf(test.lines...))
		if token != test.token || gateway.CodeOf(err) != test.code || err == nil && bearer != test.bearer {
			t.Errorf("%s: %q %t %v", test.name, token, bearer, err)
		}
	}
}

func TestListOf(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		want  []string
	}{
		{"ok none", nil, nil},
		{"ok empty", []string{"X: "}, nil},
		{"ok one", []string{"X: a"}, []string{"a"}},
		{"ok several", []string{"X: a,b ,\tc"}, []string{"a", "b", "c"}},
		{"ok lines", []string{"X: a", "Y: z", "x: b, c"}, []string{"a", "b", "c"}},
		{"ok commas only", []string{"X: ,,, ,"}, nil},
	}
	for _, test := range tests {
		if got := listOf(headerOf(test.lines...), "X"); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q", test.name, got)
		}
	}
}

func TestCheckHandshake(t *testing.T) {
	const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==" // RFC 6455 section 1.3
	usual := []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", key}
	// with replaces the usual lines of the same name, and one without a value
	// takes them away.
	with := func(lines ...string) (out []string) {
		named := func(line string) string { name, _, _ := strings.Cut(line, ": "); return strings.TrimSuffix(name, ":") }
		for _, u := range usual {
			if !slices.ContainsFunc(lines, func(l string) bool { return named(l) == named(u) }) {
				out = append(out, u)
			}
		}
		return append(out, slices.DeleteFunc(lines, func(l string) bool { return strings.HasSuffix(l, ":") })...)
	}
	tests := []struct {
		name, method string
		minor        int
		lines        []string
		ok           bool
	}{
		{"ok", "GET", 1, with(), true},
		{"ok case", "GET", 1, with("Connection: UPGRADE", "Upgrade: WebSocket"), true},
		{"ok Connection list", "GET", 1, with("Connection: keep-alive, Upgrade"), true},
		{"ok Connection lines", "GET", 1, with("Connection: keep-alive", "Connection: upgrade"), true},
		{"ok Upgrade list", "GET", 1, with("Upgrade: h2c, websocket"), true},
		{"bad HTTP/1.0", "GET", 0, with(), false},
		{"bad HEAD", "HEAD", 1, with(), false},
		{"bad POST", "POST", 1, with(), false},
		{"bad Connection", "GET", 1, with("Connection: notUpgradeX"), false},
		{"bad Connection, prefix", "GET", 1, with("Connection: Upgrade2"), false},
		{"bad Connection, words", "GET", 1, with("Connection: do Upgrade"), false},
		{"bad no Connection", "GET", 1, with("Connection:"), false},
		{"bad Upgrade", "GET", 1, with("Upgrade: websocket/13"), false},
		{"bad no Upgrade", "GET", 1, with("Upgrade:"), false},
		{"bad version", "GET", 1, with("Sec-WebSocket-Version: 12"), false},
		{"bad version list", "GET", 1, with("Sec-WebSocket-Version: 13, 8"), false},
		{"bad versions", "GET", 1, with("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13"), false},
		{"bad no version", "GET", 1, with("Sec-WebSocket-Version:"), false},
		{"bad no key", "GET", 1, with("Sec-WebSocket-Key:"), false},
		{"bad empty key", "GET", 1, with("Sec-WebSocket-Key: "), false},
		{"bad key, any text", "GET", 1, with("Sec-WebSocket-Key: x"), false},
		{"bad key of 15 bytes", "GET", 1, with("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA"), false},
		{"bad key of 17 bytes", "GET", 1, with("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA="), false},
		{"bad key without padding", "GET", 1, with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"), false},
		{"bad key, stray bits", "GET", 1, with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR=="), false},
		{"bad two keys", "GET", 1, append(with(), key), false},
	}
	for _, test := range tests {
		r := httptest.NewRequest(test.method, "/ws", nil)
		r.ProtoMajor, r.ProtoMinor = 1, test.minor
		r.Header = headerOf(test.lines...)
		err := checkHandshake(r)
		if (err == nil) != test.ok || err != nil && gateway.CodeOf(err) != gateway.CodeInvalidRequest {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func resuming(r wire.Resume) ask {
	return ask{room: gateway.DefaultRoom, format: wire.FormatJSON, resume: r}
}

func TestParseQuery(t *testing.T) {
	tests := []struct {
		name, query string
		tokenRoom   gateway.RoomID
		want        ask
		ok          bool
	}{
		{"ok default", "", "", ask{room: gateway.DefaultRoom, format: wire.FormatJSON}, true},
		{"ok room of the token", "", "plant", ask{room: "plant", format: wire.FormatJSON}, true},
		{"ok room", "room=a", "plant", ask{room: "a", format: wire.FormatJSON}, true},
		{"ok room, escaped", "room=a%3Ab~c", "", ask{room: "a:b~c", format: wire.FormatJSON}, true},
		{"ok raw", "format=raw&room=a", "", ask{room: "a", format: wire.FormatRaw}, true},
		{"ok json", "format=json", "", ask{room: gateway.DefaultRoom, format: wire.FormatJSON}, true},
		{"ok what others add", "utm_source=x", "", ask{room: gateway.DefaultRoom, format: wire.FormatJSON}, true},
		{"ok after and epoch", "after=7&epoch=e1", "", resuming(wire.Resume{After: 7, HasAfter: true, Epoch: "e1"}), true},
		{"ok epoch, escaped", "after=7&epoch=m.%2B", "", resuming(wire.Resume{After: 7, HasAfter: true, Epoch: "m.+"}), true},
		{"ok after alone", "after=0", "", resuming(wire.Resume{HasAfter: true}), true},
		{"ok latest", "latest=1", "", resuming(wire.Resume{Latest: true}), true},
		{"ok all of them", "format=json&after=9007199254740992&epoch=e&latest=true", "",
			resuming(wire.Resume{After: 1 << 53, HasAfter: true, Epoch: "e", Latest: true}), true},
		{"ok not the latest", "latest=0", "", resuming(wire.Resume{}), true},
		{"bad epoch alone", "epoch=e1", "", ask{}, false},
		{"bad empty epoch", "after=1&epoch=", "", ask{}, false},
		{"bad after is a word", "after=x", "", ask{}, false},
		{"bad after is empty", "after=", "", ask{}, false},
		{"bad after is negative", "after=-1", "", ask{}, false},
		{"bad after is a fraction", "after=1.5", "", ask{}, false},
		{"bad after beyond 2^53", "after=9007199254740993", "", ask{}, false},
		{"bad after beyond all numbers", "after=99999999999999999999", "", ask{}, false},
		{"bad latest", "latest=yes", "", ask{}, false},
		{"bad after twice", "after=1&after=2", "", ask{}, false},
		{"bad empty room", "room=", "plant", ask{}, false},
		{"bad room", "room=a/b", "", ask{}, false},
		{"bad pattern", "room=*", "", ask{}, false},
		{"bad room twice", "room=a&room=a", "", ask{}, false},
		{"bad format twice", "format=raw&format=json", "", ask{}, false},
		{"bad anything twice", "x=1&x=2", "", ask{}, false},
		{"bad format", "format=xml", "", ask{}, false},
		{"bad format, case", "format=RAW", "", ask{}, false},
		{"bad escape", "room=%zz", "plant", ask{}, false},
		{"bad separator", "room=a;format=raw", "", ask{}, false},
		{"bad raw with after", "format=raw&after=1", "", ask{}, false},
		{"bad raw with epoch", "format=raw&epoch=", "", ask{}, false},
		{"bad raw with latest", "format=raw&latest=1", "", ask{}, false},
	}
	for _, test := range tests {
		got, err := parseQuery(test.query, test.tokenRoom)
		if (err == nil) != test.ok || test.ok && got != test.want {
			t.Errorf("%s: %+v %v", test.name, got, err)
		}
		if err != nil && gateway.CodeOf(err) != gateway.CodeInvalidRequest {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
