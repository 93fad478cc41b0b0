package app_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"edgegw/internal/gatewaytest"
)

// settingNames are the members of a room that PUT can change.
var settingNames = []string{"durability", "overflow", "max_messages", "max_bytes", "max_age"}

// settingsOf are the settings in a room as it is shown.
func settingsOf(t *testing.T, g *gatewaytest.Gateway, room string) map[string]any {
	t.Helper()
	a := g.Do("GET", "/rooms/"+room, g.Token("admin"), nil)
	if a.Status != 200 {
		t.Fatalf("GET %s: %d %s", room, a.Status, a.Body)
	}
	return settingsIn(a)
}

func settingsIn(a gatewaytest.Answer) map[string]any {
	all, settings := a.JSON(), map[string]any{}
	for _, name := range settingNames {
		settings[name] = all[name]
	}
	return settings
}

// put sets a room up, which has to work.
func put(t *testing.T, g *gatewaytest.Gateway, room, body string) map[string]any {
	t.Helper()
	a := g.Do("PUT", "/rooms/"+room, g.Token("admin"), body)
	if a.Status != 200 {
		t.Fatalf("PUT %s %s: %d %s", room, body, a.Status, a.Body)
	}
	return a.JSON()
}

func deleteRoom(t *testing.T, g *gatewaytest.Gateway, room string) {
	t.Helper()
	if a := g.Do("DELETE", "/rooms/"+room, g.Token("admin"), nil); a.Status != 204 || len(a.Body) > 0 {
		t.Fatalf("DELETE %s: %d %s", room, a.Status, a.Body)
	}
}

func TestPutRoom(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	admin := g.Token("admin")
	want := map[string]any{
		"durability": "queued", "overflow": "disconnect", "max_messages": 100000.0, "max_bytes": 67108864.0, "max_age": "0s",
	}
	long := strings.Repeat("r", 128)
	for _, step := range []struct {
		name, body string
		changed    map[string]any
	}{
		{"ok nothing", `{}`, nil},
		{"ok durability", `{"durability":"fsynced"}`, map[string]any{"durability": "fsynced"}},
		{"ok overflow, the rest stays", `{"overflow":"drop_oldest"}`, map[string]any{"overflow": "drop_oldest"}},
		{"ok least", `{"max_messages":1,"max_bytes":1,"max_age":"1s"}`, map[string]any{"max_messages": 1.0, "max_bytes": 1.0, "max_age": "1s"}},
		{"ok most", `{"max_messages":100000000,"max_bytes":1099511627776,"max_age":"36500d"}`, map[string]any{"max_messages": 1e8, "max_bytes": 1099511627776.0, "max_age": "876000h0m0s"}},
		{"ok age as GET gives it", `{"max_age":"720h0m0s"}`, map[string]any{"max_age": "720h0m0s"}},
		{"ok no age", `{"max_age":"0"}`, map[string]any{"max_age": "0s"}},
		{"ok the same again", `{"overflow":"drop_oldest"}`, nil},
	} {
		maps.Copy(want, step.changed)
		for _, room := range []string{"a", long} {
			a := g.Do("PUT", "/rooms/"+room, admin, step.body)
			got := a.JSON()
			if a.Status != 200 || fmt.Sprint(settingsIn(a)) != fmt.Sprint(want) || got["room"] != room || got["seq"] != 0.0 || got["epoch"] == "" || got["subscribers"] != 0.0 {
				t.Errorf("%s: %d %s, want %v", step.name, a.Status, a.Body, want)
			}
			if shown := settingsOf(t, g, room); fmt.Sprint(shown) != fmt.Sprint(want) {
				t.Errorf("%s: then GET shows %v, want %v", step.name, shown, want)
			}
		}
	}
	if other := settingsOf(t, g, "b"); other["durability"] != "queued" || other["overflow"] != "disconnect" {
		t.Errorf("another room has %v", other)
	}
}

