package client

import (
	"context"
	"time"
)

const (
	codeRateLimited = "rate_limited"
	// reasonRequested is that of the answer to an unsubscribe.
	reasonRequested = "requested"
	// leastQuiet is how long a client is quiet that was too fast and was not
	// told how long.
	leastQuiet = 100 * time.Millisecond
	// mostPace bounds how slow it gets.
	mostPace = time.Second
)

// refused deals with an error frame: it is about a publication if it has an id
// of one, about a subscription that waits for its answer, about a fresh token, or
// about the rate. What the client does not put right itself, and nobody waits
// for, is an event.
func (l *link) refused(ctx context.Context, f *incoming) error {
	e := &Error{
		Code: f.Code, Message: f.Message, Room: f.Room, ID: f.ID,
		RetryAfter: time.Duration(f.RetryAfterMS) * time.Millisecond,
	}
	c := l.c
	c.mu.Lock()
	event := l.blameLocked(e)
	c.wakeLocked()
	c.mu.Unlock()
	if event == nil {
		return nil
	}
	return l.emit(ctx, event)
}

func (l *link) blameLocked(e *Error) Event {
	c := l.c
	p, r := c.outbox.byID[e.ID], c.rooms[e.Room]
	switch {
	case p != nil && (e.RetryAfter > 0 || e.Code == codeRateLimited):
		p.sent, p.notBefore = false, c.opts.Clock.Now().Add(max(e.RetryAfter, leastQuiet))
		return nil
	case p != nil:
		c.outbox.settle(p, Receipt{}, e)
		return nil
	case e.ID != "":
	case e.Room == "" && e.Code == codeRateLimited:
		l.slowDownLocked(e.RetryAfter)
	case r != nil && r.asked && !r.confirmed && e.RetryAfter == 0:
		delete(c.rooms, e.Room)
		return Unsubscribed{Room: e.Room, Reason: e.Code}
	case e.Room == "" && l.state.authed && (e.Code == "invalid_token" || e.Code == "token_expired" || e.Code == "forbidden"):
		c.tokens.notTaken(l.state.auth, e.Code)
		l.state.auth, l.state.authed, l.state.renewing = "", false, false
	}
	return Problem{Err: e}
}

// slowDownLocked is for a frame that was lost because there were too many a
// second. Nobody says which it was, so everything without an answer is sent
// again: publications have their ids, and the other commands may come twice.
func (l *link) slowDownLocked(d time.Duration) {
	if d == 0 {
		d = time.Millisecond
		if l.state.pace == 0 {
			d = leastQuiet
		}
	}
	l.state.quietUntil = l.c.opts.Clock.Now().Add(d)
	l.state.pace = min(max(l.state.pace, d), mostPace)
	l.c.outbox.again()
	for _, r := range l.c.rooms {
		r.asked = r.confirmed || r == l.home
	}
	for name := range l.state.leaving {
		if l.c.rooms[name] != nil {
			delete(l.state.leaving, name) // it has been joined again since
			continue
		}
		l.state.leaving[name] = false
	}
	l.state.authed = false
}

// renew gets the connection a fresh token, on a goroutine of its own. The wait is
// random, since whoever connected at the same time is warned at the same time;
// and never none, since a token that lives less than a minute is always about to
// end.
func (l *link) renew(expiresIn time.Duration) {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	if l.state.renewing {
		return
	}
	l.state.renewing = true
	inUse, wait := l.state.token, backoffLeast+spread(l.c.opts.Random, expiresIn/2)
	l.tasks.Go(func() { l.renewLoop(inUse, wait) })
}

// renewLoop tries until it has a token, or the connection ends.
func (l *link) renewLoop(inUse string, wait time.Duration) {
	c := l.c
	tries := backoff{random: c.opts.Random}
	for sleep(l.ctx, c.opts.Clock, wait) == nil {
		token, err := c.tokens.renew(l.ctx, inUse)
		if err == nil {
			c.mu.Lock()
			l.state.auth, l.state.authed = token, false
			c.wakeLocked()
			c.mu.Unlock()
			return
		}
		if final := c.learn(err); final != nil {
			l.cancel(&finalError{final})
			return
		}
		wait = tries.next()
		if told := retryAfter(err); told > 0 {
			wait = tries.told(told + spread(c.opts.Random, time.Second))
		}
	}
}

// authenticated notes that the gateway took the fresh token.
func (l *link) authenticated() {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	if l.state.auth == "" {
		return // it was sent twice
	}
	l.state.token, l.state.auth = l.state.auth, ""
	l.state.authed, l.state.renewing = false, false
	l.c.tokens.taken()
}
