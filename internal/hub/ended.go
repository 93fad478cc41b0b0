package hub

import (
	"sync"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// mostEnds bounds for how many devices the end of the last connection is known;
// more than that do not fit on a board.
const mostEnds = 4096

// End is how a connection ended.
type End struct {
	// Code is the close code: the gateway's, else the peer's, else 1006.
	Code uint16
	// Name is the code's in the protocol, "" for one that is not of it.
	Name string
	At   gateway.Timestamp
}

// ends keeps for each device how its last connection ended, so that somebody can
// be told why it is not there. They are gone with the process.
type ends struct {
	mu   sync.Mutex
	last map[gateway.AccountName]End
}

func (e *ends) note(name gateway.AccountName, end End) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.last == nil {
		e.last = make(map[gateway.AccountName]End)
	}
	if _, known := e.last[name]; !known && len(e.last) >= mostEnds {
		for other := range e.last { // any one goes
			delete(e.last, other)
			break
		}
	}
	e.last[name] = end
}

// LastEnd is how the last connection of a device ended since the start; false when
// none has.
func (h *Hub) LastEnd(name gateway.AccountName) (End, bool) {
	h.ends.mu.Lock()
	defer h.ends.mu.Unlock()
	end, known := h.ends.last[name]
	return end, known
}

// ended notes the end of a device's connection.
func (h *Hub) ended(p *gateway.Principal, code uint16) {
	if p.Kind == gateway.KindDevice {
		h.ends.note(p.Name, End{Code: code, Name: wire.CloseCode(code).Name(), At: h.now()})
	}
}
