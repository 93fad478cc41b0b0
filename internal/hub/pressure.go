package hub

import "sync"

// Pressure is how much the gateway has to do without, because something is
// running out. Each level includes those below it.
type Pressure int32

// The levels.
const (
	// PressureNone: everything is served.
	PressureNone Pressure = iota
	// PressureEphemeral: typing and presence are not sent. What is counted
	// stays right, and what is still true when the level falls is told then.
	PressureEphemeral
	// PressureReplays: a replay brings pressedReplay messages at most, and
	// fewer replays go on at once.
	PressureReplays
	// PressureConnections: new connections are sent away with a time to
	// return, and less may wait for a socket.
	PressureConnections
)

// pressedReplay is the longest replay under PressureReplays, in messages.
const pressedReplay = 200

// pagesAtOnce is how many replays may have a page in memory at once, and
// pressedPages how many under PressureReplays.
const (
	pagesAtOnce  = 32
	pressedPages = 4
)

// pressedQueue is how many times less may wait for a socket under
// PressureConnections: who reads too slowly then goes earlier, and comes back.
const pressedQueue = 4

// SetPressure says what the hub has to do without from now on.
func (h *Hub) SetPressure(p Pressure) {
	h.pressure.Store(int32(p))
	if p >= PressureReplays {
		h.pages.limit(pressedPages)
	} else {
		h.pages.limit(pagesAtOnce)
	}
}

// Pressure returns what SetPressure was told last.
func (h *Hub) Pressure() Pressure { return Pressure(h.pressure.Load()) }

// WaitingBytes is what batches take of memory that wait for sockets, each
// counted once however many it waits for.
func (h *Hub) WaitingBytes() int64 { return h.waiting.Load() }

// queueBytes is how much may wait for one socket.
func (h *Hub) queueBytes() int {
	if h.Pressure() >= PressureConnections {
		return h.opts.Limits.QueueBytes / pressedQueue
	}
	return h.opts.Limits.QueueBytes
}

// pages are the turns of all replays: each page in memory takes one. Who waits
// is served in order.
type pages struct {
	mu      sync.Mutex
	most    int
	out     int
	waiting []chan struct{}
}

// take waits for a turn. Turns come back soon: nobody who has one waits for a
// client.
func (p *pages) take() {
	p.mu.Lock()
	if p.out < p.most && len(p.waiting) == 0 {
		p.out++
		p.mu.Unlock()
		return
	}
	turn := make(chan struct{})
	p.waiting = append(p.waiting, turn)
	p.mu.Unlock()
	<-turn
}

func (p *pages) give() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out--
	p.wakeLocked()
}

func (p *pages) limit(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.most = n
	p.wakeLocked()
}

func (p *pages) wakeLocked() {
	for p.out < p.most && len(p.waiting) > 0 {
		p.out++
		close(p.waiting[0])
		p.waiting = p.waiting[1:]
	}
}
