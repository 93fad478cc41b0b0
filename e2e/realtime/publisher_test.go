package realtime_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// mostWaiting is how many messages with an id a publisher has on their way: no
// more than it may send again at any time.
const mostWaiting = 64

// publisher sends messages of all kinds to random rooms, and sends again what was
// not acknowledged.
type publisher struct {
	w     *world
	name  string
	user  string
	token string
	r     *rand.Rand
	n     int
	// again is what has to be sent first when the gateway is back.
	again []*post

	mu      sync.Mutex
	waiting []*post // with ids, in the order in which they were sent

	// acked is the newest seq that was acknowledged on this connection, by room,
	// those of repeated messages aside.
	acked map[string]uint64

	acks, repeats int
}

// newPost makes a message that nobody has sent before. The content is what
// subscribers have to be shown.
func (p *publisher) newPost(room string) *post {
	p.n++
	token := fmt.Sprintf("%s-%d-%d", p.name, p.w.run, p.n)
	pad := strings.Repeat("x", p.r.IntN(300))
	if p.r.IntN(40) == 0 {
		pad = strings.Repeat("y", 4000)
	}
	data := ""
	switch p.r.IntN(4) {
	case 0:
		data = fmt.Sprintf(`"%s %s"`, token, pad)
	case 1:
		data = fmt.Sprintf(`["%s", 1.50e+3,"\u00e4",{"b":0,"a":[ ]}, "%s"]`, token, pad)
	default:
		data = fmt.Sprintf(`{"t":"%s","pad":"%s"}`, token, pad)
	}
	m := &post{room: room, user: p.user, content: "|" + data}
	if p.r.IntN(3) > 0 {
		m.id = token
	}
	return m
}

func (p *publisher) room() string { return p.w.names[p.r.IntN(len(p.w.names))] }

// command is the frame of a message.
func (m *post) command() string {
	id := ""
	if m.id != "" {
		id = fmt.Sprintf(`,"id":%q`, m.id)
	}
	return fmt.Sprintf(`{"type":"message","room":%q%s,"data":%s}`, m.room, id, m.content[1:])
}

// speak publishes over a WebSocket until the phase is over or the gateway gone.
func (p *publisher) speak() {
	l, err := p.w.s.connect(p.token, "room=idle")
	if err != nil {
		p.w.ended(err)
		return
	}
	defer l.cut()
	p.acked = make(map[string]uint64)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.listen(l)
	}()
	p.resend(l)
	for !p.w.over() {
		room := p.room()
		for range 1 + p.r.IntN(60) {
			p.mu.Lock()
			full := len(p.waiting) >= mostWaiting
			p.mu.Unlock()
			if full {
				break
			}
			m := p.newPost(room)
			p.transmit(l, m)
		}
		time.Sleep(time.Duration(p.r.IntN(20)) * time.Millisecond)
	}
	p.await(p.w.patience)
	l.cut()
	<-done
	// What was sent and not answered may be there or not.
	p.again = append(p.again, p.waiting...)
	p.waiting = nil
}

func (p *publisher) transmit(l *link, m *post) {
	p.w.rooms[m.room].send(m)
	if m.id != "" {
		p.mu.Lock()
		p.waiting = append(p.waiting, m)
		p.mu.Unlock()
	}
	l.Send(m.command())
}

// resend sends again what was not answered before, in order, and a few that were.
func (p *publisher) resend(l *link) {
	again := p.again
	p.again = nil
	for _, m := range again {
		p.repeats++
		p.transmit(l, m)
	}
}

// await waits until everything is answered, but not for long.
func (p *publisher) await(d time.Duration) {
	for deadline := time.Now().Add(d); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		p.mu.Lock()
		n := len(p.waiting)
		p.mu.Unlock()
		if n == 0 {
			return
		}
	}
}

func (p *publisher) listen(l *link) {
	for {
		f, err := l.next()
		if err != nil {
			if !isEnd(err) {
				p.w.fail("%s: %v", p.name, err)
			}
			return
		}
		if f.Type == "ack" || f.Type == "error" {
			if err := p.answered(f); err != nil {
				p.w.fail("%s: %v", p.name, err)
				return
			}
		}
	}
}

