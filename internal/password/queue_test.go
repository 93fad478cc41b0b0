package password_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/password"
)

// gate makes each hash stop, with its slot held, until it is let go.
type gate struct {
	entered chan struct{}
	leave   chan struct{}
}

func newGate() gate { return gate{make(chan struct{}, 64), make(chan struct{})} }

func (g gate) observe(time.Duration) {
	g.entered <- struct{}{}
	<-g.leave
}

func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestConcurrencyIsBounded(t *testing.T) {
	var running, most atomic.Int32
	h := newHasher(t, password.Options{Concurrency: 2, Observe: func(time.Duration) {
		if n := running.Add(1); n > most.Load() {
			most.Store(n)
		}
		time.Sleep(5 * time.Millisecond)
		running.Add(-1)
	}})
	errs := make(chan error, 10)
	for range cap(errs) {
		go func() { errs <- h.VerifyDummy(context.Background(), "x") }()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := most.Load(); n > 2 {
		t.Errorf("%d hashes ran at once, 2 may", n)
	}
}

func TestQueueIsBoundedAndCanBeLeft(t *testing.T) {
	g := newGate()
	h := newHasher(t, password.Options{Queue: 2, Observe: g.observe})
	done := make(chan error, 3)
	run := func(ctx context.Context) { done <- h.VerifyDummy(ctx, "x") }

	go run(context.Background())
	<-g.entered
	ctx, cancel := context.WithCancel(context.Background())
	go run(ctx)
	go run(context.Background())
	waitFor(t, "two callers in the queue", func() bool { return h.Waiting() == 2 })

	err := h.VerifyDummy(context.Background(), "x")
	if gateway.CodeOf(err) != gateway.CodeBusy || gateway.AsError(err).RetryAfter < time.Second {
		t.Errorf("with a full queue: %v, retry after %v", err, gateway.AsError(err).RetryAfter)
	}
	cancel()
	if err := <-done; gateway.CodeOf(err) != gateway.CodeBusy || !errors.Is(err, context.Canceled) {
		t.Errorf("the one who gave up got %v", err)
	}
	waitFor(t, "the queue to shrink", func() bool { return h.Waiting() == 1 })

	close(g.leave)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	waitFor(t, "an empty queue", func() bool { return h.Waiting() == 0 })
	if err := h.VerifyDummy(context.Background(), "x"); err != nil {
		t.Errorf("a slot was lost: %v", err)
	}
}

func TestEndedContextStartsNoHash(t *testing.T) {
	h := newHasher(t, password.Options{Observe: func(time.Duration) { t.Error("hashed for nobody") }})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := h.Hash(ctx, "a good long password"); !errors.Is(err, context.Canceled) {
		t.Errorf("Hash: %v", err)
	}
}

// A flood is cut to what runs and what waits; all others are sent away at once.
func TestFloodIsCut(t *testing.T) {
	const callers, slots, queue = 200, 2, 16
	g := newGate()
	var running, most atomic.Int32
	h := newHasher(t, password.Options{Concurrency: slots, Observe: func(d time.Duration) {
		n := running.Add(1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		g.observe(d)
		running.Add(-1)
	}})
	done := make(chan error, callers)
	for i := range callers {
		go func() {
			if i%2 == 0 {
				_, err := h.Hash(context.Background(), "a good long password")
				done <- err
				return
			}
			done <- h.VerifyDummy(context.Background(), "x")
		}()
	}
	for range callers - slots - queue {
		if err := <-done; gateway.CodeOf(err) != gateway.CodeBusy || gateway.AsError(err).RetryAfter < time.Second {
			t.Errorf("beyond the queue: %v", err)
		}
	}
	if n := h.Waiting(); n != queue {
		t.Errorf("%d callers wait, want %d", n, queue)
	}
	close(g.leave)
	for range slots + queue {
		if err := <-done; err != nil {
			t.Errorf("in the queue: %v", err)
		}
	}
	if n := most.Load(); n > slots {
		t.Errorf("%d hashes ran at once, %d may", n, slots)
	}
}
