package client

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"
)

func pub(o *outbox, room, id string) *Publication {
	p := &Publication{room: room, id: id, done: make(chan struct{})}
	o.slots <- struct{}{}
	if err := o.add(p); err != nil {
		panic(err)
	}
	return p
}

// drain sends all that may be sent.
func drain(o *outbox) (ids []string) {
	for {
		p, _ := o.next(time.Time{})
		if p == nil {
			return ids
		}
		p.sent = true
		ids = append(ids, p.id)
	}
}

// TestWindow holds each room to as many unacknowledged ids as a gateway knows
// again after any time, counted from the oldest of them.
func TestWindow(t *testing.T) {
	o := newOutbox(1000)
	var a []*Publication
	for i := range 100 {
		a = append(a, pub(o, "a", "a"+strconv.Itoa(i)))
	}
	pub(o, "b", "b0")
	if sent := drain(o); len(sent) != window+1 || sent[window] != "b0" {
		t.Fatalf("%d were sent at first, last %s", len(sent), sent[len(sent)-1])
	}
	o.settle(a[1], Receipt{}, nil)
	if sent := drain(o); len(sent) != 0 {
		t.Errorf("%v was sent while the oldest waits", sent)
	}
	o.settle(a[0], Receipt{}, nil)
	if sent := drain(o); len(sent) != 2 || sent[0] != "a64" || sent[1] != "a65" {
		t.Errorf("%v was sent then", sent)
	}
	o.again()
	if sent := drain(o); len(sent) != window+1 || sent[0] != "a2" || sent[63] != "a65" {
		t.Errorf("%d were sent again, first %s", len(sent), sent[0])
	}
}

func TestOutbox(t *testing.T) {
	o := newOutbox(3)
	p := pub(o, "a", "1")
	if err := o.add(&Publication{room: "b", id: "1"}); !errors.Is(err, ErrDuplicateID) {
		t.Errorf("an id twice: %v", err)
	}
	p.sent = true
	q := pub(o, "a", "2")
	q.frame = make([]byte, 10)
	if o.longest() != p {
		t.Error("what was not sent cannot have been too long")
	}
	q.sent = true
	if o.longest() != q {
		t.Error("the longest is another one")
	}
	o.again()
	now := time.Unix(1000, 0)
	p.notBefore, q.notBefore = now.Add(2*time.Second), now.Add(time.Second)
	if next, wait := o.next(now); next != nil || wait != time.Second {
		t.Errorf("%v, %v", next, wait)
	}
	if next, _ := o.next(now.Add(time.Second)); next != q {
		t.Errorf("%v", next)
	}
	failed := errors.New("no")
	o.settle(q, Receipt{}, failed)
	o.settle(q, Receipt{Seq: 5}, nil)
	if r, err := q.Wait(); err != failed || r.Seq != 0 {
		t.Errorf("settled as %v, %v", r, err)
	}
	o.settle(p, Receipt{Seq: 7}, nil)
	if r, err := p.Wait(); err != nil || r.Seq != 7 || len(o.list)+len(o.byID)+len(o.orders)+len(o.slots) != 0 {
		t.Errorf("settled as %v, %v; left: %+v", r, err, o)
	}
}

// TestOutboxRandom acknowledges in any order and breaks at any time, and compares
// with the rules: in order of a room, each once a connection, the window kept.
func TestOutboxRandom(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		o := newOutbox(300)
		var all []*Publication
		for i := range 300 {
			all = append(all, pub(o, fmt.Sprint(i%2), strconv.Itoa(i)))
		}
		for len(o.list) > 0 {
			switch random.IntN(6) {
			case 0:
				if random.IntN(50) == 0 {
					o.again()
				}
			case 1:
				o.settle(o.list[random.IntN(min(len(o.list), 80))], Receipt{}, nil)
			default:
				p, _ := o.next(time.Time{})
				if p == nil {
					o.settle(o.list[0], Receipt{}, nil)
					continue
				}
				for _, q := range all {
					if q.room == p.room && q.order < p.order && o.byID[q.id] == q && (!q.sent || p.order-q.order >= window) {
						t.Fatalf("%d was sent before %d, or too far ahead of it", p.order, q.order)
					}
				}
				p.sent = true
			}
		}
	}
}
