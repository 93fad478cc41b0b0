// Package hub is the live half of the gateway: rooms, the sessions in them, and
// how a message travels from one to all. It decides who may do what in a room,
// gives each message its seq and timestamp, fans it out, and hands it to a
// history to keep.
//
// It knows neither sockets nor files: a session writes to a Socket and a room
// keeps its messages in a History, both given from outside. How frames look is
// wire's business.
//
// Locks are taken in this order: Session.mu, room.mu, Hub.mu. A flusher holds
// none of them when it calls a session.
package hub

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// History is where the messages of rooms are kept. Methods return
// *gateway.Error with CodeUnavailable while the history is closed or cannot
// keep up, and CodeInternal when it is broken.
type History interface {
	// Head tells where the room stands, committed or not.
	Head(room gateway.RoomID) (gateway.RoomHead, error)
	// Append queues the record as its room's next.
	Append(rec *gateway.Record) error
	// Page reads the room's history.
	Page(room gateway.RoomID, q gateway.HistoryQuery) (gateway.HistoryPage, error)
	// Wait returns when the history can take more. It is called before a
	// room is locked, so that a slow disk holds back publishers only.
	Wait() error
	// Flush has what was appended committed without waiting for more.
	Flush()
	// Rooms lists the rooms that keep messages, sorted.
	Rooms() ([]gateway.RoomID, error)
	// Past lists the remembered epochs of the room that have ended, oldest
	// first. Like Head it is asked under the room's lock.
	Past(room gateway.RoomID) ([]gateway.PastEpoch, error)
	// Find looks for a message that the account published in the room under
	// the same id before. It is asked under the room's lock.
	Find(room gateway.RoomID, user gateway.AccountName, id gateway.MessageID) (gateway.Found, error)
	// Delete forgets the room's messages, ids and epochs. It begins anew at
	// seq 1, in an epoch that never was. Durable when it returns. What was
	// appended before is committed, and reported, all the same.
	Delete(room gateway.RoomID) error
	// NewEpoch ends the room's epoch behind what was appended before,
	// remembers that end, and begins a new one. Durable when it returns.
	NewEpoch(room gateway.RoomID) error
}

// StoredHistory is a History on disk.
type StoredHistory interface {
	History
	// ForgetEpochs begins a new epoch of the room behind what was appended
	// before, and remembers none of those that have ended: messages of the
	// room are, or were, kept elsewhere, and their clients may miss some of
	// them. Durable when it returns.
	ForgetEpochs(room gateway.RoomID) error
}

// VolatileHistory is a History in memory.
type VolatileHistory interface {
	History
	// Begin forgets the room, and begins it anew behind a newest message that
	// is kept elsewhere, in an epoch that never was. It remembers the epochs
	// that ended at that message or before.
	Begin(room gateway.RoomID, head gateway.RoomHead, past []gateway.PastEpoch) error
	// Behind is the seq of that newest message, 0 for a room that was not begun
	// like that.
	Behind(room gateway.RoomID) gateway.Seq
}

// Clock is the gateway's logical time.
type Clock interface{ Now() time.Time }

// Options are a hub's fixed parts. All members are required unless they say
// otherwise.
type Options struct {
	// Stored keeps the rooms of class queued and fsynced; it reports its
	// commits to Hub.Committed. Volatile keeps those of class memory.
	Stored   StoredHistory
	Volatile VolatileHistory
	// Settings tells how a room is set up.
	Settings func(gateway.RoomID) gateway.RoomSettings
	// SaveSettings keeps how a room is set up from now on, nil for as if
	// nobody had ever said; Settings follows it. It may be nil when neither
	// Configure nor Delete is called.
	SaveSettings func(gateway.RoomID, *gateway.RoomSettings) error
	Clock        Clock
	// Authenticate tells what a token gives that a client shows on a live
	// connection. It returns CodeInvalidToken, CodeTokenExpired or
	// CodeUnavailable.
	Authenticate func(ctx context.Context, raw string) (Credentials, error)
	// ClockState is shown in the welcome frame.
	ClockState func() string
	Logger     *slog.Logger
	Metrics    Metrics
	Limits     Limits
}

// Limits bound what one client, and all of them together, may take. Zero means
// no limit, unless a member says otherwise.
type Limits struct {
	Connections           int
	ConnectionsPerIP      int
	ConnectionsPerAccount int
	// RoomsPerConnection is at least 1.
	RoomsPerConnection int
	// MessageBytes is told to clients; the frame guard enforces it.
	MessageBytes int
	// MessageRate is data frames a second and connection.
	MessageRate int
	// QueueBytes is how much may wait for one socket; at least one message.
	// What waits counts a little more than its bytes.
	QueueBytes int
	// PingInterval is how often a peer is pinged; more than 0.
	PingInterval time.Duration
	// WriteTimeout is how long a stuck write is waited for; more than 0.
	WriteTimeout time.Duration
}

