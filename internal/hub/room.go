package hub

import (
	"sync"
	"sync/atomic"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// maxPendingBytes is how far publishers may run ahead of a room's flusher
// before they wait. The flusher itself never waits for a socket.
const maxPendingBytes = 1 << 20

// room is a live room: it has subscribers, or someone is publishing to it.
type room struct {
	// Fixed after construction.
	hub     *Hub
	id      gateway.RoomID
	history History

	// settings is replaced as a whole; its class never changes from or to
	// memory, for which a room begins anew.
	settings atomic.Pointer[gateway.RoomSettings]

	// Guarded by Hub.mu.
	refs int

	// Guarded by mu.
	mu     sync.Mutex
	loaded bool
	// gone is true when the room begins anew under the same id, or is about
	// to: nobody enters this one, and nothing is published in it any more.
	gone bool
	// past are the epochs before, once someone asked for them.
	past      []gateway.PastEpoch
	pastKnown bool
	// head.Seq is the newest seq that was given; announced is the newest
	// that subscribers were sent, which lags behind it in fsynced rooms.
	head      gateway.RoomHead
	announced gateway.Seq
	// epoch is head.Epoch as clients know it. Neither changes: with a new
	// epoch the room begins anew.
	epoch gateway.Epoch
	subs  []*subscription
	raws  int
	// shared is true while a batch may refer to subs' array: then removing
	// copies it. Appending never hurts, since a batch keeps its own length.
	shared       bool
	pending      []*batch
	pendingBytes int
	// sealed is true when the next message begins a batch.
	sealed    bool
	room      sync.Cond // signalled when pendingBytes falls
	flusher   bool
	published int // since the last sweep
	crowd     crowd
}

func newRoom(h *Hub, id gateway.RoomID, settings gateway.RoomSettings, history History) *room {
	r := &room{hub: h, id: id, history: history}
	r.settings.Store(&settings)
	r.room.L = &r.mu
	return r
}

// load reads the head once, without holding the hub's lock.
func (r *room) load() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.loaded {
		return nil
	}
	head, err := r.history.Head(r.id)
	if err != nil {
		return err
	}
	r.head, r.announced, r.loaded = head, head.Seq, true
	r.epoch = shownEpoch(r.id, head.Epoch)
	return nil
}

// subscription is one session's place in one room.
type subscription struct {
	session *Session
	room    *room
	index   int  // in room.subs; guarded by room.mu
	active  bool // guarded by session.mu
	// seq is the newest that the session was given, or that it was told of
	// when it joined; since is where that began: above since, and up to seq,
	// this connection has had everything. Both are guarded by session.mu.
	seq, since gateway.Seq
	// replay is not nil while a replay brings what the session missed, and
	// the live stream is still behind it; guarded by session.mu.
	replay *replay
}

func (r *room) addLocked(sub *subscription) {
	sub.index = len(r.subs)
	r.subs = append(r.subs, sub)
	if sub.session.raw {
		r.raws++
	}
}

func (r *room) remove(sub *subscription) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shared {
		r.subs = append(make([]*subscription, 0, len(r.subs)), r.subs...)
		r.shared = false
	}
	last := len(r.subs) - 1
	r.subs[sub.index] = r.subs[last]
	r.subs[sub.index].index = sub.index
	r.subs[last] = nil
	r.subs = r.subs[:last]
	if sub.session.raw {
		r.raws--
	}
}

// announceLocked puts the message behind what waits to be written, and starts a
// flusher if none is running. The flusher is a goroutine of its own, never the
// reader's: while it writes, the next messages gather, and that is what makes
// batches without a timer.
func (r *room) announceLocked(m *gateway.Message) {
	r.announced = m.Seq
	if len(r.subs) == 0 {
		return
	}
	b := r.batchLocked(m.Seq)
	before := b.size()
	if r.raws < len(b.to) {
		b.lastJSON = len(b.json)
		b.json = wire.AppendMessage(b.json, r.id, m)
	}
	if r.raws > 0 {
		b.lastRaw = len(b.raw)
		b.raw = wire.AppendRawMessage(b.raw, m)
	}
	b.last = m.Seq
	r.pendingBytes += b.size() - before
	r.startFlusherLocked()
}

func (r *room) startFlusherLocked() {
	if !r.flusher {
		r.flusher = true
		r.hub.flushing.Add(1)
		r.hub.flushers.Add(1)
		go r.flushLoop()
	}
}

// batchLocked returns the batch that the next message belongs to. A batch has
// the subscribers of its beginning, so that one who came later is not sent what
// was announced before, and one who left costs nothing.
func (r *room) batchLocked(seq gateway.Seq) *batch {
	if n := len(r.pending); n > 0 && !r.sealed {
		b := r.pending[n-1]
		if len(b.ephemerals) == 0 && b.size() < maxBatchBytes && r.isForAllLocked(b) {
			return b
		}
	}
	b := r.hub.newBatch(seq, r.subs)
	r.shared, r.sealed = true, false
	r.pending = append(r.pending, b)
	return b
}

// isForAllLocked reports whether the batch is for those who are in the room now.
func (r *room) isForAllLocked(b *batch) bool {
	return len(b.to) == len(r.subs) && &b.to[0] == &r.subs[0]
}

func (r *room) flushLoop() {
	defer r.hub.flushing.Done()
	defer r.hub.flushers.Add(-1)
	for {
		r.mu.Lock()
		if len(r.pending) == 0 {
			r.flusher, r.shared, r.pending = false, false, nil
			r.mu.Unlock()
			return
		}
		b := r.pending[0]
		r.pending = r.pending[1:]
		wasFull := r.pendingBytes >= maxPendingBytes
		r.pendingBytes -= b.size()
		if wasFull {
			r.room.Broadcast()
		}
		r.mu.Unlock()

		delivered := 0
		for _, sub := range b.to {
			delivered += sub.session.deliver(sub, b)
		}
		r.hub.opts.Metrics.Delivered.Add(int64(delivered))
		if b.refs.Load() > 1 {
			b.countWaiting(&r.hub.waiting)
		}
		b.release()
	}
}

// waitLocked holds a publisher back while the room's flusher is too far behind.
func (r *room) waitLocked() {
	for r.pendingBytes >= maxPendingBytes {
		r.room.Wait()
	}
}
