package hub

import (
	"runtime"
	"sync"
	"time"

	"edgegw/internal/gateway"
)

const (
	// gateWait is how long a handshake may have to wait for those before it:
	// as many are let in as are served in that time, but leastInside in any
	// case, and no more than mostInside, which bounds what they take of
	// memory.
	gateWait    = 500 * time.Millisecond
	leastInside = 64
	mostInside  = 1024

	// gateSample is after how many handshakes, or how much busy time, the
	// gate's rate is measured anew.
	gateSample     = 32
	gateSampleTime = 100 * time.Millisecond
	// startRate is what the rate is taken for before anything was measured,
	// in handshakes a second.
	startRate = 800

	// Slots lie slotShare times as far apart as handshakes are served: the
	// rest of the time is for those who come without one, and for everything
	// else. The bounds give a thousand clients their turn within 25 s on the
	// slowest board, and keep them apart on the fastest.
	slotShare  = 3
	minSpacing = time.Millisecond
	maxSpacing = 25 * time.Millisecond
	// firstSlot is the earliest return, fullSlot that to a gateway that will
	// not be better at once, and maxSlot the latest: behind it slots are
	// given out a second time, so that a flood of strangers cannot send
	// everyone else away for long.
	firstSlot = 200 * time.Millisecond
	fullSlot  = 2 * time.Second
	maxSlot   = 30 * time.Second
)

// gate counts the handshakes that are under way, measures how many of them the
// gateway serves in a second, and gives those who are too many their time to
// return.
type gate struct {
	mu     sync.Mutex
	inside int

	// Since the newest measurement: how many handshakes have ended, and for
	// how long at least one was under way. since is when that began for the
	// present stretch, in Unix nanoseconds.
	ended int
	busy  time.Duration
	since int64
	// rate is handshakes a second of busy time, smoothed; 0 before the first
	// measurement.
	rate float64

	// next is the first slot that nobody has, in Unix nanoseconds.
	next int64
}

// BeginHandshake takes a place in the gate, before anything is looked at that
// costs time. Who gets one gives it back with EndHandshake, whatever became of
// the handshake. It returns CodeBusy when more come than are served, and
// CodeUnavailable while memory is short; the error says when to come back, and
// everyone is told another time.
func (h *Hub) BeginHandshake() error {
	now := h.opts.Clock.Now()
	if h.Pressure() >= PressureConnections {
		err := gateway.Errorf(gateway.CodeUnavailable, "the gateway is short of memory and takes no more connections for now; come back as told")
		err.RetryAfter = h.gate.slot(now, fullSlot)
		return err
	}
	if !h.gate.enter(now) {
		err := gateway.Errorf(gateway.CodeBusy, "more clients connect at once than the gateway can serve; come back as told")
		err.RetryAfter = h.gate.slot(now, firstSlot)
		return err
	}
	// A handshake rarely waits for anything, so that it would run to its end
	// before the next is looked at, and the gate would never see that a
	// thousand of them wait for the processor. So everyone who is ready comes
	// in first; when nobody is, this costs nothing worth measuring.
	runtime.Gosched()
	return nil
}

// EndHandshake gives the place back.
func (h *Hub) EndHandshake() { h.gate.leave(h.opts.Clock.Now()) }

// slot is when one client, and no other, should return.
func (h *Hub) slot() time.Duration { return h.gate.slot(h.opts.Clock.Now(), firstSlot) }

func (g *gate) enter(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside >= g.mostLocked() {
		return false
	}
	if g.inside == 0 {
		g.since = now.UnixNano()
	}
	g.inside++
	return true
}

func (g *gate) leave(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	g.ended++
	if g.inside > 0 && g.ended < gateSample && now.UnixNano()-g.since < int64(gateSampleTime) {
		return
	}
	g.busy += time.Duration(now.UnixNano() - g.since)
	g.since = now.UnixNano()
	if g.ended >= gateSample || g.busy >= gateSampleTime {
		g.measureLocked()
	}
}

func (g *gate) measureLocked() {
	sample := float64(g.ended) / max(g.busy, time.Microsecond).Seconds()
	if g.rate == 0 {
		g.rate = sample
	} else {
		g.rate += (sample - g.rate) / 4
	}
	g.ended, g.busy = 0, 0
}

func (g *gate) rateLocked() float64 {
	if g.rate == 0 {
		return startRate
	}
	return g.rate
}

func (g *gate) mostLocked() int {
	return int(min(max(g.rateLocked()*gateWait.Seconds(), leastInside), mostInside))
}

// slot gives out the next time to return, as the time from now, which is at
// least first. A slot is given once, but for those behind maxSlot.
func (g *gate) slot(now time.Time, first time.Duration) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	earliest := now.Add(first).UnixNano()
	if g.next < earliest || g.next > now.Add(maxSlot).UnixNano() {
		g.next = earliest
	}
	at := g.next
	spacing := time.Duration(slotShare / g.rateLocked() * float64(time.Second))
	g.next += int64(min(max(spacing, minSpacing), maxSpacing))
	return time.Duration(at - now.UnixNano())
}
