package realtime_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"edgegw/e2e/process"
)

func decode(b []byte, into any) error {
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("%.200s: %w", b, err)
	}
	return nil
}

// guest is a connection in a quiet room: it has had what it should, and waits for
// what is published next.
type guest struct {
	link *link
	room string
	who  *follower // nil for a probe
}

// visits has every follower come back to its rooms, and probes ask for whatever
// they like; then one message is published in each room, and is the next that all
// of them get.
func (w *world) visits() {
	var guests []guest
	defer func() {
		for _, g := range guests {
			g.link.cut()
		}
	}()
	for _, f := range w.followers {
		for _, room := range f.rooms {
			g, err := w.visitBy(f, room)
			if err != nil {
				w.fail("%s: %v", f.name, err)
				return
			}
			guests = append(guests, g)
		}
	}
	for _, name := range w.names {
		for range 5 {
			g, err := w.probe(w.rooms[name])
			if err != nil {
				w.fail("%v", err)
				return
			}
			guests = append(guests, g)
		}
	}
	var marks sync.WaitGroup // all at once: they share a commit
	for _, name := range w.names {
		marks.Go(func() {
			if err := w.mark(w.rooms[name]); err != nil {
				w.fail("%v", err)
			}
		})
	}
	if marks.Wait(); w.failures.Load() > 0 {
		return
	}
	for _, g := range guests {
		if err := w.marked(g); err != nil {
			w.fail("%v", err)
			return
		}
	}
}

// visitBy has a follower come back to a room with what it has of it.
func (w *world) visitBy(f *follower, room string) (guest, error) {
	a := f.ask(room)
	had := f.of[room] != nil
	l, got, replayed, err := w.request(w.rooms[room], a, f.r.IntN(2) == 0)
	if err != nil {
		return guest{}, err
	}
	if err := f.enters(got); err != nil {
		return guest{}, err
	}
	for _, m := range replayed {
		if err := f.advance(m); err != nil {
			return guest{}, err
		}
	}
	// Who is told that nothing is missing has all of the room.
	if had {
		if err := f.check(room); err != nil {
			return guest{}, err
		}
	}
	return guest{l, room, f}, nil
}

// probe asks for a random thing.
func (w *world) probe(l *ledger) (guest, error) {
	a := w.randomAsk(l)
	link, _, _, err := w.request(l, a, w.r.IntN(2) == 0)
	return guest{link, l.name, nil}, err
}

func (w *world) randomAsk(l *ledger) ask {
	if w.r.IntN(8) == 0 {
		return ask{latest: w.r.IntN(2) == 0}
	}
	epochs := []string{l.epoch, l.epoch, "", ""}
	end := l.head
	switch w.r.IntN(3) {
	case 0: // one of another room, or of nobody
		other := w.rooms[w.names[w.r.IntN(len(w.names))]]
		epochs = []string{other.epoch, "1.AAAAAAAAAAAA", l.epoch + "x", l.epoch[:len(l.epoch)-1], l.epoch[:strings.LastIndexByte(l.epoch, '.')]}
		if n := len(other.ended); n > 0 {
			epochs = append(epochs, other.ended[w.r.IntN(n)].epoch)
		}
	case 1:
		if n := len(l.ended); n > 0 {
			e := l.ended[max(0, n-1-w.r.IntN(12))]
			epochs, end = []string{e.epoch}, e.end
		}
	}
	a := ask{epoch: epochs[w.r.IntN(len(epochs))], latest: w.r.IntN(4) == 0}
	// Near what makes a difference: the ends of an epoch, of the room and of
	// what is kept. Long replays are costly, and so are rare.
	around := []uint64{end, end, l.head, l.oldest, max(l.oldest, l.head-min(l.head, 200)), max(l.oldest, l.head-min(l.head, 1000))}
	after := around[w.r.IntN(len(around))] + uint64(w.r.IntN(5))
	after -= min(after, 2)
	switch w.r.IntN(12) {
	case 0:
		after = 0
	case 1:
		after = 1 << 53
	case 2:
		after = uint64(w.r.Int64N(int64(l.head) + 10))
	}
	a.after = &after
	return a
}

