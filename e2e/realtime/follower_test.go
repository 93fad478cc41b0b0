package realtime_test

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// position is what a client keeps of a room between its connections.
type position struct {
	epoch string
	at    uint64
	// has is what the client has had since it was last told that something
	// may be missing: everything above since.
	has   map[uint64]string
	since uint64
}

// follower is a client that follows some rooms, goes away and comes back.
type follower struct {
	w     *world
	name  string
	token string
	rooms []string // the first is the default room
	r     *rand.Rand
	of    map[string]*position

	returns, recovered, lost, messages int
}

// ask is what the follower asks for when it comes back to a room.
func (f *follower) ask(room string) ask {
	p := f.of[room]
	if p == nil {
		return ask{}
	}
	return from(p.at, p.epoch)
}

// enter connects to all rooms. Their answers come among the messages.
func (f *follower) enter() (*link, error) {
	l, err := f.w.s.connect(f.token, f.ask(f.rooms[0]).query(f.rooms[0]))
	if err != nil {
		return nil, err
	}
	for _, room := range f.rooms[1:] {
		l.Send(f.ask(room).command(room))
	}
	return l, nil
}

// visit is one connection while the rooms are written: for as long as given it
// reads, and every frame has to be what follows from the one before.
func (f *follower) visit(d time.Duration) {
	l, err := f.enter()
	if err != nil {
		f.w.ended(err)
		return
	}
	f.returns++
	timer := time.AfterFunc(d, l.reset)
	if f.r.IntN(2) == 0 {
		timer.Stop()
		timer = time.AfterFunc(d, l.cut)
	}
	defer timer.Stop()
	defer l.cut()
	entered := make(map[string]bool)
	for {
		got, err := l.next()
		if err != nil {
			if !isEnd(err) {
				f.w.fail("%s: %v", f.name, err)
			}
			return
		}
		if err := f.take(got, entered); err != nil {
			f.w.fail("%s: %v", f.name, err)
			return
		}
	}
}

func (f *follower) take(got frame, entered map[string]bool) error {
	switch got.Type {
	case "subscribed":
		entered[got.Room] = true
		return f.enters(got)
	case "message", "gap":
		if !entered[got.Room] {
			return fmt.Errorf("a message of a room before its subscribed: %v", got)
		}
		return f.advance(got)
	case "error":
		return fmt.Errorf("%v", got)
	}
	return nil
}

// enters compares the answer with what the client has: while others write it is
// not known beforehand, but it has to agree with itself.
func (f *follower) enters(got frame) error {
	p, l := f.of[got.Room], f.w.rooms[got.Room]
	if got.Epoch != l.epoch {
		return fmt.Errorf("room %s is in epoch %s: %v", l.name, l.epoch, got)
	}
	if p == nil {
		f.of[got.Room] = &position{epoch: got.Epoch, at: got.Seq, since: got.Seq, has: make(map[uint64]string)}
		if got.Recovered != nil || got.Replay != nil {
			return fmt.Errorf("who asks for nothing is answered %v", got)
		}
		return nil
	}
	if got.Recovered == nil || got.From == 0 || got.From > got.Seq+1 {
		return fmt.Errorf("a return to %d in epoch %s is answered %v", p.at, p.epoch, got)
	}
	// The epochs before this run's are looked at while the rooms are quiet.
	if same := p.epoch == got.Epoch; same && (got.Seq < p.at || *got.Recovered != (p.at+1 >= got.From)) {
		return fmt.Errorf("a return to %d in the same epoch is answered %v", p.at, got)
	}
	return f.continueFrom(p, got)
}

// continueFrom sets the position to what the answer says.
func (f *follower) continueFrom(p *position, got frame) error {
	if !*got.Recovered {
		f.lost++
		if got.Replay != nil {
			return fmt.Errorf("a replay without recovery: %v", got)
		}
		*p = position{epoch: got.Epoch, at: got.Seq, since: got.Seq, has: make(map[uint64]string)}
		return nil
	}
	f.recovered++
	if got.Replay == nil || *got.Replay != got.Seq-p.at {
		return fmt.Errorf("a recovery from %d is answered %v", p.at, got)
	}
	p.epoch = got.Epoch
	return nil
}

// advance takes the next message, or a gap for ones that retention has taken
// while they were on their way.
func (f *follower) advance(got frame) error {
	p, l := f.of[got.Room], f.w.rooms[got.Room]
	if got.Type == "gap" {
		if got.From != p.at+1 || got.To < got.From || got.Reason != "purged" || !l.mayPurge(got.To) {
			return fmt.Errorf("behind %d of a room that keeps %d: %v", p.at, l.most, got)
		}
		p.at, p.since = got.To, got.To
		clear(p.has)
		return nil
	}
	if got.Seq != p.at+1 {
		return fmt.Errorf("behind %d: %v", p.at, got)
	}
	p.at++
	p.has[got.Seq] = got.content()
	f.messages++
	return l.see(p.epoch, got.Seq, entry{content: got.content(), user: got.User, id: got.ID, ts: got.TS})
}

// follow visits until the phase is over.
func (f *follower) follow() {
	for !f.w.over() {
		f.visit(time.Duration(10+f.r.IntN(500)) * time.Millisecond)
		time.Sleep(time.Duration(f.r.IntN(60)) * time.Millisecond)
	}
}

// check compares what the client has, and was not told to doubt, with the room.
func (f *follower) check(room string) error {
	p, l := f.of[room], f.w.rooms[room]
	for seq := p.since + 1; seq <= p.at; seq++ {
		content, ok := p.has[seq]
		if !ok {
			return fmt.Errorf("%s was told that it has all of room %s above %d, but has never had %d", f.name, room, p.since, seq)
		}
		if e, ok := l.at(seq); !ok || e.content != content {
			return fmt.Errorf("%s was told that nothing of room %s is missing, but seq %d is not what it has: %.80s, and here %.80s", f.name, room, seq, e.content, content)
		}
	}
	return nil
}
