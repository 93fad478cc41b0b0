package app_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gatewaytest"
)

func TestConnectionLimits(t *testing.T) {
	t.Parallel()
	tests := []struct {
		flag, code string
		status     int
		// the same account from elsewhere, and another one from here
		elsewhere, other int
	}{
		{"max_connections", "unavailable", 503, 503, 503},
		{"max_connections_per_ip", "rate_limited", 429, 101, 429},
		{"max_connections_per_account", "rate_limited", 429, 429, 101},
	}
	for _, test := range tests {
		t.Run(test.flag, func(t *testing.T) {
			t.Parallel()
			g := gatewaytest.Start(t, test.flag+"=2", "trusted_proxies=127.0.0.1")
			ann, bob := g.User("ann"), g.User("bob")
			first, second := g.Dial(ann, ""), g.Dial(ann, "")
			first.Joined()
			second.Joined()
			if _, a := g.Handshake("", "Authorization: Bearer "+ann); a.Status != test.status || a.Code() != test.code {
				t.Errorf("the third: %d %s", a.Status, a.Body)
			}
			if _, a := g.Handshake("", "Authorization: Bearer "+ann, "X-Forwarded-For: 203.0.113.7, 198.51.100.1"); a.Status != test.elsewhere {
				t.Errorf("from elsewhere: %d", a.Status)
			}
			if _, a := g.Handshake("", "Authorization: Bearer "+bob); a.Status != test.other {
				t.Errorf("another account: %d", a.Status)
			}
			if n := metric(t, g, `edgegw_ws_rejected_total{reason="`+test.code+`"}`); n < 2 {
				t.Errorf("%v handshakes counted", n)
			}
			first.Raw(gatewaytest.ClientFrame(0x88, nil))
			first.Ended()
			_ = first.Conn.Close()
			await(t, "a free place", func() bool {
				s, _ := g.Handshake("", "Authorization: Bearer "+ann, "X-Forwarded-For: 198.51.100.9")
				return s != nil
			})
		})
	}
}

// A header of someone who is no trusted proxy changes nothing.
func TestForwardedForIsIgnoredFromStrangers(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "max_connections_per_ip=1")
	token := g.Token("admin")
	g.Dial(token, "").Joined()
	if _, a := g.Handshake("", "Authorization: Bearer "+token, "X-Forwarded-For: 203.0.113.7"); a.Status != 429 {
		t.Errorf("a second connection with a made-up address: %d", a.Status)
	}
	if !strings.Contains(g.Log(), `"ip":"127.0.0.1"`) || strings.Contains(g.Log(), "203.0.113.7") {
		t.Error("the log has the made-up address")
	}
}

func TestMessageRate(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "message_rate=5")
	token := g.Token("admin")
	s := g.Dial(token, "?room=a")
	s.Joined()
	burst := bytes.Repeat(gatewaytest.ClientFrame(0x81, []byte("x")), 40) // all at once, however slow the machine is
	s.Raw(burst)
	messages, told := readExcess(t, s, 40)
	if told == 0 || told > 3 {
		t.Errorf("%d errors for %d lost messages", told, 40-messages)
	}
	if messages < 10 || messages > 20 {
		t.Errorf("%d messages of 40 passed at 5 a second with a burst of 10", messages)
	}
	if n := metric(t, g, `edgegw_ws_messages_dropped_total{reason="rate_limited"}`); n != float64(40-messages) {
		t.Errorf("%v losses counted, %d messages passed", n, messages)
	}
	raw := g.Dial(token, "?room=b&format=raw")
	raw.Raw(burst)
	if end := raw.Ended(); end.Code != 4003 || end.Reason != "rate_limited retry_after_ms=5000" {
		t.Errorf("raw ended with %v", end)
	}
	// Who goes on regardless is cut off.
	flood := g.Dial(token, "?room=c")
	flood.Joined()
	go func() { flood.Raw([]byte(strings.Repeat("\x89\x80\x00\x00\x00\x00", 10_000))) }()
	if end := flood.Ended(); end.Code != 4003 && end.Code != 1006 {
		t.Errorf("a flood of pings ended with %v", end)
	}
	await(t, "the count of the flood", func() bool { return metric(t, g, `edgegw_ws_closed_total{code="4003"}`) == 2 })
}

func TestPingAndIdleClose(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "ping_interval=1s")
	token := g.Token("admin")
	idle, lively := g.Dial(token, ""), g.Dial(token, "")
	lively.Joined()
	alive := make(chan error, 1)
	go func() { // answers pings and nothing else
		_, err := lively.Read()
		alive <- err
	}()
	began := time.Now()
	pings := 0
	for {
		f, err := idle.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if f.Opcode == 9 {
			pings++
		}
		if pings > 20 {
			t.Fatal("a silent peer is still there after 20 pings")
		}
		if f.Opcode == 8 {
			if string(f.Payload) != "\x0f\xa4idle_timeout" { // 4004
				t.Errorf("the close frame is %q", f.Payload)
			}
			break
		}
	}
	if took := time.Since(began); took < 10*time.Second || took > 14*time.Second {
		t.Errorf("a silent peer was closed after %v, want about 11 s", took)
	}
	if pings < 9 || pings > 12 {
		t.Errorf("%d pings in 11 s, one a second is asked for", pings)
	}
	lively.Send("alive")
	if err := <-alive; err != nil {
		t.Errorf("a peer that answers pings was closed: %v", err)
	}
}

// A step of the wall clock ends tokens; it does not take time back.
func TestClockSteps(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var clock gatewaytest.Clock
	g := gatewaytest.StartAt(t, &clock, dir)
	token := g.Token("admin")
	s := g.Dial(token, "?room=a")
	s.Joined()
	s.Send("before")
	before := nextOf(t, s, "message").TS
	clock.Step(-48 * time.Hour)
	s.Send("behind")
	if ts := nextOf(t, s, "message").TS; ts < before {
		t.Errorf("ts went back by %d ms", before-ts)
	}
	clock.Step(48*time.Hour + 30*time.Minute)
	g.AwaitStep()
	s.Send("ahead")
	ahead := nextOf(t, s, "message").TS
	if ahead-before < 29*60_000 {
		t.Errorf("ts did not follow the clock: %d ms", ahead-before)
	}
	if a := g.Do("GET", "/auth/me", token, nil); a.Status != 200 {
		t.Errorf("a token that is still good: %d", a.Status)
	}
	clock.Step(31 * time.Minute)
	g.AwaitStep()
	if a := g.Do("GET", "/auth/me", token, nil); a.Status != 401 || a.Code() != "token_expired" {
		t.Errorf("an expired token: %d %s", a.Status, a.Code())
	}
	if end := s.Ended(); end.Code != 4001 || end.Reason != "token_expired" {
		t.Errorf("the socket ended with %v", end)
	}
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}

	// A board that boots in the past goes on from where it was.
	var past gatewaytest.Clock
	past.Step(-240 * time.Hour)
	g = gatewaytest.StartAt(t, &past, dir)
	fresh := g.Login("admin")
	// In a room that nobody was in yet, where only the clock knows.
	a := g.Do("POST", "/rooms/b/messages", fresh, `{"data":1}`).JSON()
	if ts, _ := a["ts"].(float64); int64(ts) < ahead {
		t.Errorf("after a boot in the past ts is %v, before it was %d", a["ts"], ahead)
	}
}
