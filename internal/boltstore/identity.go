package boltstore

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

// maxGroup is how many changes share one commit at most.
const maxGroup = 256

// IdentityOptions says how OpenIdentity works. Path and Now are needed.
type IdentityOptions struct {
	Path string
	// Now is used to measure how long commits take.
	Now    func() time.Time
	Logger *slog.Logger
	// Failed is called once, from the goroutine of an Update, when a commit
	// failed. The process then has to end.
	Failed   func(error)
	Observer Observer
	// Space tells whether the disk is full; nil for a disk that never is.
	Space *Space
	// AuditEvents is how many events each of the audit's two rings keeps,
	// those that come with everyday use and the others; 0 is 10,000.
	AuditEvents int

	// Floor is the clock's floor, which goes with every commit, and the time
	// that ages are measured by, which goes with it; nil or 0 for none.
	Floor func() (floor, age gateway.Timestamp)

	// Copy is where a verified copy of the file is kept (SaveCopy), by which a
	// damaged one is mended; "" for none. When the copy is no good either,
	// Rescue writes one from elsewhere to dst and says where that came from.
	Copy   string
	Rescue func(dst string) (from string, err error)

	// open stands in for os.OpenFile in tests.
	open func(string, int, os.FileMode) (*os.File, error)
}

// Identity is the store of accounts and of the few things that must never roll
// back. All its methods may be called from any goroutine, but not from within a
// View or an Update.
type Identity struct {
	opts IdentityOptions
	// db is replaced by Compact only; opening is held by those who read it
	// without being the one who writes.
	db      *bolt.DB
	opening sync.RWMutex
	size    atomic.Int64

	mu      sync.Mutex
	waiting []*change

	writing sync.Mutex // held by whoever commits
	err     error      // a commit failed; guarded by writing
	place   place      // of db; guarded by writing

	changes  chan struct{}
	outdated atomic.Bool
}

// change is one Update on its way.
type change struct {
	fn   func(*IdentityTx) error
	own  *overlay // what fn wrote
	done chan struct{}
	err  error // set before done is closed
}

// OpenIdentity opens identity.db, or creates it. It returns CodeConflict when
// another process has the file, and CodeUnavailable, with a message that says
// what to do, when the file cannot be used.
func OpenIdentity(opts IdentityOptions) (*Identity, error) {
	if opts.Now == nil {
		return nil, gateway.Wrap("boltstore.OpenIdentity", errors.New("options lack Now"))
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.AuditEvents <= 0 {
		opts.AuditEvents = defaultAuditEvents
	}
	db, err := openMended(&opts)
	if err != nil {
		return nil, err
	}
	s := &Identity{opts: opts, db: db, changes: make(chan struct{}, 1)}
	err = db.View(func(tx *bolt.Tx) (err error) {
		s.size.Store(tx.Size())
		s.place, err = placeOf(opts.Path)
		return err
	})
	if err != nil {
		return nil, errors.Join(refusePath(opts.Path, err), db.Close())
	}
	return s, nil
}

func identityStoreFile(opts *IdentityOptions) storeFile {
	return storeFile{
		path:      opts.Path,
		schema:    identitySchema(),
		mapBytes:  32 << 20,
		growBytes: 256 << 10,
		open:      opts.open,
	}
}

// Close waits for the transactions at hand and closes the file.
func (s *Identity) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.err == nil {
		s.err = errClosed
	}
	return s.db.Close()
}

// SizeBytes is the part of the file that was ever used.
func (s *Identity) SizeBytes() int64 { return s.size.Load() }

// View runs fn on the state of one moment. What fn writes is refused. It returns
// fn's error, or CodeUnavailable when the file cannot be read.
func (s *Identity) View(fn func(*IdentityTx) error) error {
	s.opening.RLock()
	defer s.opening.RUnlock()
	return guard(s.opts.Path, func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			return fn(s.within(tx))
		})
	})
}

func (s *Identity) within(tx *bolt.Tx) *IdentityTx {
	return &IdentityTx{tx: tx, path: s.opts.Path, ringEvents: uint64(s.opts.AuditEvents)}
}

