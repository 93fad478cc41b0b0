package hub_test

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
)

var (
	errDown  = errors.New("the socket was shut down")
	errReset = errors.New("connection reset by peer")
)

// unlimited is the space of a socket whose peer reads as fast as it can.
const unlimited = 1 << 30

// socket is a hub.Socket in memory. Its peer makes space for bytes; without
// space nothing is taken. What WriteAll waits with is copied only when the space
// comes, so that bytes that change while they wait are seen.
type socket struct {
	t    testing.TB
	busy atomic.Bool // a write is under way
	down chan struct{}

	mu        sync.Mutex
	got       []byte
	space     int
	err       error
	gate      chan struct{} // WriteNow waits for it, if there is one
	changed   chan struct{} // closed and replaced when space or err change
	shutdowns int
	// closeSpace is what a socket without space takes of a close frame, for
	// looking at it.
	closeSpace int
	direct     int // calls of WriteNow
	queued     int // calls of WriteAll
}

func newSocket(t testing.TB) *socket {
	return &socket{t: t, space: unlimited, down: make(chan struct{}), changed: make(chan struct{})}
}

func (k *socket) enter() {
	if k.busy.Swap(true) {
		k.t.Error("two writes to one socket at once")
	}
}

func (k *socket) isDown() bool {
	select {
	case <-k.down:
		return true
	default:
		return false
	}
}

func (k *socket) takeLocked(p []byte) (int, error) {
	switch {
	case k.isDown():
		return 0, errDown
	case k.err != nil:
		return 0, k.err
	}
	if len(p) > 0 && p[0] == 0x88 && k.space == 0 {
		k.space, k.closeSpace = k.closeSpace, 0
	}
	n := min(len(p), k.space)
	k.got = append(k.got, p[:n]...)
	k.space -= n
	return n, nil
}

func (k *socket) WriteNow(p []byte) (int, error) {
	k.enter()
	defer k.busy.Store(false)
	k.mu.Lock()
	defer k.mu.Unlock()
	if gate := k.gate; gate != nil {
		k.mu.Unlock()
		<-gate
		k.mu.Lock()
	}
	k.direct++
	return k.takeLocked(p)
}

func (k *socket) WriteAll(bufs [][]byte, timeout time.Duration) error {
	k.enter()
	defer k.busy.Store(false)
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.queued++
	for _, p := range bufs {
		for len(p) > 0 {
			n, err := k.takeLocked(p)
			if err != nil {
				return err
			}
			if p = p[n:]; len(p) == 0 {
				break
			}
			changed := k.changed
			k.mu.Unlock()
			select {
			case <-changed:
				k.mu.Lock()
			case <-timer.C:
				k.mu.Lock()
				return os.ErrDeadlineExceeded
			}
		}
	}
	return nil
}

func (k *socket) Shutdown() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.shutdowns++; k.shutdowns == 1 {
		close(k.down)
		k.changeLocked()
	}
}

func (k *socket) changeLocked() {
	close(k.changed)
	k.changed = make(chan struct{})
}

// limit leaves space for n more bytes.
func (k *socket) limit(n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.space = n
	k.changeLocked()
}

// allow makes space for n more bytes.
func (k *socket) allow(n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.space += n
	k.changeLocked()
}

func (k *socket) fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err = err
	k.changeLocked()
}

// hold makes WriteNow wait until the returned function is called.
func (k *socket) hold() (release func()) {
	gate := make(chan struct{})
	k.mu.Lock()
	defer k.mu.Unlock()
	k.gate = gate
	return func() {
		k.mu.Lock()
		k.gate = nil
		k.mu.Unlock()
		close(gate)
	}
}

func (k *socket) bytes() []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]byte(nil), k.got...)
}

// history is a hub.History in memory that commits when it is told to, or by a
// goroutine of its own.
type history struct {
	flushes   atomic.Int64
	committed func([]*gateway.Record)

	commits sync.Mutex // one commit at a time
	mu      sync.Mutex
	rooms   map[gateway.RoomID][]*gateway.Record // from seq 1, purged ones too
	lives   map[gateway.RoomID]*life
	letter  string // that its epochs after the first begin with
	epochs  int    // how many there were
	paged   func() // Page calls it, if there is one
	waiting []*gateway.Record
	refuse  error         // what Append returns
	broken  error         // what Head returns
	gate    chan struct{} // Wait waits for it, if there is one
	asked   func()        // Head calls it, if there is one
	wake    chan struct{} // not nil while a committer runs
}

