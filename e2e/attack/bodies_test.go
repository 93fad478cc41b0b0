package attack_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// route takes a body in which something secret, or a name, stands.
type route struct {
	method, path, token string
	// good is a body of the right form; what it asks for is refused.
	good map[string]any
	// also are statuses that a body of the right form may get.
	also []int
}

func (g *gateway) routes(token string) []route {
	admin, secret := g.token("admin"), "canary-password-of-nobody"
	return []route{
		{"POST", "/auth/login", "", map[string]any{"username": "nobody", "password": secret, "room": "hall", "cookie": false}, nil},
		{"POST", "/auth/device", "", map[string]any{"device_key": secret, "room": "hall"}, nil},
		{"POST", "/auth/refresh", "", map[string]any{"refresh_token": secret}, nil},
		{"POST", "/auth/logout", g.token("ada"), map[string]any{}, []int{204}},
		{"POST", "/auth/password", token, map[string]any{"current_password": secret, "new_password": secret}, nil},
		{"POST", "/auth/password-reset", "", map[string]any{"username": "nobody"}, []int{202}},
		{"POST", "/auth/password-reset/confirm", "", map[string]any{"token": secret, "new_password": secret}, nil},
		{"POST", "/users", admin, map[string]any{"username": "ada", "password": secret, "role": "member", "grants": []any{map[string]any{"room": "*", "rights": "r"}}}, []int{409}},
		{"PATCH", "/users/nobody", admin, map[string]any{"role": "member", "disabled": true, "password": secret}, []int{404}},
		{"POST", "/devices", admin, map[string]any{"name": "ada", "room": "hall", "grants": []any{map[string]any{"room": "*", "rights": "r"}}}, []int{409}},
		{"PATCH", "/devices/nobody", admin, map[string]any{"room": "hall", "disabled": true}, []int{404}},
	}
}

func marshal(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // only what json.Unmarshal could have made
	return strings.TrimSuffix(b.String(), "\n")
}

// hostile is a body that no route may take.
type hostile struct {
	what, body string
	statuses   []int
}

// malformed are bodies that are no JSON object, or more than one.
func malformed(good string) []hostile {
	inside := strings.TrimSuffix(strings.TrimPrefix(good, "{"), "}")
	comma := ","
	if inside == "" {
		comma = ""
	}
	deep := func(open, end string, n int) string { return strings.Repeat(open, n) + strings.Repeat(end, n) }
	table := map[string]string{
		"no end": strings.TrimSuffix(good, "}") + " ", "two objects": good + good, "trailing data": good + "x", "trailing comma": "{" + inside + ",}",
		"a byte order mark": "\ufeff" + good, "NUL behind": good + "\x00", "NUL before": "\x00" + good, "invalid UTF-8": "{" + inside + comma + "\"\xff\":1}",
		"UTF-16": "\xff\xfe{\x00}\x00", "an array": "[" + good + "]", "a string": `"` + strings.ReplaceAll(good, `"`, `\"`) + `"`, "null": "null", "a number": "1", "true": "true",
		"space": " ", "single quotes": strings.ReplaceAll("{"+inside+comma+`"x":1}`, `"`, "'"), "a comment": "/**/" + good, "a form": "username=ada&password=x", "XML": "<a/>",
		"an unknown member": "{" + inside + comma + `"admin":true}`, "__proto__": "{" + inside + comma + `"__proto__":{"role":"admin"}}`, "a long member": "{" + inside + comma + `"` + strings.Repeat("m", 60_000) + `":1}`,
		"deep arrays": "{" + inside + comma + `"x":` + deep("[", "]", 20_000) + "}", "deep objects": "{" + inside + comma + `"x":` + deep(`{"x":`, "}", 5_000) + "}",
		"deep and open": strings.Repeat("[", 60_000), "NaN": "{" + inside + comma + `"x":NaN}`, "a lone surrogate": "{" + inside + comma + `"\ud800":1}`, "an escaped NUL": "{" + inside + comma + `"\u0000":1}`,
	}
	list := []hostile{
		{"64 KiB and more", good + strings.Repeat(" ", 64<<10), []int{413}},
		{"1 MiB", "{" + inside + comma + `"x":"` + strings.Repeat("x", 1<<20) + `"}`, []int{413}},
	}
	for what, body := range table {
		list = append(list, hostile{what, body, []int{400}})
	}
	return list
}