// Update runs fn and returns when what it wrote is on disk. Updates that are
// called at the same time share a commit, one after the other seeing what those
// before wrote; who writes nothing causes none. fn runs once, on any of the
// callers' goroutines; when it returns an error or panics, nothing of it is kept
// and the others go on. Update returns fn's error, CodeStorageFull when the disk is
// full and nothing was kept, CodeUnavailable after Close or
// a failed commit, or the failure of the commit as CodeInternal: what is then on
// the disk is not known.
func (s *Identity) Update(fn func(*IdentityTx) error) error {
	c := &change{fn: fn, done: make(chan struct{})}
	s.mu.Lock()
	s.waiting = append(s.waiting, c)
	s.mu.Unlock()
	for {
		// Whoever gets the lock commits for all who wait for it.
		s.writing.Lock()
		group := s.takeGroup()
		s.commitGroup(group)
		s.writing.Unlock()
		select {
		case <-c.done:
			return c.err
		default: // more than one group was waiting
		}
	}
}

func (s *Identity) takeGroup() []*change {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(s.waiting), maxGroup)
	group := s.waiting[:n:n]
	if s.waiting = s.waiting[n:]; len(s.waiting) == 0 {
		s.waiting = nil
	}
	return group
}

func (s *Identity) commitGroup(group []*change) {
	if len(group) == 0 {
		return
	}
	defer func() {
		for _, c := range group {
			close(c.done)
		}
	}()
	err := s.err
	if err == nil {
		err = s.commitAll(group)
	} else {
		err = &gateway.Error{Code: gateway.CodeUnavailable, Message: "the account store has stopped; try again",
			Op: "boltstore.Update", Err: err}
	}
	if err != nil {
		for _, c := range group {
			c.err = err
		}
	}
}

func (s *Identity) commitAll(group []*change) error {
	started := s.opts.Now()
	wrote, written, err := s.tryCommit(group, false)
	if isFull(err) && s.opts.Space.ranOut() {
		wrote, written, err = s.tryCommit(group, true)
	}
	switch {
	case errors.Is(err, errNothing):
		return nil
	case isFull(err):
		for _, c := range group {
			if c.err == nil && c.own.wrote() {
				c.err = fullError("boltstore.Update", err)
			}
		}
		return nil
	case err != nil:
		s.failed(err)
		return s.err
	}
	s.noteChanges(group)
	if s.opts.Observer.Commit != nil {
		s.opts.Observer.Commit(s.opts.Now().Sub(started), wrote, written)
	}
	return nil
}

// failed ends the store's service; what is on the disk is not known.
func (s *Identity) failed(err error) {
	s.err = gateway.Wrap("boltstore.Update", err)
	s.opts.Logger.Error("a commit failed; the gateway has to stop", "event", "store_failed", "db", "identity", "err", err)
	if s.opts.Failed != nil {
		s.opts.Failed(s.err)
	}
}

// tryCommit is one transaction of all the changes. Again means that they have
// run, and that nothing has changed since: what they wrote is put once more.
func (s *Identity) tryCommit(group []*change, again bool) (wrote int, written int64, err error) {
	err = guard(s.opts.Path, func() (err error) {
		written, err = updateFile(s.db, s.place, &s.size, func(tx *bolt.Tx) error {
			for _, c := range group {
				if !again {
					ours := s.within(tx)
					ours.own = &overlay{}
					c.err = runChange(c.fn, ours)
					c.own = ours.own
				}
				if c.err != nil || !c.own.wrote() {
					continue
				}
				if err := c.own.apply(tx); err != nil {
					return err
				}
				wrote++
			}
			if wrote == 0 {
				return errNothing
			}
			return s.putFloor(tx)
		})
		return err
	})
	return wrote, written, err
}

// errNothing takes a transaction back that would commit nothing.
var errNothing = errors.New("nothing to commit")

// runChange keeps a panic of one caller from the others.
func runChange(fn func(*IdentityTx) error, tx *IdentityTx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = gateway.Wrap("boltstore.Update", fmt.Errorf("panic: %v", p))
		}
	}()
	if err := fn(tx); err != nil {
		return err
	}
	return tx.finish()
}