func newHistory(letter string) *history {
	return &history{
		rooms: make(map[gateway.RoomID][]*gateway.Record), lives: make(map[gateway.RoomID]*life),
		letter: letter, epochs: 1,
	}
}

func (h *history) headLocked(room gateway.RoomID) gateway.RoomHead {
	at := h.lifeLocked(room)
	head := gateway.RoomHead{Epoch: at.epoch, Oldest: at.purged + 1}
	if kept := h.rooms[room]; len(kept) > 0 {
		last := kept[len(kept)-1].Message
		head.Seq, head.TS = last.Seq, last.TS
	}
	return head
}

func (h *history) Head(room gateway.RoomID) (gateway.RoomHead, error) {
	h.mu.Lock()
	asked := h.asked
	h.mu.Unlock()
	if asked != nil {
		asked()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.headLocked(room), h.broken
}

func (h *history) Append(rec *gateway.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	head := h.headLocked(rec.Room)
	switch {
	case h.refuse != nil:
		return h.refuse
	case rec.Message.Seq != head.Seq+1 || rec.Message.TS < head.TS:
		return gateway.Wrap("history.Append", errors.New("does not follow the head"))
	}
	h.rooms[rec.Room] = append(h.rooms[rec.Room], rec)
	h.waiting = append(h.waiting, rec)
	if h.wake != nil {
		select {
		case h.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

func (h *history) Wait() error {
	h.mu.Lock()
	gate := h.gate
	h.mu.Unlock()
	if gate != nil {
		<-gate
	}
	return nil
}

func (h *history) Rooms() ([]gateway.RoomID, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var ids []gateway.RoomID
	for id := range h.rooms {
		ids = append(ids, id)
	}
	return ids, h.broken
}

// commit puts what waits on disk.
func (h *history) commit() {
	h.commits.Lock()
	defer h.commits.Unlock()
	h.mu.Lock()
	records, committed := h.waiting, h.committed
	h.waiting = nil
	for _, rec := range records {
		h.lifeLocked(rec.Room).committed = rec.Message.Seq
	}
	h.mu.Unlock()
	committed(records)
	for _, rec := range records {
		rec.Ticket = nil
	}
}

// commitAlways starts a committer, which ends when the returned function is
// called.
func (h *history) commitAlways() (stop func()) {
	wake, done := make(chan struct{}, 1), make(chan struct{})
	h.mu.Lock()
	h.wake = wake
	h.mu.Unlock()
	go func() {
		defer close(done)
		for range wake {
			h.commit()
		}
	}()
	return func() {
		h.mu.Lock()
		h.wake = nil
		h.mu.Unlock()
		close(wake)
		<-done
	}
}

func (h *history) set(change func(*history)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(h)
}

// records are what the room keeps; the slice is only ever appended to.
func (h *history) records(room gateway.RoomID) []*gateway.Record {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.rooms[room]
}

// figures are a hub's metrics.
type figures struct {
	received, delivered counter
	rates, subscribers  samples
	durations           samples

	mu      sync.Mutex
	dropped map[hub.DropReason]int
	closed  map[uint16]int
}

type counter struct{ n atomic.Int64 }

func (c *counter) Add(n int64) { c.n.Add(n) }

type samples struct {
	mu  sync.Mutex
	all []float64
}

func (s *samples) Observe(v float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, v)
}

func (s *samples) take() []float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.all
	s.all = nil
	return all
}

func (f *figures) metrics() hub.Metrics {
	f.dropped, f.closed = make(map[hub.DropReason]int), make(map[uint16]int)
	return hub.Metrics{
		Received: &f.received, Delivered: &f.delivered,
		Dropped: func(reason hub.DropReason, n int) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.dropped[reason] += n
		},
		Closed: func(code uint16) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.closed[code]++
		},
		RoomSubscribers: &f.subscribers, RoomMessageRate: &f.rates, PublishDuration: &f.durations,
	}
}

func (f *figures) lost(reason hub.DropReason) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dropped[reason]
}

func (f *figures) closes(code uint16) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed[code]
}

func (h *history) Flush() { h.flushes.Add(1) }