// twisted are bodies of the right form with one member that is not right.
func twisted(good map[string]any) []hostile {
	var list []hostile
	add := func(what string, change func(map[string]any)) {
		twin := maps.Clone(good)
		change(twin)
		list = append(list, hostile{what, marshal(twin), []int{400}})
	}
	for name, value := range good {
		for _, wrong := range []any{nil, 1, 1e300, []any{}, []any{value}, map[string]any{}, map[string]any{name: value}, -1, "\x00"} {
			_, isText := value.(string)
			_, isList := value.([]any)
			if isText && wrong == "\x00" || isList && fmt.Sprint(wrong) == "[]" {
				continue // right in form
			}
			add(fmt.Sprintf("%s as %.20v", name, wrong), func(m map[string]any) { m[name] = wrong })
		}
		add(name+" in capitals", func(m map[string]any) {
			delete(m, name)
			m[strings.ToUpper(name)] = value
		})
		add("a space in "+name, func(m map[string]any) { m[name+" "] = value })
		// Twice: plainly, with another value, and spelled with an escape.
		inside := strings.TrimSuffix(marshal(good), "}")
		for _, again := range []string{name, fmt.Sprintf(`\u%04x%s`, name[0], name[1:])} {
			list = append(list, hostile{name + " twice", inside + `,"` + again + `":` + marshal(value) + "}", []int{400}})
		}
	}
	return list
}

func TestHostileBodies(t *testing.T) {
	t.Parallel()
	g := start(t, cheap(unlimited()...)...)
	g.addUser("ada")
	tried, accepted := 0, 0
	send := func(r route, h hostile, headers ...string) {
		t.Helper()
		tried++
		a, err := g.sendWhole(r, h.body, headers...)
		switch {
		case err != nil:
			t.Errorf("%s %s with %s: %v", r.method, r.path, h.what, err)
		case a.Status < 400:
			accepted++
			t.Errorf("accepted: %s %s with %s", r.method, r.path, h.what)
		case !slices.Contains(h.statuses, a.Status) || a.Header.Get("Content-Type") != "application/problem+json":
			t.Errorf("%s %s with %s: %d %s, want %v", r.method, r.path, h.what, a.Status, a.Code(), h.statuses)
		}
		g.hidden.check(t, "an answer", string(a.Body))
	}
	for _, r := range g.routes(g.token("ada")) {
		body := marshal(r.good)
		for _, h := range append(malformed(body), twisted(r.good)...) {
			send(r, h)
		}
		for _, media := range []string{
			"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; charset=utf-16", "application/json, text/plain",
			"application/jsonx", "text/json", "application/merge-patch+json", "*/*", "application/json;;", "application/json; charset=utf-8; charset=utf-16",
		} {
			send(r, hostile{"type " + media, body + " ", []int{415}}, "Content-Type", media)
		}
		tried++
		if a, err := g.sendWhole(r, body); err != nil || a.Status >= 500 || a.Status < 400 && !slices.Contains(r.also, a.Status) {
			t.Errorf("%s %s with a good body: %d %v", r.method, r.path, a.Status, err)
		}
	}
	g.login("ada")
	t.Logf("hostile bodies: %d of %d accepted", accepted, tried)
}

// sendWhole sends a body of any size on a connection of its own, and reads the
// answer also when the gateway does not wait for all of it.
func (g *gateway) sendWhole(r route, body string, headers ...string) (answer, error) {
	l, err := g.dial()
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = l.Close() }()
	media := "application/json"
	if len(headers) == 2 {
		media = headers[1]
	}
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n", r.method, r.path, g.Addr, media, len(body))
	if r.token != "" {
		head += "Authorization: Bearer " + r.token + "\r\n"
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.WriteString(l, head+"\r\n"+body) // the answer says what became of it
	}()
	defer func() { _ = l.Close(); <-sent }()
	return l.next()
}

// lookalikes are names that look like ada's, or like none.
func lookalikes() []string {
	return []string{
		"\u0430da", "ad\u0430", "\uff41da", "\u1d00da", "a\u0501a", "a\u200dda", "a\u200bda", "\u202eada", "ada\u202c", "ada\ufeff", "a\u0301da", "\u00e4da", "ada\u00ad",
		"\u212aim", "k\u0131m", "\U0001d4d0da", "\u24d0da", "ada ", " ada", "a da", "ada\t", "ada\n", "ada\x00", "\x00", "a\x00da", "ada\u0000admin", "ada/../admin", "ada%00", "ada\\",
		"", ".", "..", "-ada", "@cli", "@gateway", "_", "*", "%", "ada'--", `ada" OR 1=1`, "${ada}", "ada;id", "ada|id", "<ada>", "\U0001f600", "\ufffd", "\u0000\u0001",
		strings.Repeat("a", 129), strings.Repeat("a", 4<<10), strings.Repeat("\u0430", 2_000), strings.Repeat("a.", 64) + "a", "ADA\u0307", "\u0661ada", "\u2160",
	}
}

