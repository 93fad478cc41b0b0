package course_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gatewaytest"
)

// TestConversations plays the gateway's part in the conversations of
// testdata/protocol, to every connection that a client of this kind could have: it
// says what the script says, and the events are those of the script's frames.
func TestConversations(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../testdata/protocol/conversation-*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no conversations: %v", err)
	}
	played := 0
	for _, file := range files {
		for _, c := range gatewaytest.Conversations(t, file) {
			for _, p := range parts(t, &c) {
				if !p.possible {
					continue
				}
				played++
				t.Run(fmt.Sprintf("%s (%s)", c.Name, p.name), func(t *testing.T) {
					t.Parallel()
					p.t = t
					p.play()
				})
			}
		}
	}
	t.Logf("%d connections", played)
	if least := 30; played < least {
		t.Errorf("%d connections were played, want %d at least", played, least)
	}
}

// part is what happens on one connection of a conversation.
type part struct {
	t          *testing.T
	name, room string
	possible   bool
	steps      []line
	known      map[string]bool

	d         *driver
	published int
	want      []event
}

// line is a step of a connection: a frame of either side, or the end.
type line struct {
	send, expect json.RawMessage
	close        int
	reason       string
	drop         bool
}

// parts takes a conversation apart into its connections. A part is possible if it
// begins with nothing to resume and the client sends no more than a driver can be
// told to.
func parts(t *testing.T, c *gatewaytest.Conversation) (list []*part) {
	byName := map[string]*part{}
	for _, s := range c.Steps {
		if s.Connect != "" {
			room, plain := strings.CutPrefix(s.Query, "?room=")
			p := &part{t: t, known: map[string]bool{"room " + room: true}, name: s.Connect, room: room, possible: plain && s.Status == 0 && !strings.ContainsAny(room, "&$")}
			byName[p.name], list = p, append(list, p)
			continue
		}
		p := byName[s.On]
		switch {
		case p == nil: // of HTTP
		case s.Send != nil && p.again(s.Send), s.SendText != nil, s.SendBase64 != nil, s.ExpectText != nil, s.ExpectBase64 != nil, s.Repeat > 0, s.Run != nil, s.Send != nil && !sayable(s.Send):
			p.possible = false
		case s.AnyOrder != nil:
			for _, f := range s.AnyOrder {
				p.steps = append(p.steps, line{expect: f})
			}
		case s.ExpectClose != nil:
			p.steps = append(p.steps, line{close: s.ExpectClose.Code, reason: s.ExpectClose.Name})
		case s.Drop, s.Close != 0:
			p.steps = append(p.steps, line{drop: true})
		default:
			p.steps = append(p.steps, line{send: s.Send, expect: s.Expect})
		}
	}
	return list
}

// sayable reports whether a driver can be told to send this.
func sayable(command json.RawMessage) bool {
	var m map[string]any
	if json.Unmarshal(command, &m) != nil {
		return false
	}
	members := []string{"type"}
	switch m["type"] {
	case "ping": // clients have those of WebSocket; its pong still comes
	case "message":
		if _, has := m["data"]; !has || strings.Contains(string(command), "${") {
			return false
		}
		members = append(members, "data", "id")
	case "subscribe":
		members = append(members, "room")
	case "typing":
		if !client.typing {
			return false
		}
		members = append(members, "state")
	default:
		return false
	}
	for name := range m {
		if !slices.Contains(members, name) {
			return false
		}
	}
	return m["type"] != "subscribe" || m["room"] != nil
}

// again reports whether a command joins a room, or sends an id, that the client has
// joined or sent before: it need not do that when it is told to.
func (p *part) again(command json.RawMessage) bool {
	var m struct{ Type, Room, ID string }
	_ = json.Unmarshal(command, &m)
	key := m.ID
	if m.Type == "subscribe" {
		key = "room " + m.Room
	}
	was := p.known[key]
	p.known[key] = key != ""
	return was
}

// play says the part to a client, and compares what the client tells.
func (p *part) play() {
	drivers, said := make(chan *driver, 1), make(chan struct{})
	f := gatewaytest.NewFake(p.t)
	f.Then(func(peer *gatewaytest.Peer) {
		p.d = <-drivers
		for _, l := range p.steps {
			p.line(peer, l)
		}
		close(said)
		serve(peer, 0)
	})
	f.Then(func(peer *gatewaytest.Peer) { serve(peer, 0) })
	d := drive(p.t, "COURSE_URL="+f.URL, "COURSE_ROOM="+p.room, "COURSE_DEVICE_KEY="+strings.Repeat("A", 43))
	drivers <- d
	select {
	case <-said:
	case <-d.gone: // right behind the script's last step it may, before that is noted here
		select {
		case <-said:
		case <-time.After(time.Second):
			p.t.Fatal("the driver ended before the script did")
		}
	case <-time.After(patience):
		p.t.Fatal("the script did not come to its end")
	}
	for _, name := range []string{"subscribed", "message", "gap", "ack", "typing", "presence", "closed"} {
		p.compare(d, name)
	}
	if ends := d.of("closed"); len(ends) > 0 && ends[0].WaitMS == -1 {
		if code := d.ended(); code != 3 {
			p.t.Errorf("the driver ended with %d, want 3", code)
		}
		return
	}
	d.stop()
}

