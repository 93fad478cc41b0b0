package app_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"edgegw/internal/gatewaytest"
)

// rawMessage is a message frame or an element of a history page with its data
// as it came.
type rawMessage struct {
	Type, Room, ID, User, Encoding string
	Seq, TS                        int64
	Durability                     string
	Data                           json.RawMessage
}

// nextOf reads frames up to one of the given type.
func nextOf(t *testing.T, s *gatewaytest.Socket, typ string) rawMessage {
	t.Helper()
	for {
		f, err := s.Read()
		if err != nil {
			t.Fatalf("waiting for a frame of type %s: %v", typ, err)
		}
		var m rawMessage
		if err := json.Unmarshal(f.Payload, &m); err != nil {
			t.Fatalf("frame %q: %v", f.Payload, err)
		}
		if m.Type == typ {
			return m
		}
		if m.Type == "error" || m.Type == "gap" {
			t.Fatalf("waiting for a frame of type %s: %s", typ, f.Payload)
		}
	}
}

// history reads the newest messages of a room.
func history(t *testing.T, g *gatewaytest.Gateway, token, room, query string) (page struct {
	Room, Epoch string
	Messages    []rawMessage
	Next, Prev  *int64
},
) {
	t.Helper()
	a := g.Do("GET", "/rooms/"+room+"/messages"+query, token, nil)
	if a.Status != 200 {
		t.Fatalf("history of %s: %d %s", room, a.Status, a.Body)
	}
	if err := json.Unmarshal(a.Body, &page); err != nil {
		t.Fatal(err)
	}
	return page
}

// Whatever was sent is delivered and kept as the same bytes.
func TestDataIsNeverReencoded(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	token := g.Token("admin")
	s := g.Dial(token, "?room=a")
	s.Joined()
	published := []string{
		`1.50`, `-0`, `1e400`, `123456789012345678901234567890`, `{"b":1,"a":2,"b":3}`, `{ "x" : [ 1 , 2 ] }`,
		`"\u00e9\/\ud83d\ude00"`, `"é/😀<>&"`, `"\ud800"`, `null`, `true`, `""`, `{"type":"message"}`, `"\u2028 "`, `[[[[]]]]`,
		`"` + strings.Repeat("long ", 5000) + `"`,
	}
	for i, data := range published {
		if i%2 == 0 {
			s.Send(fmt.Sprintf(`{"data":%s,"ignored":{"x":[1]},"type":"message"}`, data))
		} else if a := g.Do("POST", "/rooms/a/messages", token, `{"data":`+data+`}`); a.Status != 201 {
			t.Fatalf("publishing %s: %d %s", data, a.Status, a.Body)
		}
		if m := nextOf(t, s, "message"); string(m.Data) != data || m.Seq != int64(i+1) || m.User != "admin" {
			t.Errorf("delivered %s of %s, seq %d, want %s", m.Data, m.User, m.Seq, data)
		}
	}
	page := history(t, g, token, "a", "")
	if len(page.Messages) != len(published) {
		t.Fatalf("%d messages in history, want %d", len(page.Messages), len(published))
	}
	for i, m := range page.Messages {
		if string(m.Data) != published[i] || m.Seq != int64(i+1) || m.Encoding != "" {
			t.Errorf("history has %s under %d, want %s", m.Data, m.Seq, published[i])
		}
	}
}

