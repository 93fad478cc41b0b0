package boltstore

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

// HistoryOptions says how OpenHistory works. Path, Settings and Now are needed.
type HistoryOptions struct {
	Path string
	// Settings tells what holds for a room right now. It is called with
	// every Append and Page, so that it has to be quick, and must not call
	// the store.
	Settings func(gateway.RoomID) gateway.RoomSettings
	// Classes is any text that is another when what Settings tells of the
	// class of a room that was never used may be another.
	Classes string
	// Committed is told which records are on disk, room by room and over
	// all in the order of Append. It is called from one goroutine of its
	// own; the slice is only valid during the call, and afterwards the
	// records' tickets are cleared.
	Committed func([]*gateway.Record)
	// Lost is told which records were announced, and can never be stored for
	// want of space. Their rooms have begun new epochs behind their newest
	// stored message. It is called from the writer, and must not wait for the
	// store; nil is nobody.
	Lost func([]*gateway.Record)
	// Space tells whether the disk is full; nil for a disk that never is.
	Space *Space
	// CommitWindow is the least time from the start of one commit to the
	// start of the next; 0 lets the next start when the last has ended. A
	// record of an fsynced room waits for no window.
	CommitWindow time.Duration
	// MaxStoreBytes bounds the file; retention acts at 80 % of it. 0 means
	// 1 GiB. On 32-bit machines it is at most 240 MiB.
	MaxStoreBytes int64
	// RetentionEvery is how often limits are applied to rooms that get no
	// messages; 0 means 30 s.
	RetentionEvery time.Duration
	// Now is the logical clock.
	Now func() time.Time
	// AgeTime is the time that ages are measured by, and whether anything may
	// be purged by it; nil is no.
	AgeTime func() (now time.Time, trusted bool)
	// Aside, if given, runs long commits so that others are not kept
	// waiting.
	Aside    func(commit func())
	Logger   *slog.Logger
	Observer Observer

	// open stands in for os.OpenFile in tests.
	open func(string, int, os.FileMode) (*os.File, error)
	// fillRecords is smaller in tests.
	fillRecords int
}

// Observer takes what the store measures. Every member may be nil.
type Observer struct {
	// Commit is told of each commit: how long it took, how many new records
	// it put on disk (0 for one that only purged) and how many bytes of
	// pages it wrote to the file.
	Commit func(took time.Duration, records int, bytes int64)
	// EpochResets is told how many rooms had to begin a new epoch.
	EpochResets func(rooms int)
	// Quarantined is told that a damaged file was put aside, and what of it
	// was saved, in words.
	Quarantined func(saved string)
	// Damaged is told how many records failed their sum and were left out.
	Damaged func(records int)
}

// History is the store of the messages of `queued` and `fsynced` rooms. All its
// methods may be called from any goroutine.
type History struct {
	// db is replaced by Compact only, on the writer's goroutine; opening is held by
	// those who read it on others.
	db      *bolt.DB
	opening sync.RWMutex

	// Fixed after OpenHistory.

	opts      HistoryOptions
	log       *slog.Logger
	limit     int64         // bytes in use at which retention acts
	epoch     gateway.Epoch // of rooms without messages
	wake      chan struct{} // something for the writer, capacity 1
	stopped   chan struct{} // closed when no Append can succeed any more
	announced chan struct{} // the announcer took what was committed, capacity 1

	// decided are the settings that were stored for single rooms.
	decided atomic.Pointer[map[gateway.RoomID]gateway.RoomSettings]

	damaged atomic.Int64
	sick    atomic.Pointer[error] // damage that was met
	size    atomic.Int64

	mu    sync.Mutex
	rooms map[gateway.RoomID]*room
	queue queue
	acks  acks
	err   error // why nothing can be appended any more
	// operations wait for the writer.
	operations []*operation
	publishers publishers

	// writing is held by the writer: Run, and without it whoever operates.
	writing sync.Mutex

	// Owned by the writer; before Run and after it by Open and Close. Of the
	// state, only the mark of an open file changes after OpenHistory.

	place place // of db
	state storeState
	tail  logTail
	arena []byte
	loose []*room // rooms that may be beyond their limits
	purge bool    // there may be something to delete
	// touched are the rooms that the transaction at hand deleted from.
	touched []*room
	garbage bool // there may be something left of deleted rooms
	idSweep idSweep
	broken  bool // a commit failed
	// stuck is a batch that found no space, since stuckSince; lost are the
	// rooms whose new epochs are not stored yet.
	stuck      []queued
	stuckSince time.Time
	lost       []*room
}

