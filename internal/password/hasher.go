package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"

	"edgegw/internal/gateway"
)

// DefaultQueue is how many callers wait for a hash when nothing else is said.
const DefaultQueue = 16

// Options configure a Hasher.
type Options struct {
	// Params is the cost of new hashes.
	Params Params
	// Concurrency is how many hashes run at once, at least 1. Each holds
	// Params.MemoryKiB while it runs: this number is the bound on memory.
	Concurrency int
	// Queue is how many callers may wait for their turn; 0 is DefaultQueue.
	Queue int
	// Now gives the time; only differences are used.
	Now func() time.Time
	// Observe, if given, gets the duration of each hash without its wait.
	Observe func(time.Duration)
}

// Hasher hashes and checks passwords, a bounded number at once. It is safe for
// concurrent use.
type Hasher struct {
	params  Params
	queue   int64
	now     func() time.Time
	observe func(time.Duration)
	dummy   string
	slots   chan struct{}

	waiting atomic.Int64
	last    atomic.Int64 // duration of the newest hash, in ns
}

// New checks the options and returns a Hasher.
func New(o Options) (*Hasher, error) {
	if err := o.Params.Check(); err != nil {
		return nil, err
	}
	if o.Concurrency < 1 || o.Queue < 0 || o.Now == nil {
		return nil, errors.New("password.New: Concurrency must be at least 1, Queue not negative, Now given")
	}
	if o.Queue == 0 {
		o.Queue = DefaultQueue
	}
	if o.Observe == nil {
		o.Observe = func(time.Duration) {}
	}
	// No password has this hash: it is random, not computed.
	dummy := phc{params: o.Params, salt: random(newSaltBytes), hash: random(newHashBytes)}
	return &Hasher{
		params: o.Params, queue: int64(o.Queue), now: o.Now, observe: o.Observe,
		dummy: dummy.String(), slots: make(chan struct{}, o.Concurrency),
	}, nil
}

// Waiting is how many callers wait for their turn right now.
func (h *Hasher) Waiting() int { return int(h.waiting.Load()) }

// Hash returns the PHC string of a new password. It returns CodeWeakPassword for
// a password that can never be hashed (see Policy for the rest) and CodeBusy
// when the queue is full or ctx ends while waiting.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	normal, err := normalize(password)
	if err != nil {
		return "", err
	}
	out := phc{params: h.params, salt: random(newSaltBytes)}
	if out.hash, err = h.derive(ctx, normal, out.params, out.salt, newHashBytes); err != nil {
		return "", err
	}
	return out.String(), nil
}

// Verify reports whether stored is the hash of password, and if so whether it is
// weaker than a new one would be. A password that could not have been set does
// not match, after the same work. Verify returns CodeBusy like Hash, and
// CodeInternal at once, before any work, when stored is not a PHC string within
// the limits.
func (h *Hasher) Verify(ctx context.Context, password, stored string) (ok, needsRehash bool, err error) {
	want, err := parsePHC(stored)
	if err != nil {
		return false, false, gateway.Wrap("password.Verify", err)
	}
	normal, unfit := normalize(password)
	got, err := h.derive(ctx, normal, want.params, want.salt, len(want.hash))
	if err != nil {
		return false, false, err
	}
	ok = subtle.ConstantTimeCompare(got, want.hash) == 1 && unfit == nil
	weak := want.params.weakerThan(h.params) || len(want.salt) < newSaltBytes || len(want.hash) < newHashBytes
	return ok, ok && weak, nil
}

// VerifyDummy does the work of Verify at the current cost and matches nothing.
// It stands in for names that have no password to check, so that nobody can
// tell them from the others by the time that an answer takes. It returns
// CodeBusy like Hash.
func (h *Hasher) VerifyDummy(ctx context.Context, password string) error {
	_, _, err := h.Verify(ctx, password, h.dummy)
	return err
}

func (h *Hasher) derive(ctx context.Context, password string, p Params, salt []byte, size int) ([]byte, error) {
	if err := h.acquire(ctx); err != nil {
		return nil, err
	}
	defer h.release()
	start := h.now()
	key := argon2.IDKey([]byte(password), salt, p.Time, p.MemoryKiB, p.Threads, uint32(size))
	took := h.now().Sub(start)
	h.last.Store(int64(took))
	h.observe(took)
	return key, nil
}

// acquire takes a slot, waiting in line if there is room in it. Channels serve
// waiting senders in their order, so nobody is overtaken.
func (h *Hasher) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return h.busy(err)
	}
	select {
	case h.slots <- struct{}{}:
		return nil
	default:
	}
	if h.waiting.Add(1) > h.queue {
		h.waiting.Add(-1)
		return h.busy(nil)
	}
	defer h.waiting.Add(-1)
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return h.busy(ctx.Err())
	}
}

// release gives the slot on, after the memory. argon2 allocates its block anew
// for each hash, and the collector would let two or three of them pile up: twelve
// hashes of 19 MiB in a row peak at 43 MB without this and at 25 MB with it, for
// the same time. The last in a row also hands the pages back to the system, which
// costs the next one about a third more time.
func (h *Hasher) release() {
	if h.waiting.Load() > 0 {
		runtime.GC()
	} else {
		debug.FreeOSMemory()
	}
	<-h.slots
}

// busy says when the queue will have moved on, judged by the newest hash.
func (h *Hasher) busy(cause error) error {
	e := gateway.Errorf(gateway.CodeBusy, "too many logins at once; try again in a moment")
	e.Op, e.Err = "password.Hasher", cause
	wait := time.Duration(h.last.Load()) * time.Duration(h.queue) / time.Duration(cap(h.slots))
	e.RetryAfter = min(max(wait, time.Second), 30*time.Second)
	return e
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails: crypto/rand ends the process instead
	return b
}
