package realtime_test

import (
	"fmt"
	"sync"
)

// post is a message that somebody has tried to publish. Its content tells it
// from all others.
type post struct {
	room, user, id, content string
	// refused is set when the gateway has said that it is not stored.
	refused bool
	// tries is how often it was sent.
	tries int
}

// entry is a message as the gateway shows it.
type entry struct {
	content, user, id string
	ts                int64
	// firm is set when no kill may take the message back.
	firm bool
}

// ending is an epoch that is over, and the last seq that it holds for good.
type ending struct {
	epoch string
	end   uint64
}

// surelyRemembered is how many ended epochs a room has to remember. The protocol
// says "the last"; with less than these a week of bad power would be too much.
const surelyRemembered = 10

// ledger is the reference model of one room: what its clients have sent, what
// they were shown, and what follows from that.
type ledger struct {
	name, class string
	most        uint64 // messages kept

	mu    sync.Mutex
	epoch string
	// head and oldest are the room's, at the last quiet look.
	head, oldest uint64
	ended        []ending // oldest first
	epochs       map[string]bool
	// line is what the room holds, as far as anybody was shown it, and top
	// its newest.
	line  map[uint64]*entry
	top   uint64
	place map[string]uint64 // where in the line a content is
	posts map[string]*post  // by content
	// sends counts what was sent since the last quiet look.
	sends uint64
}

func newLedger(name, class string, most uint64) *ledger {
	return &ledger{
		name: name, class: class, most: most, epochs: make(map[string]bool),
		line: make(map[uint64]*entry), place: make(map[string]uint64), posts: make(map[string]*post),
	}
}

func (l *ledger) stored() bool { return l.class != "memory" }

// send notes that a message is on its way, for the first time or again.
func (l *ledger) send(p *post) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.tries++
	l.posts[p.content] = p
	l.sends++
}

// refuse notes that the gateway has refused a message. One that was sent before
// may be there nevertheless.
func (l *ledger) refuse(p *post) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.refused = p.tries == 1
}

// see notes a message that the gateway has shown to somebody, or acknowledged:
// firm means that it is on disk.
func (l *ledger) see(epoch string, seq uint64, e entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if epoch != l.epoch {
		return fmt.Errorf("room %s is in epoch %s, but seq %d came in %s", l.name, l.epoch, seq, epoch)
	}
	return l.seeLocked(seq, e)
}

func (l *ledger) seeLocked(seq uint64, e entry) error {
	p := l.posts[e.content]
	switch old := l.line[seq]; {
	case p == nil:
		return fmt.Errorf("room %s: nobody has sent seq %d, %.80s", l.name, seq, e.content)
	case p.user != e.user || p.id != e.id:
		return fmt.Errorf("room %s: seq %d was sent by %s with id %q, and comes from %s with %q", l.name, seq, p.user, p.id, e.user, e.id)
	case p.refused:
		return fmt.Errorf("room %s: seq %d was refused: %.80s", l.name, seq, e.content)
	case old != nil && (old.content != e.content || old.ts != e.ts):
		return fmt.Errorf("room %s: seq %d was given twice: %d %.80s, and now %d %.80s", l.name, seq, old.ts, old.content, e.ts, e.content)
	case old != nil:
		old.firm = old.firm || e.firm
		return nil
	case l.place[e.content] != 0:
		return fmt.Errorf("room %s: %.80s is stored twice, as %d and %d", l.name, e.content, l.place[e.content], seq)
	}
	e.firm = e.firm || l.class == "fsynced"
	l.line[seq] = &e
	l.place[e.content] = seq
	l.top = max(l.top, seq)
	return nil
}

// begin takes in where the room stands after a start. It returns an error when
// that contradicts what was seen before the end of the last run, which was a
// clean one or not.
func (l *ledger) begin(epoch string, head uint64, clean bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := l.epoch == ""
	switch {
	case first:
	case !l.stored():
		l.wipeLocked()
		if head != 0 {
			return fmt.Errorf("room %s of class memory begins at seq %d", l.name, head)
		}
	case clean && epoch != l.epoch:
		return fmt.Errorf("room %s: a clean restart has begun the epoch %s after %s", l.name, epoch, l.epoch)
	case !clean && epoch == l.epoch:
		return fmt.Errorf("room %s: the epoch %s goes on after a kill", l.name, epoch)
	}
	if epoch != l.epoch && l.epochs[epoch] {
		return fmt.Errorf("room %s: the epoch %s was there before", l.name, epoch)
	}
	if !first && epoch != l.epoch && l.stored() {
		l.ended = append(l.ended, ending{l.epoch, head})
	}
	l.epoch, l.epochs[epoch] = epoch, true
	if l.stored() {
		if err := l.cutLocked(head, clean); err != nil {
			return err
		}
	}
	if head > l.head+l.sends {
		return fmt.Errorf("room %s: seq %d after %d, though only %d messages were sent", l.name, head, l.head, l.sends)
	}
	l.head, l.top = head, head
	return nil
}