// compare waits for the events of a name that the script's frames are, and holds
// them against those frames.
func (p *part) compare(d *driver, name string) {
	want := slices.DeleteFunc(slices.Clone(p.want), func(e event) bool { return e.Event != name })
	if len(want) == 0 {
		return
	}
	d.await(name, len(want))
	got := d.of(name)
	for i, w := range want {
		g := got[i]
		same := g.Room == w.Room && g.Seq == w.Seq && g.User == w.User && g.ID == w.ID && reflect.DeepEqual(g.Data, w.Data) && g.Count == w.Count
		switch name {
		case "subscribed":
			same = g.Room == w.Room && g.Seq == w.Seq && g.Epoch == w.Epoch
		case "ack":
			same = g.ID == w.ID && g.Seq == w.Seq
		case "gap":
			same = g.Room == w.Room && g.From == w.From && g.To == w.To && g.Reason == w.Reason
		case "typing":
			same = same && g.State == w.State
		case "presence":
			same = same && g.What == w.What
		case "closed":
			same = g.status() == w.status()
		}
		if !same {
			p.t.Errorf("%s %d is %+v, want %+v", name, i+1, g, w)
		}
	}
}

// line does one step.
func (p *part) line(peer *gatewaytest.Peer, l line) {
	switch {
	case l.expect != nil:
		p.tell(peer, l.expect)
	case l.send != nil:
		p.say(peer, l.send)
	case l.close != 0:
		p.want = append(p.want, event{Event: "closed", Code: float64(l.close)})
		peer.Close(l.close, l.reason)
	case l.drop:
		_ = peer.Conn.Close()
	}
}

// samples are what placeholders of these members stand for; of others it is a text.
var samples = map[string]any{
	"ts": int64(1795455897123), "server_time": int64(1795455897123), "expires_in": 900, "ping_interval": 25, "max_message_bytes": 65536,
	"seq": 1, "from": 1, "to": 2, "replay": 0, "retry_after_ms": 50, "recovered": false, "clock": "none",
}

// tell sends a frame of the gateway, and notes the event that it has to become.
func (p *part) tell(peer *gatewaytest.Peer, frame json.RawMessage) {
	var m map[string]any
	if err := json.Unmarshal(frame, &m); err != nil {
		p.t.Error(err)
		return
	}
	for name, v := range m {
		text, _ := v.(string)
		switch sample, known := samples[name]; {
		case text == "${?}":
			delete(m, name)
		case strings.HasPrefix(text, "${") && known:
			m[name] = sample
		case strings.HasPrefix(text, "${"):
			m[name] = strings.Trim(text, "${!}")
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		p.t.Error(err)
		return
	}
	peer.Text(string(b))
	var e event
	_ = json.Unmarshal(b, &e)
	var typ struct{ Type, Event string }
	_ = json.Unmarshal(b, &typ)
	e.Event, e.What = typ.Type, typ.Event
	if (typ.Type == "typing" || typ.Type == "presence") && !client.typing {
		return
	}
	p.want = append(p.want, e)
}

// say has the client send a command, and compares what comes. Clients give every
// message an id, which the script may not have.
func (p *part) say(peer *gatewaytest.Peer, command json.RawMessage) {
	var want map[string]any
	if err := json.Unmarshal(command, &want); err != nil {
		p.t.Error(err)
		return
	}
	if want["type"] == "ping" {
		return
	}
	p.d.await("connected", 1) // typing is nothing that waits for a connection
	switch want["type"] {
	case "message":
		id, _ := want["id"].(string)
		if id == "" {
			p.published++
			id = fmt.Sprintf("own-%d", p.published)
			want["id"] = id
		}
		p.d.publish(id, want["data"])
	case "subscribe":
		p.d.say(map[string]any{"do": "subscribe", "room": want["room"]})
	case "typing":
		p.d.say(map[string]any{"do": "typing", "state": want["state"]})
	}
	got := peer.Command()
	if _, has := want["room"]; !has && got["room"] == p.room {
		delete(got, "room") // as good as none
	}
	if !reflect.DeepEqual(got, want) {
		p.t.Errorf("the client sent %v, want %v", got, want)
	}
}
