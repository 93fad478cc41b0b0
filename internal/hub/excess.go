package hub

import (
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

const (
	// excessPatience is how long a client may go on sending more than it may
	// until it is closed with 4003. Who keeps to the rate for excessCalm
	// begins anew.
	excessPatience = 5 * time.Second
	excessCalm     = time.Second
	// excessTold is how often a client is told of it: its flood shall not
	// become ours.
	excessTold = 250 * time.Millisecond
	// ratePause is how long who was closed with 4003 is told to stay away.
	ratePause = 5 * time.Second
)

// excess is what a session has sent beyond its rate.
type excess struct {
	since, newest time.Time // of the refusals without a calm between them
	told          time.Time // when the client was told last
	lost          int       // frames that it was not told of yet
}

// allow applies the rate of data frames a second. What is over it is lost; the
// client is told of that first, and closed when it goes on regardless. A flood
// far beyond the rate is the frame guard's business.
func (s *Session) allow() bool {
	s.mu.Lock()
	s.reapLocked()
	closing, exceeded := s.closing, s.excess != nil
	s.mu.Unlock()
	if closing {
		return false
	}
	if s.limiter == nil {
		return true
	}
	now := s.hub.opts.Clock.Now()
	if s.limiter.AllowN(now, 1) {
		if exceeded {
			s.tellExcess(now)
		}
		return true
	}
	s.exceed(now)
	return false
}

// exceed deals with a frame that is not taken.
func (s *Session) exceed(now time.Time) {
	s.hub.opts.Metrics.Dropped(DropRateLimited, 1)
	if s.raw {
		s.Abort(wire.CloseRateLimited) // there is no frame to say it with
		return
	}
	if s.noteExcess(now) > excessPatience {
		s.Abort(wire.CloseRateLimited)
		return
	}
	s.tellExcess(now)
}

// noteExcess counts a frame that is not taken, and returns for how long there
// have been such frames.
func (s *Session) noteExcess(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.excess == nil {
		s.excess = new(excess)
	}
	e := s.excess
	if now.Sub(e.newest) > excessCalm {
		e.since = now
	}
	e.newest = now
	e.lost++
	return now.Sub(e.since)
}

// tellExcess tells the client what was lost since it was told last, if that is
// long enough ago. The sweep calls it too: no frame may follow the lost ones.
func (s *Session) tellExcess(now time.Time) {
	s.mu.Lock()
	e := s.excess
	if e == nil || e.lost == 0 || now.Sub(e.told) < excessTold {
		s.mu.Unlock()
		return
	}
	lost := e.lost
	e.lost, e.told = 0, now
	s.mu.Unlock()
	err := gateway.Errorf(gateway.CodeRateLimited, "more than %d frames a second; %d not taken; send fewer, or the connection is closed",
		s.hub.opts.Limits.MessageRate, lost)
	r := s.limiter.ReserveN(now, 1)
	err.RetryAfter = max(time.Millisecond, r.DelayFrom(now))
	r.CancelAt(now)
	s.send(wire.AppendError(nil, err, nil, nil))
}
