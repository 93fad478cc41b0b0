package app_test

import (
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gatewaytest"
)

const levelMetric = "edgegw_pressure_level"

// inUse is what the gateway takes for used memory, in bytes.
func inUse() float64 {
	runtime.GC()
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(samples)
	return float64(samples[0].Value.Uint64() + samples[1].Value.Uint64())
}

// awaitLevel waits until the gateway is under that pressure.
func awaitLevel(t *testing.T, g *gatewaytest.Gateway, level float64) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		now := metric(t, g, levelMetric)
		if now == level {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the pressure is %v, want %v: %s", now, level, g.Do("GET", "/health", "", nil).Body)
		}
	}
}

// pressureOf is what health tells of the pressure, and whether it is degraded.
func pressureOf(g *gatewaytest.Gateway) string {
	h := g.Do("GET", "/health", "", nil).JSON()
	checks, _ := h["checks"].(map[string]any)
	return fmt.Sprintf("%v, %v", h["status"], checks["pressure"])
}

// Step by step less is served, it is told, and everything comes back. The limit
// is the process's, so that no other test may run meanwhile.
func TestPressureLadder(t *testing.T) {
	ballast := make([]byte, 64<<20) // so that little else changes the shares
	limit := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(limit)
	g := gatewaytest.Start(t)
	token := g.Token("admin")
	for _, name := range []string{"ann", "bob", "eve"} {
		g.AddUser(name, "")
	}
	fill(t, g, "h", 300)
	live := g.Dial(token, "?room=a")
	live.Joined()
	if got := pressureOf(g); got != "ok, ok" {
		t.Fatalf("at rest: %s", got)
	}

	debug.SetMemoryLimit(int64(inUse() / 0.80))
	awaitLevel(t, g, 1)
	if got := pressureOf(g); got != "degraded, level 1 (memory): typing and presence are not sent" {
		t.Errorf("health: %s", got)
	}
	g.Dial(g.Token("ann"), "?room=a").Joined()
	resume := func() map[string]any {
		live.Send(`{"type":"subscribe","room":"h","after":0}`)
		m := live.Expect("subscribed")
		live.Send(`{"type":"unsubscribe","room":"h"}`)
		for {
			if m := live.Next(); m["type"] == "unsubscribed" {
				break
			} else if m["type"] == "presence" {
				t.Errorf("under pressure came %v", m)
			}
		}
		return m
	}
	if m := resume(); m["replay"] != 300.0 {
		t.Errorf("level 1: %v", m)
	}

	debug.SetMemoryLimit(int64(inUse() / 0.88))
	awaitLevel(t, g, 2)
	if m := resume(); m["replay"] != 200.0 {
		t.Errorf("level 2: %v", m)
	}
	g.Dial(g.Token("bob"), "?room=a").Joined()

	debug.SetMemoryLimit(int64(inUse() / 0.97))
	awaitLevel(t, g, 3)
	if got := pressureOf(g); !strings.HasPrefix(got, "degraded, level 3 (memory): ") || !strings.Contains(got, "new connections") {
		t.Errorf("health: %s", got)
	}
	if _, a := g.Handshake("?room=a", "Authorization: Bearer "+token); a.Status != 503 || a.Code() != "unavailable" {
		t.Errorf("level 3: %d %s", a.Status, a.Body)
	}
	// Who is in is served, and so is everything over HTTP.
	live.Send("on")
	live.Expect("message")
	if a := g.Do("POST", "/auth/login", "", map[string]string{"username": "eve", "password": gatewaytest.Password}); a.Status != 200 {
		t.Errorf("login: %d", a.Status)
	}
	if a := g.Do("GET", "/rooms/a/presence", token, nil); a.JSON()["count"] != 3.0 {
		t.Errorf("presence: %s", a.Body)
	}

	debug.SetMemoryLimit(limit)
	awaitLevel(t, g, 0)
	if got := pressureOf(g); got != "ok, ok" {
		t.Errorf("in the end: %s", got)
	}
	if m := live.Expect("presence"); m["user"] != "bob" || m["event"] != "join" || m["count"] != 3.0 {
		t.Errorf("told when it was over: %v", m)
	}
	if m := resume(); m["replay"] != 300.0 {
		t.Errorf("in the end: %v", m)
	}
	g.Dial(g.Token("eve"), "?room=a").Joined()
	live.Expect("presence")
	for _, want := range []string{`"event":"pressure","level_before":0,"level_now":1,"reason":"memory"`, `"level_now":3`, `"level_before":1,"level_now":0`} {
		if !strings.Contains(g.Log(), want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	runtime.KeepAlive(ballast)
}

// Subscribers that read nothing cannot take more memory than there is: when it
// gets short the gateway lets go of them, everyone else goes on, and then
// everything is as before.
func TestPressureOfStuckReaders(t *testing.T) {
	// 17 MB wait if they may. More would take a slow machine so long that the
	// first ones are cut off for not reading before there is any pressure.
	const readers, each, room = 12, 24, 60 << 10
	limit := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(limit)
	g := gatewaytest.Start(t, "send_queue_bytes=2097152")
	token := g.Token("admin")
	for i := range readers {
		stuck(t, g, fmt.Sprintf("?room=r.%d", i))
	}
	debug.SetMemoryLimit(int64(inUse()) + 10<<20)
	highest := 0.0
	filler := strings.Repeat("x", room)
	s := g.Dial(token, "?room=out")
	s.Joined()
	for n := range each {
		for i := range readers {
			s.Send(fmt.Sprintf(`{"type":"message","id":"%d","room":"r.%d","data":"%s"}`, n, i, filler))
		}
		for range readers {
			if m := s.Next(); m["type"] != "ack" {
				t.Fatalf("a publisher got %.200v", m)
			}
		}
		highest = math.Max(highest, metric(t, g, levelMetric))
		time.Sleep(20 * time.Millisecond)
	}
	// Well before they are cut off for not reading at all.
	dropped := 0.0
	for deadline := time.Now().Add(5 * time.Second); dropped < readers*each/4 && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		highest = math.Max(highest, metric(t, g, levelMetric))
		dropped = metric(t, g, `edgegw_ws_messages_dropped_total{reason="slow_consumer"}`)
	}
	if highest < 3 {
		t.Errorf("the highest level was %v", highest)
	}
	if dropped < readers*each/4 {
		t.Errorf("%v of %d messages were given up for those who read nothing", dropped, readers*each)
	}
	awaitLevel(t, g, 0)
	g.Dial(token, "?room=a").Joined()
	for i := range readers {
		if page := history(t, g, token, fmt.Sprintf("r.%d", i), "?after=0&limit=100"); len(page.Messages) != each {
			t.Errorf("room %d keeps %d messages", i, len(page.Messages))
		}
	}
}