func TestPutRoomRefuses(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	admin := g.Token("admin")
	put(t, g, "a", `{"max_messages":7}`)
	before := settingsOf(t, g, "a")
	for _, test := range []struct {
		name, room, body string
		status           int
		detail           string
	}{
		{"bad durability", "a", `{"durability":"Queued"}`, 400, "durability: \"Queued\" is unknown; use one of memory, queued, fsynced"},
		{"bad empty durability", "a", `{"durability":""}`, 400, "durability"},
		{"bad durability as a number", "a", `{"durability":1}`, 400, "durability"},
		{"bad null", "a", `{"durability":null}`, 400, "durability"},
		{"bad overflow", "a", `{"overflow":"block"}`, 400, "overflow: \"block\" is unknown"},
		{"bad overflow in a list", "a", `{"overflow":["disconnect"]}`, 400, "overflow"},
		{"bad no messages", "a", `{"max_messages":0}`, 400, "use 1 to 100000000 messages"},
		{"bad messages below zero", "a", `{"max_messages":-1}`, 400, "max_messages"},
		{"bad more messages", "a", `{"max_messages":100000001}`, 400, "max_messages"},
		{"bad messages beyond 64 bits", "a", `{"max_messages":9223372036854775808}`, 400, "max_messages"},
		{"bad half a message", "a", `{"max_messages":1.5}`, 400, "max_messages"},
		{"bad messages as a string", "a", `{"max_messages":"10"}`, 400, "max_messages"},
		{"bad no bytes", "a", `{"max_bytes":0}`, 400, "use 1 to 1099511627776 bytes"},
		{"bad more bytes", "a", `{"max_bytes":1099511627777}`, 400, "max_bytes"},
		{"bad age as a number", "a", `{"max_age":60}`, 400, "max_age"},
		{"bad age without a unit", "a", `{"max_age":"60"}`, 400, "is not a duration such as 90s"},
		{"bad empty age", "a", `{"max_age":""}`, 400, "max_age"},
		{"bad short age", "a", `{"max_age":"999ms"}`, 400, "use 1s to 36500d, or 0 for no limit"},
		{"bad age below zero", "a", `{"max_age":"-1h"}`, 400, "max_age"},
		{"bad longer age", "a", `{"max_age":"36501d"}`, 400, "max_age"},
		{"bad age that is a page", "a", `{"max_age":"` + strings.Repeat("1", 60000) + `"}`, 400, "max_age"},
		{"bad one of several: none is set", "a", `{"durability":"memory","max_messages":9,"max_age":"x"}`, 400, "max_age"},
		{"bad unknown member", "a", `{"max_messages":9,"retention":"1d"}`, 400, "retention"},
		{"bad match", "a", `{"match":"*"}`, 400, "match"},
		{"bad what GET shows beside the settings", "a", `{"seq":1}`, 400, "seq"},
		{"bad member twice", "a", `{"max_messages":9,"max_messages":9}`, 400, "max_messages"},
		{"bad array", "a", `[]`, 400, ""},
		{"bad data behind it", "a", `{"max_messages":9}{}`, 400, ""},
		{"bad empty body", "a", ``, 400, ""},
		{"bad size", "a", `{"max_age":"` + strings.Repeat("1", 65536) + `"}`, 413, ""},
		{"bad room id", ".hidden", `{}`, 400, "a room id has"},
		{"bad room pattern", "a*", `{}`, 400, "a room id has"},
		{"bad room id, long", strings.Repeat("r", 129), `{}`, 400, "a room id has"},
	} {
		a := g.Do("PUT", "/rooms/"+test.room, admin, test.body)
		detail, _ := a.JSON()["detail"].(string)
		if a.Status != test.status || !strings.Contains(detail, test.detail) || len(detail) > 300 {
			t.Errorf("%s: %d %s", test.name, a.Status, a.Body)
		}
		if after := settingsOf(t, g, "a"); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Fatalf("%s: the settings are now %v", test.name, after)
		}
	}
	if a := g.Do("PUT", "/rooms/a", admin, `{"max_messages":9}`, "Content-Type", ""); a.Status != 415 {
		t.Errorf("without a media type: %d", a.Status)
	}
	if a := g.Do("PUT", "/rooms/a", admin, nil); a.Status != 415 {
		t.Errorf("without a body: %d", a.Status)
	}
	for _, test := range []struct {
		path, body string
		status     int
	}{{"/rooms/.hidden", ``, 400}, {"/rooms/" + strings.Repeat("r", 129), ``, 400}, {"/rooms/a", `{"force":true}`, 400}, {"/rooms/a", `[]`, 400}, {"/rooms/", ``, 404}} {
		if a := g.Do("DELETE", test.path, admin, test.body); a.Status != test.status {
			t.Errorf("DELETE %s %s: %d %s", test.path, test.body, a.Status, a.Body)
		}
	}
	if a := g.Do("POST", "/rooms/a", admin, `{}`); a.Status != 405 || a.Header.Get("Allow") != "DELETE, GET, HEAD, PUT" {
		t.Errorf("POST: %d, Allow %q", a.Status, a.Header.Get("Allow"))
	}
}