func TestTextAndBinary(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	token := g.Token("admin")
	s, raw := g.Dial(token, "?room=a"), g.Dial(token, "?room=a&format=raw")
	s.Joined()
	await(t, "both sockets in the room", func() bool {
		return g.Do("GET", "/rooms/a", token, nil).JSON()["subscribers"] == 2.0
	})
	texts := []string{
		"Hello room!", "", " {\"type\":1} ", `{"no":"type"}`, `["type"]`, "{broken", `"quoted"`, "line\nbreak\ttab\x00nul\x7f", "é😀\u2028",
		strings.Repeat("é", 20000),
	}
	for _, text := range texts {
		s.Send(text)
		var back string
		if m := nextOf(t, s, "message"); json.Unmarshal(m.Data, &back) != nil || back != text {
			t.Errorf("text %.40q arrived as %.80s", text, m.Data)
		}
		if f, err := raw.Read(); err != nil || f.Opcode != 1 || string(f.Payload) != text {
			t.Errorf("text %.40q arrived raw as %x %.80q %v", text, f.Opcode, f.Payload, err)
		}
	}
	for _, b := range [][]byte{{}, {0}, {0xff, 0xfe, 0x80}, bytes.Repeat([]byte{1, 2, 3, 0xff}, 16<<10)} {
		raw.SendBinary(b)
		m := nextOf(t, s, "message")
		var text string
		_ = json.Unmarshal(m.Data, &text)
		back, err := base64.StdEncoding.DecodeString(text)
		if err != nil || m.Encoding != "base64" || !bytes.Equal(back, b) {
			t.Errorf("%d binary bytes arrived as %s %.80s", len(b), m.Encoding, m.Data)
		}
		if f, err := raw.Read(); err != nil || f.Opcode != 2 || !bytes.Equal(f.Payload, b) {
			t.Errorf("%d binary bytes arrived raw as %x, %d bytes, %v", len(b), f.Opcode, len(f.Payload), err)
		}
	}
	// JSON that was published as such reaches raw subscribers as its text.
	s.Send(`{"type":"message","data":{"a": 1.50}}`)
	if f, err := raw.Read(); err != nil || f.Opcode != 1 || string(f.Payload) != `{"a": 1.50}` {
		t.Errorf("JSON arrived raw as %x %q %v", f.Opcode, f.Payload, err)
	}
	page := history(t, g, token, "a", "?limit=1000")
	for i, m := range page.Messages {
		var text string
		if i < len(texts) && (json.Unmarshal(m.Data, &text) != nil || text != texts[i] || m.Encoding != "") {
			t.Errorf("history has %.80s, want %.40q", m.Data, texts[i])
		}
		if binary := i >= len(texts) && i < len(texts)+4; binary != (m.Encoding == "base64") {
			t.Errorf("history has message %d with encoding %q", i, m.Encoding)
		}
	}
}

func TestAcksFollowTheCommit(t *testing.T) {
	t.Parallel()
	config := writeConfig(t, `
[[rooms]]
match = "m.*"
durability = "memory"
[[rooms]]
match = "f.*"
durability = "fsynced"
`)
	g := gatewaytest.Start(t, "config="+config)
	token := g.Token("admin")
	s := g.Dial(token, "?room=lobby")
	s.Joined()
	for room, durability := range map[string]string{"m.1": "memory", "q.1": "queued", "f.1": "fsynced"} {
		s.Send(`{"type":"subscribe","room":"` + room + `"}`)
		if m := nextOf(t, s, "subscribed"); m.Room != room {
			t.Fatalf("subscribed to %s", m.Room)
		}
		for seq := int64(1); seq <= 20; seq++ {
			s.Send(fmt.Sprintf(`{"type":"message","room":"%s","id":"i-%d","data":%d}`, room, seq, seq))
		}
		acks, messages := int64(0), int64(0)
		for acks < 20 || messages < 20 {
			f, err := s.Read()
			if err != nil {
				t.Fatal(err)
			}
			var m rawMessage
			if err := json.Unmarshal(f.Payload, &m); err != nil {
				t.Fatal(err)
			}
			switch m.Type {
			case "ack":
				if acks++; m.Seq != acks || m.Room != room || m.Durability != durability || m.ID != fmt.Sprintf("i-%d", acks) || m.TS == 0 {
					t.Fatalf("ack %s, want seq %d and %s", f.Payload, acks, durability)
				}
			case "message":
				if messages++; m.Seq != messages || m.Room != room || m.ID != fmt.Sprintf("i-%d", messages) {
					t.Fatalf("message %s, want seq %d", f.Payload, messages)
				}
			default:
				t.Fatalf("frame %s", f.Payload)
			}
		}
		a := g.Do("POST", "/rooms/"+room+"/messages", token, `{"data":"over HTTP","id":"h"}`).JSON()
		if a["durability"] != durability || a["seq"] != 21.0 || a["id"] != "h" || a["room"] != room {
			t.Errorf("the answer over HTTP is %v", a)
		}
		if m := nextOf(t, s, "message"); m.Seq != 21 || m.ID != "h" {
			t.Errorf("the message over HTTP arrived as %v", m)
		}
		if page := history(t, g, token, room, "?limit=1000"); len(page.Messages) != 21 {
			t.Errorf("%s keeps %d messages", room, len(page.Messages))
		}
		info := g.Do("GET", "/rooms/"+room, token, nil).JSON()
		if info["durability"] != durability || info["seq"] != 21.0 || info["subscribers"] != 1.0 {
			t.Errorf("the room is %v", info)
		}
	}
}

