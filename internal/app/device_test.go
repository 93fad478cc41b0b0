package app_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gatewaytest"
)

func TestDeviceLife(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	root := g.Token("admin")
	a := g.Do("POST", "/devices", root, map[string]any{"name": "Pump-7", "room": "plant.7"})
	key, _ := a.JSON()["device_key"].(string)
	if a.Status != 201 || len(key) != 43 || a.JSON()["name"] != "pump-7" {
		t.Fatalf("POST /devices: %d", a.Status)
	}
	login := func(key string) gatewaytest.Answer {
		return g.Do("POST", "/auth/device", "", map[string]string{"device_key": key})
	}
	a = login(key)
	access, refresh := tokens(a)
	if a.Status != 200 || a.JSON()["expires_in"] != 86400.0 || a.JSON()["refresh_expires_in"] != 31536000.0 || a.JSON()["username"] != "pump-7" || a.JSON()["role"] != "member" {
		t.Fatalf("POST /auth/device: %d", a.Status)
	}
	if a := renew(g, refresh); a.Status != 200 {
		t.Errorf("refresh: %d", a.Status)
	}
	s := g.Dial(access, "")
	if welcome, _ := s.Joined(); welcome["room"] != "plant.7" || welcome["user"] != "pump-7" {
		t.Errorf("welcome %v", welcome)
	}
	// Its own room, and nothing else, in every way.
	for path, status := range map[string]int{"/rooms/plant.7": 200, "/rooms/plant.7/messages": 200, "/rooms/plant.8": 403, "/rooms/plant.8/messages": 403, "/users": 403, "/devices": 403, "/audit": 403} {
		if a := g.Do("GET", path, access, nil); a.Status != status {
			t.Errorf("GET %s: %d, want %d", path, a.Status, status)
		}
	}
	if a := g.Do("POST", "/rooms/plant.8/messages", access, map[string]any{"data": 1}); a.Status != 403 {
		t.Errorf("publishing elsewhere: %d", a.Status)
	}
	for _, frame := range []string{`{"type":"subscribe","room":"plant.8"}`, `{"type":"message","room":"plant.8","data":1}`} {
		s.Send(frame)
		if f := s.Expect("error"); f["code"] != "forbidden" {
			t.Errorf("%s: %v", frame, f)
		}
	}
	fresh, _ := g.Do("POST", "/devices/pump-7/rotate-key", root, nil).JSON()["device_key"].(string)
	for _, step := range []struct {
		what, key string
		status    int
	}{{"old key", key, 200}, {"new key", fresh, 200}, {"old key after the new one was used", key, 401}} {
		if a := login(step.key); a.Status != step.status {
			t.Errorf("%s: %d", step.what, a.Status)
		}
	}
	if a := g.Do("GET", "/users/pump-7", root, nil); a.Status != 404 {
		t.Errorf("a device under /users: %d", a.Status)
	}
	if n := metric(t, g, `edgegw_devices{state="connected"}`); n != 1 {
		t.Errorf("%v devices are connected", n)
	}
	if a := g.Do("DELETE", "/devices/pump-7", root, nil); a.Status != 204 {
		t.Errorf("DELETE: %d", a.Status)
	}
	endsWith(t, s, "deleted", 4502)
	if a := login(fresh); a.Status != 401 {
		t.Errorf("a deleted device: %d", a.Status)
	}
	if a := g.Do("POST", "/devices", root, map[string]any{"name": "pump-7"}); a.Status != 409 {
		t.Errorf("the name of a deleted device: %d", a.Status)
	}
	if strings.Contains(g.Log(), key) || strings.Contains(g.Log(), fresh) {
		t.Error("the log holds a device key")
	}
}

// Every change is audited, with who did what to whom, and without a secret.
func TestAudit(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	access, _ := pair(t, g, "admin")
	do := func(method, path string, body any, status int) {
		t.Helper()
		if a := g.Do(method, path, access, body); a.Status != status {
			t.Fatalf("%s %s: %d %s", method, path, a.Status, a.Code())
		}
	}
	do("POST", "/users", map[string]any{"username": "ann", "password": gatewaytest.Password}, 201)
	do("PATCH", "/users/ann", map[string]any{"role": "admin", "grants": []any{}}, 200)
	do("PATCH", "/users/ann", map[string]any{"disabled": true}, 200)
	do("PATCH", "/users/ann", map[string]any{"disabled": false}, 200)
	do("POST", "/users/ann/unlock", nil, 204)
	do("POST", "/users/ann/password-reset", nil, 200)
	do("DELETE", "/users/ann", nil, 204)
	do("POST", "/devices", map[string]any{"name": "pump", "grants": []map[string]string{{"room": "*", "rights": "r"}}}, 201)
	do("POST", "/devices/pump/rotate-key", nil, 200)
	g.Do("POST", "/auth/login", "", map[string]string{"username": "nobody", "password": gatewaytest.Password})
	a := g.Do("GET", "/audit?after=0&limit=1000", access, nil)
	events, _ := a.JSON()["events"].([]any)
	var got []string
	last := 0.0
	for _, e := range events {
		m := e.(map[string]any)
		got = append(got, fmt.Sprint(m["event"], " ", m["actor"], ">", m["subject"], " ", m["result"]))
		if seq := m["seq"].(float64); seq != last+1 {
			t.Errorf("seq %v behind %v", seq, last)
		}
		last = m["seq"].(float64)
		if now := float64(time.Now().UnixMilli()); m["ts"].(float64) > now || m["ts"].(float64) < now-60_000 {
			t.Errorf("ts %v", m["ts"])
		}
	}
	for _, want := range []string{
		"setup @gateway>admin ok", "login admin>admin ok", "account_created admin>ann ok", "role_changed admin>ann ok", "grants_changed admin>ann ok",
		"account_disabled admin>ann ok", "account_enabled admin>ann ok", "account_unlocked admin>ann ok", "reset_issued admin>ann ok",
		"account_deleted admin>ann ok", "device_created admin>pump ok", "device_key_rotated admin>pump ok", "login >nobody failed",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("the audit lacks %q:\n%s", want, strings.Join(got, "\n"))
		}
		if event, _, _ := strings.Cut(want, " "); !strings.Contains(g.Log(), `"event":"`+event+`"`) {
			t.Errorf("%s is not logged", event)
		}
	}
	if page, _ := g.Do("GET", "/audit?limit=2", access, nil).JSON()["events"].([]any); len(page) != 2 || page[1].(map[string]any)["seq"] != last {
		t.Errorf("the newest two are %v", page)
	}
	for _, query := range []string{"limit=0", "limit=1001", "limit=x", "after=-1", "after=x", "nonsense=1", "limit=1&limit=2"} {
		if a := g.Do("GET", "/audit?"+query, access, nil); a.Status != http.StatusBadRequest {
			t.Errorf("?%s: %d", query, a.Status)
		}
	}
	if bytes := string(a.Body); strings.Contains(bytes, "canary") || strings.Contains(bytes, "$argon2") || strings.Contains(bytes, "eyJ") {
		t.Error("the audit holds a secret")
	}
}
