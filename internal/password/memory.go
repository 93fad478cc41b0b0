package password

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// maxDeadKiB is how much of finished hashes may wait for the collector
	// while it is dear: two blocks of the production profile.
	maxDeadKiB = 40 << 10
	// cheapShare is how many times longer a hash has to take than a
	// collection for that to be cheap.
	cheapShare = 8
	// idleDelay is how long after the last hash its pages go back to the
	// system.
	idleDelay = time.Second
)

// memory decides when the blocks of finished hashes are collected. argon2 makes
// its block anew for each hash, and the collector, which paces itself by the whole
// heap, would let several of them pile up and then keep their pages.
//
// Collecting after each hash keeps the heap at one block, but costs time in
// proportion to what else lives there. In a small gateway that is a small part of
// the hash. Beside 60 MB of connections it is as much as a hash of 19 MiB itself,
// which the messages pay; there, a collection waits until more than maxDeadKiB are
// to be had, and is saved when the collector has run by itself meanwhile. With the
// production profile that is one collection for two or three hashes, and two
// blocks beside the one in use.
type memory struct {
	now   func() time.Time
	delay time.Duration

	mu     sync.Mutex
	dead   uint32        // KiB of finished hashes that may be there still
	newest uint32        // KiB of the last one
	cycles uint64        // collections until the newest hash
	cost   time.Duration // of the newest collection that was asked for
	hashes uint64        // that have ended
	armed  bool          // armLocked was called and goes on
}

// spent notes that a hash with a block of that size is over, and collects it and
// those before it, or not yet.
func (m *memory) spent(kib uint32, took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := collections(); now != m.cycles {
		// The collector was here by itself. The newest of them may have been
		// in use when it began, and so be there still.
		m.cycles, m.dead = now, min(m.dead, m.newest)
	}
	m.dead, m.newest = m.dead+kib, kib
	if m.cost*cheapShare <= took || m.dead > maxDeadKiB {
		start := m.now()
		runtime.GC()
		m.cost = m.now().Sub(start)
		m.cycles, m.dead = collections(), 0
	}
	m.hashes++
	if !m.armed {
		m.armed = true
		m.armLocked()
	}
}

// armLocked sees to it that the pages of finished hashes go back to the system
// once no hash has ended for a while. That is away from the logins, which would
// wait for it, and not between two of them: a hash on fresh pages takes a third
// longer.
func (m *memory) armLocked() {
	until := m.hashes
	time.AfterFunc(m.delay, func() {
		m.mu.Lock()
		quiet := m.hashes == until
		if m.armed = !quiet; m.armed {
			m.armLocked()
		}
		m.mu.Unlock()
		if quiet {
			debug.FreeOSMemory()
		}
	})
}

// collections counts the collections of the process, without stopping it.
func collections() uint64 {
	sample := [1]metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(sample[:])
	return sample[0].Value.Uint64()
}