// Whoever is no administrator learns nothing, whatever the grants.
func TestRoomsAreSetUpByAdministrators(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	g.Do("POST", "/devices", g.Token("admin"), map[string]string{"name": "pump", "room": "a"})
	for who, status := range map[string]int{"": 401, g.User("ann", "*:rw"): 403, g.Token("pump"): 403} {
		for _, request := range []struct{ method, path, body string }{
			{"PUT", "/rooms/a", `{"max_messages":1}`},
			{"PUT", "/rooms/.hidden", `{"nonsense":1}`},
			{"DELETE", "/rooms/a", ``},
			{"DELETE", "/rooms/.hidden", `{"nonsense":1}`},
			{"GET", "/connections", ``},
			{"DELETE", "/connections/nonsense", `{"nonsense":1}`},
		} {
			a := g.Do(request.method, request.path, who, request.body)
			if a.Status != status {
				t.Errorf("%s %s: %d, want %d", request.method, request.path, a.Status, status)
			}
		}
	}
	if s := settingsOf(t, g, "a"); s["max_messages"] != 100000.0 {
		t.Errorf("the settings are %v", s)
	}
}

// PUT stands over the configuration, for its room alone, until DELETE; also
// across restarts, clean or not, and when the configuration changes meanwhile.
func TestSettingsAndConfiguration(t *testing.T) {
	t.Parallel()
	first := "config=" + writeConfig(t, "[[rooms]]\nmatch = \"plant.*\"\ndurability = \"memory\"\nmax_messages = 5\n")
	second := "config=" + writeConfig(t, "[[rooms]]\nmatch = \"plant.*\"\noverflow = \"keep_latest\"\nmax_messages = 6\n")
	check := func(g *gatewaytest.Gateway, when string, want map[string]string) {
		t.Helper()
		for room, settings := range want {
			s := settingsOf(t, g, room)
			if got := fmt.Sprint(s["durability"], " ", s["overflow"], " ", s["max_messages"]); got != settings {
				t.Errorf("%s: %s has %s, want %s", when, room, got, settings)
			}
		}
	}
	g := gatewaytest.Start(t, first)
	put(t, g, "plant.1", `{"durability":"fsynced"}`)
	put(t, g, "plant.2", `{}`) // nothing: it goes on following the configuration
	put(t, g, "office", `{"durability":"memory"}`)
	put(t, g, "plant.3", `{"max_messages":9}`)
	deleteRoom(t, g, "plant.3")
	before := map[string]string{"plant.1": "fsynced disconnect 5", "plant.2": "memory disconnect 5", "plant.3": "memory disconnect 5", "office": "memory disconnect 100000"}
	check(g, "at once", before)
	check(gatewaytest.StartIn(t, copyDir(t, g.Dir), first), "after a power cut", before)
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	g = gatewaytest.StartIn(t, g.Dir, second)
	check(g, "with another configuration", map[string]string{
		"plant.1": "fsynced disconnect 5", "plant.2": "queued keep_latest 6", "plant.3": "queued keep_latest 6", "office": "memory disconnect 100000",
	})
	deleteRoom(t, g, "plant.1")
	deleteRoom(t, g, "office")
	after := map[string]string{"plant.1": "queued keep_latest 6", "office": "queued disconnect 100000"}
	check(g, "deleted", after)
	check(gatewaytest.StartIn(t, copyDir(t, g.Dir), second), "deleted, after a power cut", after)
}