func TestSeqIsContiguousUnderConcurrentPublishers(t *testing.T) {
	t.Parallel()
	const publishers, each = 8, 100
	g := gatewaytest.Start(t)
	token := g.Token("admin")
	sub := g.Dial(token, "?room=a")
	sub.Joined()
	var wg sync.WaitGroup
	for p := range publishers {
		pub := g.Dial(token, "?room=other")
		wg.Go(func() {
			for i := range each {
				pub.Send(fmt.Sprintf(`{"type":"message","room":"a","data":[%d,%d]}`, p, i))
			}
		})
	}
	next := [publishers]int{}
	lastTS := int64(0)
	for seq := int64(1); seq <= publishers*each; seq++ {
		m := nextOf(t, sub, "message")
		var from [2]int
		if err := json.Unmarshal(m.Data, &from); err != nil {
			t.Fatal(err)
		}
		if m.Seq != seq || from[1] != next[from[0]] || m.TS < lastTS {
			t.Fatalf("message %v at %d, want seq %d, number %d of publisher %d", m, m.TS, seq, next[from[0]], from[0])
		}
		next[from[0]]++
		lastTS = m.TS
	}
	wg.Wait()
	if page := history(t, g, token, "a", "?limit=1000"); len(page.Messages) != publishers*each {
		t.Errorf("%d messages in history", len(page.Messages))
	}
}

