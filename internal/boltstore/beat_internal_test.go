package boltstore

import (
	"sync/atomic"
	"testing"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/storetest"
)

// TestBeatsWriteNothing holds what a watchdog needs: an answer from the writer, and
// a card that does not wear from being asked.
func TestBeatsWriteNothing(t *testing.T) {
	site := storetest.NewSite()
	var commits atomic.Int64
	h := openTest(t, site, "", func(o *HistoryOptions) {
		o.CommitWindow = time.Hour
		o.Observer.Commit = func(time.Duration, int, int64) { commits.Add(1) }
	})
	stop := running(t, h)
	storetest.Publish(t, h, site, "first", "x")
	await(t, func() bool { return h.view("first", true).head.Seq == 1 })
	storetest.Publish(t, h, site, "waits", "x") // for an hour
	before := commits.Load()
	for range 10 {
		if err := h.Beat(); err != nil {
			t.Fatal(err)
		}
	}
	if n := commits.Load() - before; n != 0 {
		t.Errorf("ten beats made %d commits", n)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if err := h.Beat(); gateway.CodeOf(err) != gateway.CodeUnavailable {
		t.Errorf("a beat of a store that has stopped: %v", err)
	}
}

func TestBeatWaitsForTheWriter(t *testing.T) {
	h := openTest(t, storetest.NewSite(), "", func(*HistoryOptions) {})
	h.writing.Lock() // a writer that hangs
	beat := make(chan error, 1)
	go func() { beat <- h.Beat() }()
	await(t, h.operating)
	select {
	case err := <-beat:
		t.Errorf("a beat without a writer that answers: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	if err := h.runOperations(); err != nil {
		t.Error(err)
	}
	h.writing.Unlock()
	if err := <-beat; err != nil {
		t.Error(err)
	}
}

// A full disk is no reason to be killed.
func TestBeatOfAFullDisk(t *testing.T) {
	c := newCramped(t)
	c.cram()
	c.stick()
	if err := c.Beat(); err != nil {
		t.Error(err)
	}
}

func TestIdentityBeat(t *testing.T) {
	var commits atomic.Int64
	s := openIdentity(t, "", func(o *IdentityOptions) {
		o.Observer.Commit = func(time.Duration, int, int64) { commits.Add(1) }
	})
	if err := s.Beat(); err != nil || commits.Load() != 0 {
		t.Errorf("a beat: %v, and %d commits", err, commits.Load())
	}
	s.writing.Lock() // a commit that hangs
	beat := make(chan error, 1)
	go func() { beat <- s.Beat() }()
	select {
	case err := <-beat:
		t.Errorf("a beat while a commit hangs: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	s.writing.Unlock()
	if err := <-beat; err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Beat(); gateway.CodeOf(err) != gateway.CodeUnavailable {
		t.Errorf("a beat of a store that is closed: %v", err)
	}
}
