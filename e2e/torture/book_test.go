package torture_test

import (
	"fmt"
	"sync"
)

// post is a message that the test has sent, over and over until it was answered.
type post struct {
	room, id, content string
	tries             int
	refused           bool
}

// book is what is known of one room's messages.
type book struct {
	room, class string

	mu    sync.Mutex
	epoch string
	posts map[string]*post // by content
	// firm is what no fault may take back, by seq; place is where a content is.
	firm  map[uint64]string
	place map[string]uint64
	ts    map[uint64]int64
	// acks were heard, and compared of them looked for in the history.
	acks, compared int
}

func newBook(room, class string) *book {
	return &book{room: room, class: class, posts: make(map[string]*post), firm: make(map[uint64]string),
		place: make(map[string]uint64), ts: make(map[uint64]int64)}
}

func (b *book) stored() bool { return b.class != "memory" }

func (b *book) send(p *post) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p.tries++
	p.refused = false
	b.posts[p.content] = p
}

// refuse notes that a message is not stored, if it was sent only once.
func (b *book) refuse(p *post) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p.refused = p.tries == 1
}

// keep notes what may not be lost any more.
func (b *book) keep(seq uint64, ts int64, content string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.stored() {
		return nil
	}
	return b.keepLocked(seq, ts, content)
}

// ack is keep for what was acknowledged. In a room of class memory that is no
// promise, and not counted.
func (b *book) ack(seq uint64, ts int64, content string) error {
	b.mu.Lock()
	if b.stored() {
		b.acks++
	}
	b.mu.Unlock()
	return b.keep(seq, ts, content)
}

func (b *book) keepLocked(seq uint64, ts int64, content string) error {
	p := b.posts[content]
	switch {
	case p == nil:
		return fmt.Errorf("%s: nobody has sent seq %d, %.60s", b.room, seq, content)
	case p.refused:
		return fmt.Errorf("%s: seq %d was refused: %.60s", b.room, seq, content)
	}
	if old, ok := b.firm[seq]; ok && old != content {
		return fmt.Errorf("%s: seq %d was %.60s, and is %.60s", b.room, seq, old, content)
	}
	if at, ok := b.place[content]; ok && at != seq {
		return fmt.Errorf("%s: %.60s is there twice, as %d and %d", b.room, content, at, seq)
	}
	if was, ok := b.ts[seq]; ok && was != ts {
		return fmt.Errorf("%s: seq %d was of %d, and is of %d", b.room, seq, was, ts)
	}
	b.firm[seq], b.place[content], b.ts[seq] = content, seq, ts
	return nil
}

// message is one of the history.
type message struct {
	Seq  uint64
	TS   int64
	ID   string
	Data string
}

// compare holds the whole history against the book, and returns how many
// acknowledged messages are lost.
func (b *book) compare(epoch string, clean bool, history []message) (lost int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.epoch != "" && (b.epoch == epoch) != clean {
		return 0, fmt.Errorf("%s: the epoch was %s and is %s; clean stop: %v", b.room, b.epoch, epoch, clean)
	}
	b.epoch = epoch
	have, ts := make(map[uint64]string, len(history)), int64(0)
	for i, m := range history {
		if m.Seq != uint64(i+1) || m.TS < ts {
			return 0, fmt.Errorf("%s: in place %d is seq %d of %d, after %d", b.room, i+1, m.Seq, m.TS, ts)
		}
		if p := b.posts[m.Data]; p != nil && p.id != m.ID {
			return 0, fmt.Errorf("%s: seq %d has the id %q, it was sent with %q", b.room, m.Seq, m.ID, p.id)
		}
		have[m.Seq], ts = m.Data, m.TS
	}
	b.compared = b.acks
	for seq, content := range b.firm {
		if have[seq] != content {
			lost++
			err = fmt.Errorf("%s: seq %d was acknowledged as %.60s, and is %.60q; %d messages are there", b.room, seq, content, have[seq], len(history))
		}
	}
	if lost > 0 {
		return lost, err
	}
	for _, m := range history { // what is there now has to stay
		if err := b.keepLocked(m.Seq, m.TS, m.Data); err != nil {
			return 0, err
		}
	}
	return 0, nil
}