// Hub holds the rooms and sessions of one gateway.
type Hub struct {
	// Fixed after construction.
	opts     Options
	idPrefix string

	batches sync.Pool // of *batch

	// acks gathers the frames of one call of Committed, which owns it.
	acks map[*Session][]byte
	// echo holds the messages with an id that wait for their commit.
	echo echoes

	// ticks counts the sweeps; sessions note it as their last sign of life.
	ticks  atomic.Uint32
	beats  chan chan struct{}
	nextID atomic.Uint64

	gate  gate
	pages pages
	// pressure is a Pressure; waiting is what WaitingBytes returns.
	pressure atomic.Int32
	waiting  atomic.Int64
	traces   traces

	// changes lets one room be changed at a time.
	changes sync.Mutex

	mu    sync.Mutex
	rooms map[gateway.RoomID]*room
	// changing has the rooms that nobody may enter until the channel closes.
	changing map[gateway.RoomID]chan struct{}
	sessions map[*Session]struct{}
	perIP    map[string]int
	perName  map[gateway.AccountName]places
	// watched are the rooms that the sweep looks after, graces the rooms in
	// which an account has one.
	watched   map[*room]struct{}
	graces    map[gateway.AccountName]int
	devices   int // how many of perName are devices
	admitted  int
	closing   bool
	drained   chan struct{} // closed when closing and the last session has ended
	flushing  sync.WaitGroup
	tickEvery time.Duration

	// stopping is true from the beginning of Shutdown: nothing is published
	// any more. unsettled counts the messages that wait for their commit,
	// flushers the rooms that are being flushed.
	stopping            atomic.Bool
	unsettled, flushers atomic.Int64
	// storeGone is closed when nothing that waits for its commit will have it.
	storeGone chan struct{}
}

// New makes a hub without rooms or sessions.
func New(opts Options) *Hub {
	h := &Hub{
		opts:      opts,
		idPrefix:  strconv.FormatUint(uint64(rand.Uint32()), 36) + "-", // #nosec G404 -- an id to tell runs apart, no secret
		rooms:     make(map[gateway.RoomID]*room),
		sessions:  make(map[*Session]struct{}),
		perIP:     make(map[string]int),
		perName:   make(map[gateway.AccountName]places),
		watched:   make(map[*room]struct{}),
		graces:    make(map[gateway.AccountName]int),
		drained:   make(chan struct{}),
		storeGone: make(chan struct{}),
		beats:     make(chan chan struct{}),
		acks:      make(map[*Session][]byte),
		echo:      echoes{waiting: make(map[*gateway.Record][]*publication)},
		changing:  make(map[gateway.RoomID]chan struct{}),
	}
	h.tickEvery = min(time.Second, opts.Limits.PingInterval/4)
	h.SetPressure(PressureNone)
	return h
}

func (h *Hub) history(s gateway.RoomSettings) History {
	if s.Durability == gateway.DurabilityMemory {
		return h.opts.Volatile
	}
	return h.opts.Stored
}

// acquire returns the room, which lives until every acquire has its release. It
// waits while the room is being changed, and returns what History.Head returns.
func (h *Hub) acquire(id gateway.RoomID) (*room, error) {
	h.mu.Lock()
	for changed := h.changing[id]; changed != nil; changed = h.changing[id] {
		h.mu.Unlock()
		<-changed
		h.mu.Lock()
	}
	r := h.rooms[id]
	if r == nil {
		settings := h.opts.Settings(id)
		r = newRoom(h, id, settings, h.history(settings))
		h.rooms[id] = r
	}
	r.refs++
	h.mu.Unlock()
	if err := r.load(); err != nil {
		h.release(r)
		return nil, err
	}
	return r, nil
}

// hold is acquire for a room that the caller has already.
func (h *Hub) hold(r *room) {
	h.mu.Lock()
	r.refs++
	h.mu.Unlock()
}

// release lets go of a room. A room that nobody holds is forgotten: what it
// knows is in its history.
func (h *Hub) release(r *room) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r.refs--
	if r.refs == 0 && h.rooms[r.id] == r {
		delete(h.rooms, r.id)
	}
}

// settleTimeout is how long Shutdown waits for commits and flushers.
const settleTimeout = 2 * time.Second

// Shutdown refuses new sessions and messages, sends what was announced and the
// acks of what is being committed, closes the sessions with 1012, and returns
// when all have ended or ctx is done. Each client is told a time of its own to
// come back, as far apart as the gateway can serve them.
func (h *Hub) Shutdown(ctx context.Context) {
	h.stopping.Store(true)
	h.mu.Lock()
	h.closing = true
	if h.admitted == 0 {
		h.drainedLocked()
	}
	h.mu.Unlock()
	h.opts.Stored.Flush()
	h.settle(ctx)
	sessions := h.all()
	for _, s := range sessions {
		s.closeAfterQueue(wire.CloseRestart, h.slot())
	}
	select {
	case <-h.drained:
		h.flushing.Wait()
	case <-ctx.Done():
		for _, s := range sessions {
			s.Abort(wire.CloseRestart)
		}
	}
}

func (h *Hub) stoppingError() *gateway.Error {
	err := gateway.Errorf(gateway.CodeUnavailable, "the gateway is stopping; try again shortly")
	err.RetryAfter = time.Second
	return err
}

// settle waits until nothing is on its way to a session's queue any more.
func (h *Hub) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	for h.unsettled.Load() > 0 || h.flushers.Load() > 0 {
		select {
		case <-again.C:
		case <-h.storeGone:
			return
		case <-ctx.Done():
			return
		}
	}
}

// StoreGone says, once, that the stored history has failed: whoever waits for a
// commit is told that it is unknown whether the message is stored, and Shutdown
// does not wait for any.
func (h *Hub) StoreGone() { close(h.storeGone) }

func (h *Hub) all() []*Session {
	h.mu.Lock()
	defer h.mu.Unlock()
	sessions := make([]*Session, 0, len(h.sessions))
	for s := range h.sessions {
		sessions = append(sessions, s)
	}
	return sessions
}

// those returns the sessions for which match is true. It is called with the
// hub's lock held.
func (h *Hub) those(match func(*Session) bool) []*Session {
	h.mu.Lock()
	defer h.mu.Unlock()
	var sessions []*Session
	for s := range h.sessions {
		if match(s) {
			sessions = append(sessions, s)
		}
	}
	return sessions
}

func (h *Hub) drainedLocked() {
	select {
	case <-h.drained:
	default:
		close(h.drained)
	}
}
