package app_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gatewaytest"
)

// readExcess reads what comes of n text frames that were more than are taken: the
// messages, and the errors, which tell how many were lost.
func readExcess(t *testing.T, s *gatewaytest.Socket, n int) (messages, errs int) {
	t.Helper()
	for lost := 0; messages+lost < n; {
		switch m := s.Next(); {
		case m["type"] == "message":
			messages++
		case m["type"] != "error" || m["code"] != "rate_limited" || m["retry_after_ms"] == nil:
			t.Fatalf("frame %v", m)
		default:
			var told int
			_, _ = fmt.Sscanf(fmt.Sprint(m["message"]), "more than 5 frames a second; %d not taken", &told)
			lost += told
			errs++
		}
	}
	return messages, errs
}

// flooded is how a flood ended, and what came of it before: frames by their type,
// errors by their code.
type flooded struct {
	end  *gatewaytest.CloseError
	took time.Duration
	got  map[string]int
}

// floodFor sends frame again and again until the socket is closed, or until the
// time is up.
func floodFor(t *testing.T, s *gatewaytest.Socket, pause, most time.Duration, frame func(i int) []byte) (f flooded) {
	t.Helper()
	s.Joined()
	began, done := time.Now(), make(chan struct{})
	go func() {
		for i := 0; time.Since(began) < most; i++ {
			select {
			case <-done:
				return
			default:
			}
			s.Raw(frame(i))
			time.Sleep(pause)
		}
		_ = s.Conn.Close()
	}()
	defer close(done)
	f.got = make(map[string]int)
	for {
		frame, err := s.ReadFrame()
		if frame.Opcode == 8 {
			f.took = time.Since(began)
			f.end = &gatewaytest.CloseError{Code: int(frame.Payload[0])<<8 | int(frame.Payload[1]), Reason: string(frame.Payload[2:])}
			return f
		}
		if err != nil {
			f.took = time.Since(began)
			if !errors.As(err, &f.end) {
				f.end = &gatewaytest.CloseError{Reason: err.Error()}
			}
			return f
		}
		f.got[kindOf(frame)]++
	}
}

func kindOf(f gatewaytest.Frame) string {
	if f.Opcode == 0xA {
		return "pong frame"
	}
	rest, _ := strings.CutPrefix(string(f.Payload), `{"type":"`)
	kind, rest, _ := strings.Cut(rest, `"`)
	if code, ok := strings.CutPrefix(rest, `,"code":"`); ok {
		kind, _, _ = strings.Cut(code, `"`)
	}
	return kind
}

func text(format string, args ...any) []byte {
	return gatewaytest.ClientFrame(0x81, fmt.Appendf(nil, format, args...))
}

// Whoever sends far too much of anything is told, a few times, and then closed,
// within seconds, with the time at which to come back.
func TestFloods(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "message_rate=20", "ping_interval=10m") // nobody reads the witness for long
	token := g.Token("admin")
	witness := g.Dial(token, "?room=w")
	witness.Joined()
	tests := map[string]struct {
		pause time.Duration
		told  bool // with error frames, before the end
		frame func(i int) []byte
	}{
		// Several at a time, or a busy machine keeps to what is allowed.
		"pings of the protocol": {time.Millisecond, false, func(int) []byte { return bytes.Repeat(gatewaytest.ClientFrame(0x89, nil), 8) }},
		"pongs":                 {time.Millisecond, false, func(int) []byte { return bytes.Repeat(gatewaytest.ClientFrame(0x8A, nil), 8) }},
		"pings":                 {5 * time.Millisecond, true, func(int) []byte { return text(`{"type":"ping"}`) }},
		"typing": {5 * time.Millisecond, true, func(i int) []byte {
			return text(`{"type":"typing","state":"%s"}`, []string{"start", "stop"}[i%2])
		}},
		"subscribes": {5 * time.Millisecond, true, func(i int) []byte { return text(`{"type":"subscribe","room":"s.%d"}`, i%100) }},
		"subscribes of one room": {5 * time.Millisecond, true, func(int) []byte {
			return text(`{"type":"subscribe","room":"a","after":0}`)
		}},
		"messages":      {5 * time.Millisecond, true, func(int) []byte { return text(`{"type":"message","data":1}`) }},
		"binary frames": {5 * time.Millisecond, true, func(int) []byte { return gatewaytest.ClientFrame(0x82, []byte{1}) }},
		"fragments": {time.Millisecond, false, func(int) []byte {
			return bytes.Repeat(append(gatewaytest.ClientFrame(0x01, nil), gatewaytest.ClientFrame(0x80, []byte("x"))...), 8)
		}},
		"tokens":            {5 * time.Millisecond, true, func(int) []byte { return text(`{"type":"auth","token":"x"}`) }},
		"unknown types":     {5 * time.Millisecond, true, func(int) []byte { return text(`{"type":"nonsense"}`) }},
		"as fast as it can": {0, false, func(int) []byte { return text("x") }},
	}
	t.Run("all", func(t *testing.T) { // ends when the parallel ones have
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				f := floodFor(t, g.Dial(token, "?room=a"), test.pause, 20*time.Second, test.frame)
				if f.end.Code != 4003 || f.end.Reason != "rate_limited retry_after_ms=5000" {
					t.Errorf("it ended with %v after %v", f.end, f.took)
				}
				if f.took > 15*time.Second {
					t.Errorf("it ended after %v", f.took)
				}
				if n := f.got["rate_limited"]; test.told && (n < 5 || float64(n) > 5*f.took.Seconds()+2) {
					t.Errorf("%d errors in %v", n, f.took)
				}
			})
		}
	})
	witness.Send("still here")
	if m := nextOf(t, witness, "message"); m.User != "admin" {
		t.Errorf("the witness got %+v", m)
	}
}