// cutLocked takes out what the end of the run has taken back.
func (l *ledger) cutLocked(head uint64, clean bool) error {
	if head < l.head {
		return fmt.Errorf("room %s: the newest message was %d, and is %d", l.name, l.head, head)
	}
	for seq, e := range l.line {
		switch {
		case seq <= head:
		case e.firm || clean:
			return fmt.Errorf("room %s: seq %d is gone, up to %d are there: %.80s (acknowledged, or seen in a fsynced room: %v; clean stop: %v)",
				l.name, seq, head, e.content, e.firm, clean)
		default:
			delete(l.line, seq)
			delete(l.place, e.content)
		}
	}
	return nil
}

func (l *ledger) wipeLocked() {
	l.line, l.place = make(map[uint64]*entry), make(map[string]uint64)
	l.head, l.top = 0, 0
}

// hold takes in what the history has from a seq on, all of it up to the newest.
func (l *ledger) hold(from uint64, history []frame) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	next, ts := from, int64(0)
	for _, f := range history {
		if f.Seq != next || f.TS < ts {
			return fmt.Errorf("room %s: the history goes on with seq %d at %d, after %d at %d", l.name, f.Seq, f.TS, next-1, ts)
		}
		next, ts = next+1, f.TS
		if err := l.seeLocked(f.Seq, entry{content: f.content(), user: f.User, id: f.ID, ts: f.TS, firm: l.stored()}); err != nil {
			return fmt.Errorf("history of %w", err)
		}
	}
	if next != l.head+1 {
		return fmt.Errorf("room %s: the history ends at %d, the room at %d", l.name, next-1, l.head)
	}
	return nil
}

// keeps takes in the oldest seq that the room still has. Retention may have taken
// what is further back than the room keeps messages, counted from the newest that
// was ever given: sends says how many more than is known that may have been.
func (l *ledger) keeps(oldest uint64, newestBefore uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	given := max(l.head, newestBefore+l.sends)
	if l.head+1-oldest > l.most || oldest > l.head+1 || oldest < l.oldest && l.stored() {
		return fmt.Errorf("room %s keeps %d to %d of at most %d; before it was from %d", l.name, oldest, l.head, l.most, l.oldest)
	}
	if may := max(given, l.most) - l.most + 1; oldest > may {
		return fmt.Errorf("room %s keeps %d messages; what is from %d on must be there, but it begins at %d", l.name, l.most, may, oldest)
	}
	l.oldest, l.sends = oldest, 0
	return nil
}

// answer is what has to come when somebody enters a quiet room.
type answer struct {
	recovered *bool
	replay    *uint64
	from      *uint64
	// next and last are the messages that follow at once; last is before next
	// when there are none.
	next, last uint64
	// lost is what may come as well, for an epoch that may be forgotten.
	lost *answer
}

// freshLocked is what comes to somebody who has nothing to go on from.
func (l *ledger) freshLocked(latest bool) answer {
	if latest && l.oldest <= l.head {
		return answer{next: l.head, last: l.head}
	}
	return answer{next: l.head + 1, last: l.head}
}

// expect applies the rule of the protocol, section 4, in its plainest words.
func (l *ledger) expect(a ask) answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.freshLocked(a.latest)
	if a.after != nil {
		after, oldest := *a.after, l.oldest
		w.from = &oldest
		good := a.epoch == ""
		if !good {
			end, known, sure := l.endLocked(a.epoch)
			good = known && after <= end && after+1 >= l.oldest
			no := false
			w.recovered = &no
			if good && !sure {
				lost := w
				w.lost = &lost
			}
		}
		if good {
			if yes := true; w.recovered != nil {
				w.recovered = &yes
			}
			start := min(max(after, l.oldest-1), l.head)
			replay := l.head - start
			w.replay, w.next = &replay, start+1
		}
	}
	return w
}

// endLocked tells up to where a client may have followed an epoch without having
// anything that was taken back.
func (l *ledger) endLocked(epoch string) (end uint64, known, sure bool) {
	if epoch == l.epoch {
		return l.head, true, true
	}
	if !l.stored() {
		return 0, false, true
	}
	for i, e := range l.ended {
		if e.epoch == epoch {
			return e.end, true, i >= len(l.ended)-surelyRemembered
		}
	}
	return 0, false, true
}

// at is what the room holds as seq, as far as is known.
func (l *ledger) at(seq uint64) (entry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.line[seq]; e != nil {
		return *e, true
	}
	return entry{}, false
}

// where is the seq of a content that somebody was shown, or 0.
func (l *ledger) where(content string) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.place[content]
}

// goOn takes in where the room stands when it is quiet again, without a restart.
func (l *ledger) goOn(epoch string, head uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if epoch != l.epoch || head < l.top || head > l.head+l.sends {
		return fmt.Errorf("room %s stands at %d in epoch %s; up to %d were seen in epoch %s, and %d sent after %d",
			l.name, head, epoch, l.top, l.epoch, l.sends, l.head)
	}
	l.head, l.top = head, head
	return nil
}

// mayPurge reports whether retention may have taken a seq by now.
func (l *ledger) mayPurge(seq uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return seq+l.most <= l.head+l.sends
}

// wasSent reports whether somebody has sent the content.
func (l *ledger) wasSent(content string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.posts[content] != nil
}
