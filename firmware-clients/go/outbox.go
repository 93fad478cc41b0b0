package client

import (
	"errors"
	"fmt"
	"time"
)

// window is how many publications of a room may be sent and not acknowledged: as
// many newest ids as a gateway knows again after any time (PROTOCOL section 4).
const window = 64

// Errors of publications.
var (
	// ErrUnconfirmed says that a publication was given up before its ack: it
	// may be stored, or not.
	ErrUnconfirmed = errors.New("client: given up before the ack; the message may be stored or not")
	// ErrTooLarge says that a message is longer than the gateway takes. It
	// was not stored.
	ErrTooLarge = errors.New("client: the message is longer than the gateway takes (max_message_bytes)")
	// ErrDuplicateID says that a publication of the same ID waits for its ack.
	ErrDuplicateID = errors.New("client: a publication of this id is under way")
	// ErrStopped says that the client runs no more.
	ErrStopped = errors.New("client: it has stopped")
)

// Receipt is the gateway's word that a message is stored.
type Receipt struct {
	Room, ID string
	// Seq is the message's number in its room.
	Seq uint64
	TS  time.Time
	// Durability is memory, queued or fsynced: for the latter two the message
	// is on the gateway's disk.
	Durability string
}

// Publication is a message on its way.
type Publication struct {
	room, id string
	frame    []byte
	order    uint64 // among those of its room
	done     chan struct{}

	// Guarded by the client's lock.
	stop      func() bool // stops watching the context; nil before it is watched
	sent      bool        // on the connection of now
	notBefore time.Time   // the gateway asked to wait

	// Written before done is closed.
	receipt Receipt
	err     error
}

// ID is the publication's id.
func (p *Publication) ID() string { return p.id }

// Done is closed when Wait will not wait.
func (p *Publication) Done() <-chan struct{} { return p.done }

// Wait returns the receipt when the gateway has acknowledged the message. The
// error is an *Error when the gateway refused it, ErrTooLarge, or ErrUnconfirmed
// together with the reason for which it was given up: that its context ended, or
// that the client stopped.
func (p *Publication) Wait() (Receipt, error) {
	<-p.done
	return p.receipt, p.err
}

// outbox holds what is published and not acknowledged, in order. It is guarded
// by the client's lock, but for slots.
type outbox struct {
	slots chan struct{} // one in it for each publication
	list  []*Publication
	byID  map[string]*Publication
	// orders is the number of the next publication of each room that has one.
	orders map[string]uint64
}

func newOutbox(size int) *outbox {
	return &outbox{slots: make(chan struct{}, size), byID: map[string]*Publication{}, orders: map[string]uint64{}}
}

// add puts a publication behind the others. Its slot is taken already.
func (o *outbox) add(p *Publication) error {
	if o.byID[p.id] != nil {
		return fmt.Errorf("%w: %s", ErrDuplicateID, p.id)
	}
	p.order = o.orders[p.room]
	o.orders[p.room]++
	o.byID[p.id] = p
	o.list = append(o.list, p)
	return nil
}

// settle takes a publication out and tells its publisher how it went. One that
// is out already stays as it was.
func (o *outbox) settle(p *Publication, receipt Receipt, err error) {
	if o.byID[p.id] != p {
		return
	}
	delete(o.byID, p.id)
	rest := false
	kept := o.list[:0]
	for _, q := range o.list {
		if q != p {
			kept = append(kept, q)
			rest = rest || q.room == p.room
		}
	}
	clear(o.list[len(kept):])
	o.list = kept
	if !rest {
		delete(o.orders, p.room)
	}
	if p.stop != nil {
		p.stop()
	}
	p.receipt, p.err = receipt, err
	close(p.done)
	<-o.slots
}

// next returns the first publication that may be sent now, or nil and how long
// it is until one may, 0 if only an ack can bring that.
func (o *outbox) next(now time.Time) (p *Publication, wait time.Duration) {
	oldest := make(map[string]uint64, len(o.orders))
	for _, p := range o.list {
		first, known := oldest[p.room]
		if !known {
			oldest[p.room], first = p.order, p.order
		}
		left := p.notBefore.Sub(now)
		switch {
		case p.sent || p.order-first >= window:
		case left > 0 && (wait == 0 || left < wait):
			wait = left
		case left <= 0:
			return p, 0
		}
	}
	return nil, wait
}

// again has everything sent again that is not acknowledged.
func (o *outbox) again() {
	for _, p := range o.list {
		p.sent = false
	}
}

// longest returns the longest publication that was sent, or nil.
func (o *outbox) longest() (longest *Publication) {
	for _, p := range o.list {
		if p.sent && (longest == nil || len(p.frame) > len(longest.frame)) {
			longest = p
		}
	}
	return longest
}
