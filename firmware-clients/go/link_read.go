package client

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// readLoop reads until the connection ends, and returns why it did.
func (l *link) readLoop(ctx context.Context) error {
	for {
		op, payload, err := l.socket.read()
		if err == nil {
			err = l.take(ctx, op, payload)
		}
		var breach *violation
		var closed *CloseError
		switch {
		case errors.As(err, &breach):
			l.socket.writeClose(breach.code)
		case errors.As(err, &closed):
			l.socket.writeClose(closed.Code)
		}
		if err != nil {
			return err
		}
	}
}

func (l *link) take(ctx context.Context, op byte, payload []byte) error {
	switch op {
	case opPing:
		l.c.mu.Lock()
		l.state.pong = append([]byte{}, payload...)
		l.c.wakeLocked()
		l.c.mu.Unlock()
	case opClose:
		return closeErrorOf(payload)
	case opText:
		var f incoming
		if err := json.Unmarshal(payload, &f); err != nil {
			return illegal("a frame is no JSON object")
		}
		return l.frame(ctx, &f)
	}
	return nil // binary frames are of another format
}

// frame deals with one frame. Kinds that it does not know are left alone, so that
// the protocol can grow.
func (l *link) frame(ctx context.Context, f *incoming) error {
	if l.welcomed.IsZero() && f.Type != "welcome" {
		return illegal("the first frame is no welcome but %q", f.Type)
	}
	c := l.c
	switch f.Type {
	case "welcome":
		return l.welcome(ctx, f)
	case "subscribed", "message", "gap":
		return l.ofRoom(ctx, f)
	case "unsubscribed":
		return l.left(ctx, f)
	case "ack":
		c.acked(f)
	case "error":
		return l.refused(ctx, f)
	case "typing":
		l.mention(Typing{Room: f.Room, User: f.User, Active: f.State == "start"})
	case "presence":
		l.mention(Presence{Room: f.Room, User: f.User, Joined: f.Event == "join", Count: f.Count})
	case "token_expiring":
		l.renew(time.Duration(f.ExpiresIn) * time.Second)
	case "auth_ok":
		l.authenticated()
	}
	return nil
}

// emit waits for space in the application's queue.
func (l *link) emit(ctx context.Context, events ...Event) error {
	l.busy.Store(true)
	defer l.busy.Store(false)
	defer l.touch()
	for _, e := range events {
		select {
		case l.c.events <- e:
		case <-l.ctx.Done():
			return context.Cause(l.ctx)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// mention is for events that may be missed: they do not wait.
func (l *link) mention(e Event) {
	select {
	case l.c.events <- e:
	default:
	}
}

func (l *link) welcome(ctx context.Context, f *incoming) error {
	if f.Protocol != protocolVersion {
		return &finalError{errVersion}
	}
	c := l.c
	c.mu.Lock()
	if r := c.rooms[""]; c.home == "" && f.Room != "" { // now the default room has a name
		delete(c.rooms, "")
		c.home = f.Room
		if c.rooms[f.Room] == nil {
			r.name = f.Room
			c.rooms[f.Room] = r
		}
	}
	if c.rooms[c.home] == nil { // left on an earlier connection, and joined again with this one
		l.state.leaving[c.home] = false
	}
	l.state.open, l.state.maxMessage = true, f.MaxMessageBytes
	l.state.silence = time.Duration(f.PingInterval)*time.Second + silenceGrace
	l.welcomed = c.opts.Clock.Now()
	c.serverTime, c.clock, c.heard = time.UnixMilli(f.ServerTime), f.Clock, l.welcomed
	c.wakeLocked()
	c.mu.Unlock()
	return l.emit(ctx, Connected{
		User: f.User, Role: f.Role, Room: f.Room, Connection: f.Connection, Session: f.Session,
		ServerTime: time.UnixMilli(f.ServerTime), Clock: f.Clock,
		ExpiresIn:       time.Duration(f.ExpiresIn) * time.Second,
		PingInterval:    time.Duration(f.PingInterval) * time.Second,
		MaxMessageBytes: f.MaxMessageBytes,
	})
}

// ofRoom deals with what moves a room's position. It moves once the application
// has the events, so that what it was not given is asked for again.
func (l *link) ofRoom(ctx context.Context, f *incoming) error {
	c := l.c
	c.mu.Lock()
	r := c.rooms[f.Room]
	if r == nil {
		c.mu.Unlock()
		return nil
	}
	before, next, events := *r, *r, []Event(nil)
	c.mu.Unlock()
	switch f.Type {
	case "subscribed":
		next, events = before.subscribed(f)
	case "message":
		next, events = before.message(f)
	case "gap":
		next, events = before.gap(f)
	}
	if err := l.emit(ctx, events...); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rooms[f.Room] == r {
		*r = next
	}
	return nil
}

// left deals with the end of a subscription.
func (l *link) left(ctx context.Context, f *incoming) error {
	c := l.c
	c.mu.Lock()
	if f.Reason == reasonRequested {
		delete(l.state.leaving, f.Room)
	} else if r := c.rooms[f.Room]; r != nil && r.confirmed {
		delete(c.rooms, f.Room)
	}
	c.mu.Unlock()
	return l.emit(ctx, Unsubscribed{Room: f.Room, Reason: f.Reason})
}
