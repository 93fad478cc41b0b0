package client

import "time"

// writeLoop sends what there is to send until the connection ends.
func (l *link) writeLoop() {
	for {
		op, payload, wait := l.next()
		if payload != nil {
			if err := l.socket.write(op, payload); err != nil {
				// The reader may still come to the close frame that says why.
				_ = sleep(l.ctx, l.c.opts.Clock, goodbye)
				l.cancel(err)
				return
			}
			continue
		}
		if !l.rest(wait) {
			return
		}
	}
}

// rest waits until there may be something to send, which is after wait at the
// latest unless that is 0. It reports false when the connection has ended.
func (l *link) rest(wait time.Duration) bool {
	if wait > 0 {
		stop := l.c.opts.Clock.AfterFunc(wait, func() {
			l.c.mu.Lock()
			defer l.c.mu.Unlock()
			l.c.wakeLocked()
		})
		defer stop()
	}
	select {
	case <-l.wake:
		return true
	case <-l.ctx.Done():
		return false
	}
}

// next returns the frame to send now, or none and how long to wait for one.
func (l *link) next() (op byte, payload []byte, wait time.Duration) {
	c, s := l.c, &l.state
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.pong != nil {
		payload, s.pong = s.pong, nil
		return opPong, payload, 0
	}
	if !s.open {
		return 0, nil, 0
	}
	now := c.opts.Clock.Now()
	if left := s.quietUntil.Sub(now); left > 0 {
		return 0, nil, left
	}
	payload = l.commandLocked()
	if payload == nil {
		payload, wait = l.publicationLocked(now)
	}
	if payload != nil && s.pace > 0 {
		s.quietUntil = now.Add(s.pace)
	}
	return opText, payload, wait
}

// commandLocked returns the next command, or nil. Rooms are left before they are
// joined again.
func (l *link) commandLocked() []byte {
	c, s := l.c, &l.state
	if s.auth != "" && !s.authed {
		s.authed = true
		return command{Type: "auth", Token: s.auth}.encode()
	}
	for name, sent := range s.leaving {
		if !sent {
			s.leaving[name] = true
			return command{Type: "unsubscribe", Room: name}.encode()
		}
	}
	for name, r := range c.rooms {
		if !r.asked && name != "" {
			r.asked = true
			return r.resume().command(name).encode()
		}
	}
	for name, active := range s.typing {
		delete(s.typing, name)
		state := "stop"
		if active {
			state = "start"
		}
		return command{Type: "typing", Room: name, State: state}.encode()
	}
	return nil
}

// publicationLocked returns the next message to publish, or none and how long to
// wait for one. What is longer than the gateway takes ends here.
func (l *link) publicationLocked(now time.Time) (frame []byte, wait time.Duration) {
	for {
		p, wait := l.c.outbox.next(now)
		if p == nil {
			return nil, wait
		}
		if l.state.maxMessage == 0 || len(p.frame) <= l.state.maxMessage {
			p.sent = true
			return p.frame, 0
		}
		l.c.outbox.settle(p, Receipt{}, ErrTooLarge)
	}
}
