package password_test

import (
	"context"
	"errors"
	"runtime"
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

// Twelve hashes in a row must not pile their blocks up, and the last must give
// its pages back.
func TestMemoryStaysBounded(t *testing.T) {
	h := newHasher(t, password.Options{Params: password.Params{MemoryKiB: 48 << 10, Time: 1, Threads: 1}})
	var m runtime.MemStats
	for range 12 {
		if err := h.VerifyDummy(context.Background(), "x"); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&m)
	sys, held := m.HeapSys>>20, (m.HeapSys-m.HeapReleased)>>20
	t.Logf("heap: %d MiB at the peak, %d MiB held afterwards", sys, held)
	if sys >= 2*48 {
		t.Errorf("the heap grew to %d MiB: two blocks of 48 MiB were alive at once", sys)
	}
	if held >= 48 {
		t.Errorf("%d MiB are still held after the last hash", held)
	}
}
