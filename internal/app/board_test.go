package app_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gatewaytest"
)

// What the dashboard is told is what is so: of the gateway's sockets and devices, of
// its options, and without a secret in them.
func TestStatusAndSettings(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "site=plant-7")
	token := g.Login("admin")
	g.Do("POST", "/devices", token, `{"name":"pump-1","room":"lobby"}`)
	status := g.Do("GET", "/status", token, nil)
	m := status.JSON()
	devices, _ := m["devices"].(map[string]any)
	memory, _ := m["memory"].(map[string]any)
	disk, _ := m["disk"].(map[string]any)
	if status.Status != 200 || m["site"] != "plant-7" || m["connections"] != 0.0 || devices["never"] != 1.0 || devices["connected"] != 0.0 {
		t.Errorf("status: %d %s", status.Status, status.Body)
	}
	if memory["used_bytes"].(float64) < 1<<20 || memory["limit_bytes"].(float64) < 1<<20 || disk["total_bytes"].(float64) < disk["free_bytes"].(float64) {
		t.Errorf("memory %v, disk %v", memory, disk)
	}
	if urls, _ := m["urls"].([]any); !slices.Contains(urls, any(g.URL)) {
		t.Errorf("urls %v, it listens on %s", urls, g.URL)
	}
	origins := map[string]string{}
	settings := g.Do("GET", "/settings", token, nil)
	for _, s := range settings.JSON()["settings"].([]any) {
		one := s.(map[string]any)
		origins[one["name"].(string)] = one["origin"].(string)
	}
	if len(origins) < 40 || origins["site"] == "default" || origins["commit_window"] == "" {
		t.Errorf("settings: %v", origins)
	}
	for _, secret := range []string{gatewaytest.Password, token} {
		if strings.Contains(string(settings.Body), secret) || strings.Contains(string(status.Body), secret) {
			t.Error("a secret is shown")
		}
	}
}

// An administrator's word for the time counts, is audited, and never turns it back.
func TestPutClock(t *testing.T) {
	t.Parallel()
	clock := &gatewaytest.Clock{}
	clock.Reboot()
	clock.Set(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC))
	clock.Sync(false)
	g := gatewaytest.StartAt(t, clock, t.TempDir())
	token := g.Login("admin")
	now := int64(g.Do("GET", "/clock", token, nil).JSON()["time"].(float64))
	if a := g.Do("PUT", "/clock", token, map[string]any{"time": now - 3_600_000}); a.Status != 409 {
		t.Errorf("an hour back: %d %s", a.Status, a.Body)
	}
	if a := g.Do("PUT", "/clock", token, map[string]any{"time": now + 2*365*86_400_000}); a.Status != 409 {
		t.Errorf("two years ahead: %d %s", a.Status, a.Body)
	}
	a := g.Do("PUT", "/clock", token, map[string]any{"time": now + 60_000})
	if got := a.JSON(); a.Status != 200 || got["state"] != "synced" || int64(got["time"].(float64)) < now+60_000 {
		t.Fatalf("a minute ahead: %d %s", a.Status, a.Body)
	}
	if events := string(g.Do("GET", "/audit", token, nil).Body); !strings.Contains(events, `"clock_set"`) {
		t.Errorf("the audit has %s", events)
	}
}
