package app_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgegw/internal/adminsock"
	"edgegw/internal/gateway"
	"edgegw/internal/gatewaytest"
)

const year = 365 * 24 * time.Hour

// aged keeps messages for an hour, as far as anybody knows what an hour is.
const aged = "[[rooms]]\nmatch = \"*\"\nmax_age = \"1h\"\n"

// timeline is a room that is published to under all kinds of clocks.
type timeline struct {
	t      *testing.T
	clock  *gatewaytest.Clock
	dir    string
	config string
	g      *gatewaytest.Gateway
	n      int
}

// boot starts the gateway on a board that shows the given time.
func (l *timeline) boot(at time.Time) {
	l.t.Helper()
	if l.g != nil {
		if err := l.g.Stop(); err != nil {
			l.t.Fatal(err)
		}
	}
	l.clock.Reboot()
	l.clock.Set(at)
	l.g = gatewaytest.StartAt(l.t, l.clock, l.dir, "config="+l.config, "retention_every=20ms")
}

// now is what the gateway takes for the time.
func (l *timeline) now() time.Time {
	l.t.Helper()
	now, err := l.g.Admin().ShowClock(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	return time.UnixMilli(now.Now)
}

func (l *timeline) admin() string {
	l.t.Helper()
	return l.g.Sign(fmt.Sprintf(`{"sub":"admin","exp":%d}`, l.now().Unix()+3600))
}

// look publishes a message, and wants all of them there in order of number and time.
func (l *timeline) look() {
	l.t.Helper()
	l.n++
	if a := l.g.Do("POST", "/rooms/a/messages", l.admin(), fmt.Sprintf(`{"data":%d}`, l.n)); a.Status != 201 {
		l.t.Fatalf("publish: %d %s", a.Status, a.Body)
	}
	ts := 0.0
	messages, _ := l.g.Do("GET", "/rooms/a/messages?limit=1000&after=0", l.admin(), nil).JSON()["messages"].([]any)
	for i, m := range messages {
		m := m.(map[string]any)
		if m["seq"] != float64(i+1) || m["data"] != float64(i+1) || m["ts"].(float64) < ts {
			l.t.Errorf("in place %d is %v, behind %v", i+1, m, ts)
		}
		ts = m["ts"].(float64)
	}
	if len(messages) != l.n {
		l.t.Errorf("%d of %d messages are there", len(messages), l.n)
	}
}

// swept has the limits applied, many times over.
func (l *timeline) swept() { time.Sleep(300 * time.Millisecond) }

// left waits until so many messages are kept.
func (l *timeline) left(want int) {
	l.t.Helper()
	kept := -1
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		messages, _ := l.g.Do("GET", "/rooms/a/messages?limit=1000&after=0", l.admin(), nil).JSON()["messages"].([]any)
		if kept = len(messages); kept == want {
			return
		}
	}
	l.t.Errorf("%d messages are kept, want %d", kept, want)
}

func (l *timeline) state(want string) {
	l.t.Helper()
	if got := l.g.Do("GET", "/health", "", nil).JSON()["clock"]; got != want {
		l.t.Errorf("the clock is %q, want %q", got, want)
	}
}

func (l *timeline) audited(event string) {
	l.t.Helper()
	if a := l.g.Do("GET", "/audit?limit=1000", l.admin(), nil); strings.Count(string(a.Body), `"`+event+`"`) != 1 {
		l.t.Errorf("%s is not once in the audit: %s", event, a.Body)
	}
}

func newTimeline(t *testing.T) *timeline {
	config := filepath.Join(t.TempDir(), "edgegw.toml")
	if err := os.WriteFile(config, []byte(aged), 0o600); err != nil {
		t.Fatal(err)
	}
	return &timeline{t: t, clock: &gatewaytest.Clock{}, dir: t.TempDir(), config: config}
}

// Boards boot in 1970, at the time they were switched off, and ten years ahead. No
// token lives again, nothing is purged, numbers and times go on.
func TestBoots(t *testing.T) {
	t.Parallel()
	l := newTimeline(t)
	l.clock.Sync(false)
	noon := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	l.boot(time.Unix(30, 0))
	l.state("none")
	l.clock.Set(noon)
	l.g.AwaitStep()
	l.look()
	expired := l.g.Sign(fmt.Sprintf(`{"sub":"admin","exp":%d}`, noon.Unix()+2))
	key, _ := l.g.Do("POST", "/devices", l.admin(), `{"name":"pump"}`).JSON()["device_key"].(string)
	l.clock.Step(10 * time.Minute)
	l.g.AwaitStep()

	for _, at := range []time.Time{time.Unix(30, 0), noon.Add(10 * time.Minute), noon.Add(-24 * time.Hour)} {
		l.boot(at)
		l.state("floor")
		l.look()
		if a := l.g.Do("GET", "/auth/me", expired, nil); a.Status != 401 || a.Code() != "token_expired" {
			t.Errorf("booted at %v, a token of old gets %d %s", at, a.Status, a.Body)
		}
		if a := l.g.Do("POST", "/auth/device", "", `{"device_key":"`+key+`"}`); a.Status != 200 {
			t.Errorf("booted at %v, a device gets %d", at, a.Status)
		}
	}

	// Ten years ahead, and then the time server knows better.
	l.boot(noon.Add(10 * year))
	l.look()
	l.clock.Sync(true)
	l.clock.Set(noon.Add(15 * time.Minute))
	l.look()
	l.state("floor")
	l.swept()
	l.look()

	admin := l.g.Admin()
	if _, err := admin.SetClock(t.Context(), adminsock.NewTime{At: noon.Add(time.Hour)}); gateway.CodeOf(err) != gateway.CodeConflict || !strings.Contains(err.Error(), "clock reset") {
		t.Errorf("set back by ten years: %v", err)
	}
	if c, err := admin.ResetClock(t.Context()); err != nil || time.UnixMilli(c.Floor).After(noon.Add(2*time.Hour)) {
		t.Errorf("reset: %+v %v", c, err)
	}
	l.look() // another commit shall not save the wrong floor again
	l.boot(noon.Add(20 * time.Minute))
	l.state("synced")
	if c, err := l.g.Admin().ShowClock(t.Context()); err != nil || time.UnixMilli(c.Now).Year() != 2026 {
		t.Errorf("after the reset it is %+v %v", c, err)
	}
	l.look()
	l.audited("clock_reset")
}

// A site without a time server gets its time from somebody who knows.
func TestClockSet(t *testing.T) {
	t.Parallel()
	l := newTimeline(t)
	l.clock.Sync(false)
	l.boot(time.Unix(30, 0))
	at := time.Date(2027, 3, 1, 8, 0, 0, 0, time.UTC)
	for _, bad := range []time.Time{time.Unix(30, 0), at.AddDate(100, 0, 0)} {
		if _, err := l.g.Admin().SetClock(t.Context(), adminsock.NewTime{At: bad, Force: true}); gateway.CodeOf(err) != gateway.CodeInvalidRequest {
			t.Errorf("set to %v: %v", bad, err)
		}
	}
	c, err := l.g.Admin().SetClock(t.Context(), adminsock.NewTime{At: at})
	if err != nil || c.State != "synced" || c.Floor < at.UnixMilli() {
		t.Errorf("set: %+v %v", c, err)
	}
	l.state("synced")
	l.look()
	l.audited("clock_set")
	l.boot(time.Unix(30, 0))
	l.state("floor")
	if c, err := l.g.Admin().ShowClock(t.Context()); err != nil || c.Now < at.UnixMilli() {
		t.Errorf("after a boot in 1970 it is %+v %v", c, err)
	}
}