// request enters a quiet room, over the query or with a command, and returns the
// answer and the messages that followed. It returns an error unless all of it is
// what the model expects.
func (w *world) request(l *ledger, a ask, byCommand bool) (*link, frame, []frame, error) {
	w.probes++
	query := a.query(l.name)
	if byCommand {
		query = "room=idle"
	}
	link, err := w.s.connect(w.reads["bob"], query)
	if err != nil {
		return nil, frame{}, nil, fmt.Errorf("room %s, asked %v: %w", l.name, a, err)
	}
	if byCommand {
		link.Send(a.command(l.name))
	}
	want := l.expect(a)
	got, replayed, err := receive(link, l, want)
	if err != nil {
		link.cut()
		return nil, got, nil, fmt.Errorf("room %s (%s, epoch %s, %d to %d, ended %v), asked %v: answered %v: %w", l.name, l.class, l.epoch, l.oldest, l.head, l.ended, a, got, err)
	}
	return link, got, replayed, nil
}

// nextOf returns the next frame about the room.
func nextOf(link *link, room string) (frame, error) {
	for {
		f, err := link.until("subscribed", "message", "gap", "unsubscribed", "error")
		if err != nil || f.Room == room || f.Type == "error" {
			return f, err
		}
	}
}

func receive(link *link, l *ledger, want answer) (got frame, replayed []frame, err error) {
	if got, err = nextOf(link, l.name); err != nil {
		return got, nil, err
	}
	if want.lost != nil && got.Recovered != nil && !*got.Recovered {
		want = *want.lost
	}
	switch {
	case got.Type != "subscribed" || got.Epoch != l.epoch || got.Seq != l.head:
		return got, nil, fmt.Errorf("want subscribed, epoch %s, seq %d", l.epoch, l.head)
	case !equal(got.Recovered, want.recovered):
		return got, nil, fmt.Errorf("want recovered %s", show(want.recovered))
	case !equal(got.Replay, want.replay):
		return got, nil, fmt.Errorf("want replay %s", show(want.replay))
	case want.from != nil && got.From != *want.from || want.from == nil && got.From != 0:
		return got, nil, fmt.Errorf("want from %s", show(want.from))
	}
	for seq := want.next; seq <= want.last; seq++ {
		f, err := nextOf(link, l.name)
		if err != nil {
			return got, nil, fmt.Errorf("of %d to %d, %d has to come: %w", want.next, want.last, seq, err)
		}
		e, ok := l.at(seq)
		if f.Type != "message" || f.Seq != seq || !ok || f.content() != e.content || f.TS != e.ts || f.User != e.user || f.ID != e.id {
			return got, nil, fmt.Errorf("of %d to %d, %d has to come (%.80s), and comes %v", want.next, want.last, seq, e.content, f)
		}
		replayed = append(replayed, f)
	}
	return got, replayed, nil
}

func equal[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

func show[T any](p *T) string {
	if p == nil {
		return "left out"
	}
	return fmt.Sprint(*p)
}

// mark publishes one message, which is the next of the room.
func (w *world) mark(l *ledger) error {
	id := fmt.Sprintf("mark-%d-%d", w.run, w.looks)
	m := &post{room: l.name, user: "ada", id: id, content: fmt.Sprintf(`|{"mark":"%s %s"}`, l.name, id)}
	l.send(m)
	a, err := w.s.try("POST", "/rooms/"+l.name+"/messages", w.reads["ada"], fmt.Sprintf(`{"id":%q,"data":%s}`, id, m.content[1:]))
	var f frame
	if err == nil {
		err = decode(a.Body, &f)
	}
	if err != nil || f.Seq != l.head+1 {
		return fmt.Errorf("room %s stands at %d: publishing gives %d %v (%v)", l.name, l.head, a.Status, f, err)
	}
	return l.see(l.epoch, f.Seq, entry{content: m.content, user: m.user, id: m.id, ts: f.TS, firm: l.stored()})
}

// marked waits for the message that mark has published.
func (w *world) marked(g guest) error {
	l := w.rooms[g.room]
	g.link.Patience = process.Patience
	f, err := nextOf(g.link, g.room)
	if err != nil || f.Type != "message" || f.Seq != l.head+1 {
		return fmt.Errorf("room %s: %d has to come next: %v (%v)", l.name, l.head+1, f, err)
	}
	if g.who != nil {
		return g.who.advance(f)
	}
	return nil
}