// logTail is what the log bucket holds.
type logTail struct {
	next    uint64 // number of the next entry
	records int
	bytes   int
	rooms   []*room // those with pending records
}

// OpenHistory opens history.db, or creates it. What the log holds goes into the
// rooms' buckets, and after a stop that was not clean every room with messages
// begins a new epoch. A damaged file is put aside, and what its sums vouch for
// goes into a new one. OpenHistory returns CodeConflict when another process has
// the file, and CodeUnavailable, with a message that says what to do, when the
// file cannot be used.
func OpenHistory(opts HistoryOptions) (*History, error) {
	if opts.Settings == nil || opts.Now == nil {
		return nil, gateway.Wrap("boltstore.OpenHistory", errors.New("options lack Settings or Now"))
	}
	opts.complete()
	h, err := openHistory(opts)
	if !isDamaged(err) {
		return h, err
	}
	if err := quarantine(&opts, err); err != nil {
		return nil, err
	}
	return openHistory(opts)
}

func openHistory(opts HistoryOptions) (*History, error) {
	db, err := openStore(historyFile(&opts))
	if err != nil {
		return nil, err
	}
	h := &History{
		opts: opts, db: db, log: opts.Logger,
		limit:     opts.MaxStoreBytes / 5 * 4,
		wake:      make(chan struct{}, 1),
		stopped:   make(chan struct{}),
		announced: make(chan struct{}, 1),
		rooms:     make(map[gateway.RoomID]*room),
	}
	h.queue.space = make(chan struct{})
	h.publishers.most, h.publishers.full = maxIDBytes, maxIDBytes
	h.acks.ready = sync.NewCond(&h.acks.mu)
	if h.place, err = placeOf(opts.Path); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := checkPages(&opts); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := guard(opts.Path, h.begin); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return h, nil
}

func (o *HistoryOptions) complete() {
	if o.Committed == nil {
		o.Committed = func([]*gateway.Record) {}
	}
	if o.Aside == nil {
		o.Aside = func(commit func()) { commit() }
	}
	if o.AgeTime == nil {
		o.AgeTime = func() (time.Time, bool) { return time.Time{}, false }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.RetentionEvery <= 0 {
		o.RetentionEvery = 30 * time.Second
	}
	if o.MaxStoreBytes <= 0 {
		o.MaxStoreBytes = 1 << 30
	}
	if o.fillRecords == 0 {
		o.fillRecords = fillRecords
	}
	o.MaxStoreBytes = min(o.MaxStoreBytes, storeLimit())
}

// Head tells where the room stands, with what is still on its way to the disk.
// A room without messages has Seq 0, Oldest 1 and the epoch it would begin with.
// The error is always nil.
func (h *History) Head(id gateway.RoomID) (gateway.RoomHead, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.rooms[id]; r != nil {
		return r.head, nil
	}
	return gateway.RoomHead{Epoch: h.epoch, Oldest: 1}, nil
}

// Rooms lists the rooms that keep messages, sorted. The error is always nil.
func (h *History) Rooms() ([]gateway.RoomID, error) {
	h.mu.Lock()
	ids := make([]gateway.RoomID, 0, len(h.rooms))
	for id, r := range h.rooms {
		if r.head.Oldest <= r.head.Seq {
			ids = append(ids, id)
		}
	}
	h.mu.Unlock()
	slices.Sort(ids)
	return ids, nil
}

// NewestTime is the time of the newest message of any room, 0 without one.
func (h *History) NewestTime() (newest gateway.Timestamp) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.rooms {
		newest = max(newest, r.head.TS)
	}
	return newest
}

// SizeBytes is the part of the file that was ever used.
func (h *History) SizeBytes() int64 { return h.size.Load() }

// Run writes what is appended until ctx ends, and purges what the limits ask
// for. When ctx ends it commits everything that was appended, has it announced,
// marks the stop as clean and returns nil. It returns an error when a commit
// failed: the process then has to end. Run may be called once.
func (h *History) Run(ctx context.Context) error {
	h.writing.Lock()
	defer h.writing.Unlock()
	if h.broken {
		return h.err // of an operation before
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.announceLoop()
	}()
	err := h.writeLoop(ctx)
	h.acks.close()
	<-done
	if err != nil {
		return err
	}
	return h.markClean()
}

// Close closes the file. What Run had not written is lost, and the next start
// begins new epochs unless Run had returned nil or nothing was appended. Close
// may be called when Run has returned, or was never called.
func (h *History) Close() error {
	h.stop(errClosed)
	h.writing.Lock()
	defer h.writing.Unlock()
	var err error
	if !h.broken && h.queue.empty() {
		err = h.markClean()
	}
	return errors.Join(err, h.db.Close())
}