func TestHostileNames(t *testing.T) {
	t.Parallel()
	g := start(t, cheap(unlimited()...)...)
	g.addUser("ada", "kim")
	admin := g.token("admin")
	tried, accepted := 0, 0
	refuse := func(what string, a answer, statuses ...int) {
		t.Helper()
		tried++
		if a.Status < 300 && !slices.Contains(statuses, a.Status) {
			accepted++
		}
		if !slices.Contains(statuses, a.Status) {
			t.Errorf("%s: %d %s, want %v", what, a.Status, a.Code(), statuses)
		}
	}
	for _, name := range lookalikes() {
		refuse(fmt.Sprintf("login of %.40q", name), g.do("POST", "/auth/login", "", credentials(name, password)), 401)
		refuse(fmt.Sprintf("reset of %.40q", name), g.do("POST", "/auth/password-reset", "", map[string]string{"username": name}), 202)
		refuse(fmt.Sprintf("user %.40q", name), g.do("POST", "/users", admin, credentials(name, password)), 400)
		refuse(fmt.Sprintf("device %.40q", name), g.do("POST", "/devices", admin, map[string]string{"name": name}), 400)
	}
	for _, p := range []string{"", "x", password[:14], strings.Repeat("p", 257), strings.Repeat("p ", 2<<10), strings.Repeat("\u00e9", 300), "canary-password\x00nul", "123456789012345", "ada" + strings.Repeat("a", 12)} {
		refuse(fmt.Sprintf("login with %d bytes", len(p)), g.do("POST", "/auth/login", "", credentials("ada", p)), 401)
	}
	for _, p := range []string{"", "x", password[:14], strings.Repeat("p", 257), strings.Repeat("p ", 2<<10)} {
		refuse(fmt.Sprintf("new password of %d bytes", len(p)), g.do("POST", "/users", admin, credentials("eve", p)), 400)
		refuse(fmt.Sprintf("new password of %d bytes", len(p)), g.do("PATCH", "/users/ada", admin, map[string]string{"password": p}), 400)
		refuse(fmt.Sprintf("new password of %d bytes", len(p)), g.do("POST", "/auth/password", g.token("ada"), map[string]string{"current_password": password, "new_password": p}), 400)
	}
	for _, role := range []string{"", "Admin", "ADMIN", "root", "member ", "admin\x00", "superuser", "\u0430dmin", strings.Repeat("r", 4<<10)} {
		refuse(fmt.Sprintf("role %.20q", role), g.do("POST", "/users", admin, map[string]string{"username": "eve", "password": password, "role": role}), 400)
		refuse(fmt.Sprintf("role %.20q", role), g.do("PATCH", "/users/ada", admin, map[string]string{"role": role}), 400)
	}
	for _, pattern := range []string{"", " ", "hall ", "ha\x00ll", "../x", "h\u0430ll", "/", "#", "?", "[a]", "**/", strings.Repeat("*", 129), strings.Repeat("h", 4<<10), "\u202ehall"} {
		for _, body := range []any{
			map[string]any{"name": "eve", "room": pattern + "\x00"},
			map[string]any{"name": "eve", "grants": []any{map[string]string{"room": pattern, "rights": "r"}}},
			map[string]any{"name": "eve", "grants": []any{map[string]string{"room": "hall", "rights": "r" + pattern + "x"}}},
		} {
			refuse(fmt.Sprintf("pattern %.20q", pattern), g.do("POST", "/devices", admin, body), 400)
		}
		if pattern != "" {
			refuse(fmt.Sprintf("room %.20q", pattern), g.do("POST", "/auth/login", "", map[string]string{"username": "ada", "password": password, "room": pattern}), 400)
		}
	}
	for _, e := range g.do("GET", "/users", admin, nil).JSON()["users"].([]any) {
		if name := e.(map[string]any)["username"]; name != "ada" && name != "kim" && name != "admin" {
			t.Errorf("there is an account %q now", name)
		}
	}
	if n := len(g.do("GET", "/devices", admin, nil).JSON()["devices"].([]any)); n > 0 {
		t.Errorf("there are %d devices now", n)
	}
	want(t, "ada is still a member", g.do("GET", "/users", g.login("ada").access, nil), http.StatusForbidden)
	t.Logf("hostile names, passwords, roles and patterns: %d of %d accepted", accepted, tried)
}