// A room too many is refused; the connection and its rooms live on.
func TestRoomsPerConnection(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	s := g.Dial(g.Token("admin"), "?room=r.1")
	s.Joined()
	for i := 2; i <= 128; i++ {
		s.Send(fmt.Sprintf(`{"type":"subscribe","room":"r.%d"}`, i))
		s.Expect("subscribed")
	}
	for range 2 {
		s.Send(`{"type":"subscribe","room":"r.129"}`)
		if m := s.Expect("error"); m["code"] != "rate_limited" || m["room"] != "r.129" {
			t.Errorf("the 129th room: %v", m)
		}
	}
	s.Send(`{"type":"subscribe","room":"r.64"}`) // is no room more
	s.Expect("subscribed")
	s.Send(`{"type":"message","room":"r.128","data":1}`)
	if m := s.Expect("message"); m["room"] != "r.128" {
		t.Errorf("the message is %v", m)
	}
	s.Send(`{"type":"unsubscribe","room":"r.2"}`)
	s.Expect("unsubscribed")
	s.Send(`{"type":"subscribe","room":"r.129"}`)
	s.Expect("subscribed")
}

// What a client says of its past may be wrong in any way. It is answered, and
// changes nothing.
func TestResumesThatCannotBe(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "config="+writeConfig(t, "[[rooms]]\nmatch = \"mem.*\"\ndurability = \"memory\"\n"))
	token := g.Token("admin")
	s, other := g.Dial(token, "?room=a"), g.Dial(token, "?room=mem.1")
	_, a := s.Joined()
	_, m := other.Joined()
	for _, room := range []string{"a", "b", "mem.2"} {
		fill(t, g, room, 5)
	}
	if answer, _ := resumed(t, g, "mem.2", m["epoch"].(string), 5); answer["recovered"] != false {
		t.Errorf("in memory, with the epoch of another room: %v", answer)
	}
	s.Send(`{"type":"subscribe","room":"b"}`)
	for range 5 {
		s.Expect("message")
	}
	b := s.Expect("subscribed")
	s.Send(`{"type":"unsubscribe","room":"b"}`)
	s.Expect("unsubscribed")
	for _, test := range []struct {
		name, members string
		answer        string // the type, with recovered and replay, or the code
	}{
		{"after beyond the head", fmt.Sprintf(`"after":6,"epoch":%q`, b["epoch"]), "subscribed false <nil>"},
		{"after far beyond the head", fmt.Sprintf(`"after":9007199254740992,"epoch":%q`, b["epoch"]), "subscribed false <nil>"},
		{"after beyond the head, no epoch", `"after":6`, "subscribed <nil> 0"},
		{"the epoch of another run", `"after":5,"epoch":"1.AAAAAAAAAAAA"`, "subscribed false <nil>"},
		{"the epoch of another room", fmt.Sprintf(`"after":5,"epoch":%q`, a["epoch"]), "subscribed false <nil>"},
		{"the epoch of another room, nothing had", fmt.Sprintf(`"after":0,"epoch":%q`, a["epoch"]), "subscribed false <nil>"},
		{"the epoch of a room in memory", fmt.Sprintf(`"after":5,"epoch":%q`, m["epoch"]), "subscribed false <nil>"},
		{"no epoch at all", `"after":5,"epoch":""`, "invalid_request"},
		{"an epoch without after", fmt.Sprintf(`"epoch":%q`, b["epoch"]), "invalid_request"},
		{"after below zero", `"after":-1`, "invalid_request"},
		{"after in words", `"after":"5"`, "invalid_request"},
		{"after with a point", `"after":5.0`, "invalid_request"},
		{"after twice", `"after":5,"after":5`, "invalid_request"},
		{"too much of an epoch", `"after":5,"epoch":"` + strings.Repeat("x", 65) + `"`, "invalid_request"},
		{"ok nothing missed", fmt.Sprintf(`"after":5,"epoch":%q`, b["epoch"]), "subscribed true 0"},
	} {
		s.Send(`{"type":"subscribe","room":"b",` + test.members + `}`)
		m := s.Next()
		got := fmt.Sprint(m["code"])
		if m["type"] == "subscribed" {
			got = fmt.Sprintf("subscribed %v %v", m["recovered"], m["replay"])
			s.Send(`{"type":"unsubscribe","room":"b"}`)
			s.Expect("unsubscribed")
		}
		if got != test.answer {
			t.Errorf("%s: %v, want %s", test.name, m, test.answer)
		}
	}
}