// answered takes an ack: those of new messages come in the order of the room.
func (p *publisher) answered(f frame) error {
	if f.Type == "error" && f.ID == "" && p.w.dying.Load() {
		return nil // about a message without an id, which may be there or not
	}
	p.mu.Lock()
	var m *post
	for i, w := range p.waiting {
		if w.id == f.ID {
			m = w
			p.waiting = append(p.waiting[:i:i], p.waiting[i+1:]...)
			break
		}
	}
	p.mu.Unlock()
	if m == nil || m.room != f.Room {
		return fmt.Errorf("an answer to nothing that waits: %v", f)
	}
	l := p.w.rooms[m.room]
	if f.Type == "error" {
		l.refuse(m)
		return nil
	}
	p.acks++
	if f.Durability != l.class {
		return fmt.Errorf("an ack of a %s room: %v", l.class, f)
	}
	if m.tries == 1 {
		if f.Seq <= p.acked[m.room] {
			return fmt.Errorf("an ack behind that of %d: %v", p.acked[m.room], f)
		}
		p.acked[m.room] = f.Seq
	}
	return l.see(l.epoch, f.Seq, entry{content: m.content, user: m.user, id: m.id, ts: f.TS, firm: l.stored()})
}

// call publishes over HTTP until the phase is over.
func (p *publisher) call() {
	again := p.again
	p.again = nil
	for !p.w.over() {
		var m *post
		if len(again) > 0 {
			m, again = again[0], again[1:]
			p.repeats++
		} else {
			m = p.newPost(p.room())
		}
		p.post(m)
		time.Sleep(time.Duration(p.r.IntN(10)) * time.Millisecond)
	}
	p.again = append(p.again, again...)
}

func (p *publisher) post(m *post) {
	l := p.w.rooms[m.room]
	body := `{"data":` + m.content[1:] + `}`
	if m.id != "" {
		body = fmt.Sprintf(`{"id":%q,"data":%s}`, m.id, m.content[1:])
	}
	l.send(m)
	a, err := p.w.s.try("POST", "/rooms/"+m.room+"/messages", p.token, body)
	if err != nil || a.Status >= 500 {
		// It may be stored or not. Without an id nobody could try again.
		if m.id != "" {
			p.again = append(p.again, m)
		}
		return
	}
	var f frame
	if err := json.Unmarshal(a.Body, &f); err != nil || a.Status != http.StatusCreated || f.Room != m.room || f.ID != m.id || f.Durability != l.class {
		p.w.fail("%s: publishing to %s: %d %.200s %v", p.name, m.room, a.Status, a.Body, err)
		return
	}
	p.acks++
	if err := l.see(l.epoch, f.Seq, entry{content: m.content, user: m.user, id: m.id, ts: f.TS, firm: l.stored()}); err != nil {
		p.w.fail("%s: %v", p.name, err)
	}
}

// shout publishes in the raw format, and compares what comes back with the room.
func (p *publisher) shout() {
	room := p.room()
	l, err := p.w.s.connect(p.token, "format=raw&room="+room)
	if err != nil {
		p.w.ended(err)
		return
	}
	heard := make(chan []string, 1)
	go func() { heard <- p.hear(l) }()
	for !p.w.over() {
		p.n++
		token := fmt.Sprintf("%s-%d-%d", p.name, p.w.run, p.n)
		m := &post{room: room, user: p.user, content: `|"` + token + `"`}
		if p.r.IntN(2) == 0 {
			m.content = `base64|"` + base64.StdEncoding.EncodeToString([]byte(token)) + `"`
			p.w.rooms[room].send(m)
			l.SendBinary([]byte(token))
		} else {
			p.w.rooms[room].send(m)
			l.Send(token)
		}
		time.Sleep(time.Duration(p.r.IntN(15)) * time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond)
	l.cut()
	p.w.hear(room, <-heard)
}

// hear returns the contents of what came, as the json format would show them.
func (p *publisher) hear(l *link) (contents []string) {
	for {
		f, err := l.Read()
		switch {
		case err != nil && !isEnd(err):
			p.w.fail("%s: %v", p.name, err)
			return contents
		case err != nil:
			return contents
		case f.Opcode == 0x2:
			contents = append(contents, `base64|"`+base64.StdEncoding.EncodeToString(f.Payload)+`"`)
		case len(f.Payload) > 0 && (f.Payload[0] == '{' || f.Payload[0] == '['):
			contents = append(contents, "|"+string(f.Payload))
		default:
			contents = append(contents, `|"`+string(f.Payload)+`"`)
		}
	}
}