func TestReadersAndWriters(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	reader, writer := g.User("reader", "a:r"), g.User("writer", "a:w")
	r, w := g.Dial(reader, "?room=a"), g.Dial(writer, "?room=a")
	r.Joined()
	w.Expect("welcome")

	r.Send("may I?")
	if e := r.Expect("error"); e["code"] != "forbidden" {
		t.Errorf("a reader publishes: %v", e)
	}
	w.Send(`{"type":"subscribe","room":"a"}`)
	if e := w.Expect("error"); e["code"] != "forbidden" || e["room"] != "a" {
		t.Errorf("a writer subscribes: %v", e)
	}
	w.Send(`{"type":"message","id":"1","data":1}`)
	if ack := w.Expect("ack"); ack["seq"] != 1.0 {
		t.Errorf("the writer's ack is %v", ack)
	}
	if m := r.Expect("message"); m["user"] != "writer" || m["seq"] != 1.0 {
		t.Errorf("the reader gets %v", m)
	}
	// A room without any grant stays closed, also to who knows its name.
	w.Send(`{"type":"message","room":"b","id":"2","data":1}`)
	if e := w.Expect("error"); e["code"] != "forbidden" || e["room"] != "b" || e["id"] != "2" {
		t.Errorf("a stranger publishes: %v", e)
	}
	raw := g.Dial(reader, "?room=a&format=raw")
	raw.Send("may I?")
	if end := raw.Ended(); end.Code != 4503 {
		t.Errorf("a raw reader publishes: %v", end)
	}
	rooms, _ := g.Do("GET", "/rooms", reader, nil).JSON()["rooms"].([]any)
	if len(rooms) != 1 || rooms[0].(map[string]any)["room"] != "a" {
		t.Errorf("the reader sees the rooms %v", rooms)
	}
	if a := g.Do("GET", "/rooms/a/messages", writer, nil); a.Status != 403 {
		t.Errorf("the writer reads history: %d", a.Status)
	}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "max_rooms_per_connection=3")
	s := g.Dial(g.Token("admin"), "")
	welcome, subscribed := s.Joined()
	if welcome["protocol"] != 1.0 || welcome["user"] != "admin" || welcome["role"] != "admin" || welcome["room"] != "lobby" ||
		welcome["ping_interval"] != 25.0 || welcome["max_message_bytes"] != 65536.0 || welcome["connection"] == "" {
		t.Errorf("the welcome is %v", welcome)
	}
	if subscribed["room"] != "lobby" || subscribed["seq"] != 0.0 || subscribed["epoch"] == "" {
		t.Errorf("the first answer is %v", subscribed)
	}
	tests := []struct{ name, send, typ, member, value string }{
		{"ok ping", `{"type":"ping"}`, "pong", "", ""},
		{"ok subscribe", `{"type":"subscribe","room":"a"}`, "subscribed", "room", "a"},
		{"ok subscribe again", `{"type":"subscribe","room":"a"}`, "subscribed", "room", "a"},
		{"ok subscribe to a third", `{"room":"b","unknown":[{}],"type":"subscribe"}`, "subscribed", "room", "b"},
		{"bad one room too many", `{"type":"subscribe","room":"c"}`, "error", "code", "rate_limited"},
		{"ok unsubscribe", `{"type":"unsubscribe","room":"a"}`, "unsubscribed", "room", "a"},
		{"ok unsubscribe from nothing", `{"type":"unsubscribe","room":"never"}`, "unsubscribed", "room", "never"},
		{"bad type", `{"type":"nonsense"}`, "error", "code", "invalid_request"},
		{"bad empty type", `{"type":""}`, "error", "code", "invalid_request"},
		{"bad room", `{"type":"subscribe","room":"../x"}`, "error", "code", "invalid_request"},
		{"bad room, not a string", `{"type":"subscribe","room":1}`, "error", "code", "invalid_request"},
		{"bad room, long", `{"type":"subscribe","room":"` + strings.Repeat("r", 129) + `"}`, "error", "code", "invalid_request"},
		{"bad without room", `{"type":"subscribe"}`, "error", "code", "invalid_request"},
		{"bad without data", `{"type":"message"}`, "error", "code", "invalid_request"},
		{"bad id", `{"type":"message","id":1,"data":1}`, "error", "code", "invalid_request"},
		{"bad long id", `{"type":"message","id":"` + strings.Repeat("i", 65) + `","data":1}`, "error", "code", "invalid_request"},
		{"bad twice", `{"type":"message","data":1,"data":2}`, "error", "code", "invalid_request"},
		{"bad deep", `{"type":"message","data":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, "error", "code", "invalid_request"},
	}
	for _, test := range tests {
		s.Send(test.send)
		if m := s.Next(); m["type"] != test.typ || test.member != "" && m[test.member] != test.value {
			t.Errorf("%s: %v", test.name, m)
		}
	}
}

func TestMessageSize(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	token := g.Token("admin")
	s := g.Dial(token, "?room=a&format=raw")
	full := bytes.Repeat([]byte{7}, 64<<10)
	s.SendBinary(full)
	if f, err := s.Read(); err != nil || !bytes.Equal(f.Payload, full) {
		t.Fatalf("a message of 64 KiB: %v", err)
	}
	// In fragments it counts as a whole.
	s.Raw(gatewaytest.ClientFrame(0x02, full[:40<<10]))
	s.Raw(gatewaytest.ClientFrame(0x80, full[40<<10:]))
	if f, err := s.Read(); err != nil || !bytes.Equal(f.Payload, full) {
		t.Fatalf("a message of 64 KiB in fragments: %v", err)
	}
	s.SendBinary(append(full, 7))
	if end := s.Ended(); end.Code != 1009 || end.Reason != "message_too_large" {
		t.Errorf("one byte more: %v", end)
	}
	s = g.Dial(token, "?room=a&format=raw")
	s.Raw(gatewaytest.ClientFrame(0x02, full))
	s.Raw(gatewaytest.ClientFrame(0x80, full[:1]))
	if end := s.Ended(); end.Code != 1009 {
		t.Errorf("one byte more in fragments: %v", end)
	}

	small := gatewaytest.Start(t, "max_message_bytes=1024")
	token = small.Token("admin")
	data := func(n int) string { return `{"data":"` + strings.Repeat("x", n-2) + `"}` }
	if a := small.Do("POST", "/rooms/a/messages", token, data(1024)); a.Status != 201 {
		t.Errorf("1 KiB over HTTP: %d %s", a.Status, a.Body)
	}
	if a := small.Do("POST", "/rooms/a/messages", token, data(1025)); a.Status != 413 || a.Code() != "too_large" {
		t.Errorf("1 KiB and a byte over HTTP: %d %s", a.Status, a.Body)
	}
}
