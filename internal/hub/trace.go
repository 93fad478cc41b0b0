package hub

import (
	"sync"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// mostTraces bounds for how many devices something is known; more than that do not
// fit on a board.
const mostTraces = 4096

// Trace is what a device has left since the start of the gateway, so that somebody
// can be told why it is not there. It is in memory only.
type Trace struct {
	// Closed is the close code that ended its last connection: the gateway's,
	// else the device's, else 1006; 0 while none has ended. Reason is the
	// code's name in the protocol, "" for one that is not of it.
	Closed   uint16
	Reason   string
	ClosedAt gateway.Timestamp
	// Refused is why its last handshake was refused, "" while none was.
	Refused   gateway.Code
	RefusedAt gateway.Timestamp
	// Skew is how far the device's clock is ahead of the gateway's, nil while
	// it has not told its time.
	Skew *time.Duration
}

// traces are by device.
type traces struct {
	mu   sync.Mutex
	last map[gateway.AccountName]Trace
}

func (t *traces) note(p *gateway.Principal, change func(*Trace)) {
	if p.Kind != gateway.KindDevice {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil {
		t.last = make(map[gateway.AccountName]Trace)
	}
	trace, known := t.last[p.Name]
	if !known && len(t.last) >= mostTraces {
		for other := range t.last { // any one goes
			delete(t.last, other)
			break
		}
	}
	change(&trace)
	t.last[p.Name] = trace
}

// Trace is what is known of a device; nothing of a person.
func (h *Hub) Trace(name gateway.AccountName) Trace {
	h.traces.mu.Lock()
	defer h.traces.mu.Unlock()
	return h.traces.last[name]
}

// NoteSkew notes what a device has said of its clock: how far it is ahead.
func (h *Hub) NoteSkew(p gateway.Principal, ahead time.Duration) {
	h.traces.note(&p, func(t *Trace) { t.Skew = &ahead })
}

func (h *Hub) noteClosed(p *gateway.Principal, code uint16) {
	h.traces.note(p, func(t *Trace) { t.Closed, t.Reason, t.ClosedAt = code, wire.CloseCode(code).Name(), h.now() })
}

func (h *Hub) noteRefused(p *gateway.Principal, err error) {
	h.traces.note(p, func(t *Trace) { t.Refused, t.RefusedAt = gateway.CodeOf(err), h.now() })
}