// Subscribing twice answers twice, and delivers once.
func TestSubscribeTwice(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	s := g.Dial(g.Token("admin"), "?room=a")
	_, first := s.Joined()
	for range 2 {
		s.Send(`{"type":"subscribe","room":"a"}`)
		if again := s.Expect("subscribed"); again["epoch"] != first["epoch"] || again["seq"] != first["seq"] {
			t.Errorf("again: %v, at first %v", again, first)
		}
	}
	s.Send("once")
	s.Expect("message")
	s.Send(`{"type":"ping"}`)
	s.Expect("pong")
}

// Commands that cannot be, and what lacks in them, are answered each with one
// error, and in order.
func TestBadCommands(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "message_rate=0")
	s := g.Dial(g.Token("admin"), "?room=a")
	s.Joined()
	for _, frame := range []string{
		`{"type":"nonsense"}`, `{"type":""}`, `{"type":"Message","data":1}`, `{"type":"welcome"}`, `{"type":"subscribed","room":"a"}`,
		`{"type":"message"}`, `{"type":"message","data":1,"room":""}`, `{"type":"message","data":1,"room":7}`, `{"type":"message","data":1,"id":""}`,
		`{"type":"message","data":1,"id":"` + strings.Repeat("x", 65) + `"}`, `{"type":"message","data":1,"data":2}`,
		`{"type":"subscribe"}`, `{"type":"subscribe","room":null}`, `{"type":"subscribe","room":"../x"}`, `{"type":"unsubscribe"}`,
		`{"type":"typing"}`, `{"type":"typing","state":"perhaps"}`, `{"type":"auth"}`, `{"type":"auth","token":7}`,
	} {
		s.Send(frame)
		if m := s.Expect("error"); m["code"] != "invalid_request" && (frame != `{"type":"auth"}` || m["code"] != "invalid_token") {
			t.Errorf("%s: %v", frame, m)
		}
	}
	s.Send(`{"type":"ping"}`)
	s.Expect("pong")
}

// Control frames may stand between the fragments of a message, messages may not;
// and after its close frame nobody is listened to.
func TestFragmentsAndWhatFollowsTheEnd(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	token := g.Token("admin")
	s := g.Dial(token, "?room=a")
	s.Joined()
	s.Raw(gatewaytest.ClientFrame(0x01, []byte(`{"type":"message",`)))
	s.Raw(gatewaytest.ClientFrame(0x89, []byte("between")))
	if f, err := s.ReadFrame(); err != nil || f.Opcode != 0xA || string(f.Payload) != "between" {
		t.Errorf("the pong is %v %v", f, err)
	}
	s.Raw(gatewaytest.ClientFrame(0x00, []byte(`"data":`)))
	s.Raw(gatewaytest.ClientFrame(0x8A, nil))
	s.Raw(gatewaytest.ClientFrame(0x80, []byte(`1}`)))
	if m := nextOf(t, s, "message"); m.Seq != 1 || string(m.Data) != "1" {
		t.Errorf("the message is %+v", m)
	}
	end := append(gatewaytest.ClientFrame(0x88, []byte{0x03, 0xE8}), text("after the end")...)
	s.Raw(append(end, text(`{"type":"message","data":"after the end"}`)...))
	if closed := s.Ended(); closed.Code != 1000 {
		t.Errorf("it ended with %v", closed)
	}
	if page := history(t, g, token, "a", ""); len(page.Messages) != 1 {
		t.Errorf("%d messages are kept", len(page.Messages))
	}
	two := g.Dial(token, "?room=a")
	two.Joined()
	two.Raw(append(gatewaytest.ClientFrame(0x01, []byte("one ")), gatewaytest.ClientFrame(0x01, []byte("two"))...))
	if closed := two.Ended(); closed.Code != 1002 {
		t.Errorf("interleaved fragments ended with %v", closed)
	}
	if page := history(t, g, token, "a", ""); len(page.Messages) != 1 {
		t.Errorf("%d messages are kept", len(page.Messages))
	}
}
