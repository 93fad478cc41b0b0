package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
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
	// Aside, if given, runs each hash so that others are not kept waiting.
	Aside func(hash func())
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
	patient chan struct{} // holds the one who waits without a place in the queue
	memory  memory
	aside   func(func())

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
	if o.Aside == nil {
		o.Aside = func(hash func()) { hash() }
	}
	if o.Observe == nil {
		o.Observe = func(time.Duration) {}
	}
	// No password has this hash: it is random, not computed.
	dummy := phc{params: o.Params, salt: random(newSaltBytes), hash: random(newHashBytes)}
	return &Hasher{
		params: o.Params, queue: int64(o.Queue), now: o.Now, observe: o.Observe,
		dummy: dummy.String(), slots: make(chan struct{}, o.Concurrency),
		patient: make(chan struct{}, 1), memory: memory{now: o.Now, delay: idleDelay}, aside: o.Aside,
	}, nil
}

// Waiting is how many callers have a place in the queue right now. A patient one
// (see Wrap) has none.
func (h *Hasher) Waiting() int { return int(h.waiting.Load()) }

// Hash returns the PHC string of a new password. It returns CodeWeakPassword for
// a password that can never be hashed (see Policy for the rest) and CodeBusy
// when the queue is full or ctx ends while waiting.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	normal, err := normalize(password)
	if err != nil {
		return "", err
	}
	if err := h.acquire(ctx); err != nil {
		return "", err
	}
	defer h.release()
	out := phc{params: h.params, salt: random(newSaltBytes)}
	out.hash = h.run(out.params, []byte(normal), out.salt, newHashBytes)
	return out.String(), nil
}

// Verify reports whether stored is the hash of password, and if so whether a new
// one should take its place: because it is weaker than that would be, or a
// wrapped legacy hash. A password that could not have been set does not match,
// after the same work, and neither does the empty one. How many hashes are run
// depends on the password alone: one, or two when it is not in NFKC (see
// stored.inputs), in one turn. Verify returns CodeBusy like Hash, and
// CodeInternal at once, before any work, when stored is none of the forms that
// this package writes.
func (h *Hasher) Verify(ctx context.Context, password, stored string) (ok, needsRehash bool, err error) {
	want, err := parseStored(stored)
	if err != nil {
		return false, false, gateway.Wrap("password.Verify", err)
	}
	normal, unfit := normalize(password)
	if err := h.acquire(ctx); err != nil {
		return false, false, err
	}
	defer h.release()
	for _, input := range want.inputs(password, normal, unfit == nil) {
		got := h.run(want.params, input, want.salt, len(want.hash))
		if subtle.ConstantTimeCompare(got, want.hash) == 1 {
			ok = unfit == nil && password != ""
			break
		}
	}
	weak := want.params.weakerThan(h.params) || len(want.salt) < newSaltBytes || len(want.hash) < newHashBytes
	return ok, ok && (weak || want.scheme != schemePlain), nil
}

// VerifyDummy does the work of Verify at the current cost and matches nothing.
// It stands in for names that have no password to check, so that nobody can
// tell them from the others by the time that an answer takes. It returns
// CodeBusy like Hash.
func (h *Hasher) VerifyDummy(ctx context.Context, password string) error {
	_, _, err := h.Verify(ctx, password, h.dummy)
	return err
}

// run is one hash. The caller holds a slot.
func (h *Hasher) run(p Params, input, salt []byte, size int) []byte {
	start := h.now()
	var key []byte
	h.aside(func() { key = argon2.IDKey(input, salt, p.Time, p.MemoryKiB, p.Threads, uint32(size)) })
	took := h.now().Sub(start)
	h.last.Store(int64(took))
	h.memory.spent(p.MemoryKiB, took)
	h.observe(took)
	return key
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

// acquirePatiently takes a slot however long that takes. One patient caller waits
// in the line at a time, beside the queue, and the others behind it.
func (h *Hasher) acquirePatiently(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return h.busy(err)
	}
	select {
	case h.patient <- struct{}{}:
		defer func() { <-h.patient }()
	case <-ctx.Done():
		return h.busy(ctx.Err())
	}
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return h.busy(ctx.Err())
	}
}

func (h *Hasher) release() { <-h.slots }

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
