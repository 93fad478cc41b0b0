package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// silenceGrace is added to ping_interval before a silent gateway is taken
	// for gone (PROTOCOL section 7).
	silenceGrace = 10 * time.Second
	// goodbye is how long the answer to a close frame is awaited.
	goodbye = time.Second
	// protocolVersion is the one that this client speaks.
	protocolVersion = 1
)

// Errors of connections that nobody closed.
var (
	errSilent  = errors.New("client: the gateway is silent; the connection is taken for dead")
	errVersion = fmt.Errorf("client: the gateway speaks another version of the protocol than %d", protocolVersion)
)

// link is one connection. It has a reader, which is the goroutine of Client.Run,
// a writer, and now and then a goroutine that gets a fresh token.
type link struct {
	c     *Client
	began time.Time
	home  *room         // the default room, if the handshake joined it on purpose
	wake  chan struct{} // for the writer
	seen  atomic.Int64  // when something last came, after began
	busy  atomic.Bool   // the reader waits for the application

	// Set by run.
	socket *socket
	ctx    context.Context // ends with the connection
	cancel context.CancelCauseFunc
	tasks  sync.WaitGroup

	// Owned by the reader.
	welcomed time.Time // zero before

	// Guarded by the client's lock.
	state linkState
}

// linkState is what the writer works off, and what limits it.
type linkState struct {
	open       bool // the welcome has come
	maxMessage int  // bytes
	silence    time.Duration
	token      string // the connection's
	renewing   bool

	pong    []byte          // of the newest ping, or nil
	typing  map[string]bool // by room, the newest state
	leaving map[string]bool // rooms to leave: whether the command has gone out
	auth    string          // a fresh token that the gateway has not taken yet
	authed  bool            // it has gone out

	// What was refused as too fast: nothing but pongs before quietUntil, and
	// pace between any two frames from then on.
	quietUntil time.Time
	pace       time.Duration
}

func newLink(c *Client, token string) *link {
	l := &link{c: c, wake: make(chan struct{}, 1), began: c.opts.Clock.Now()}
	l.state = linkState{
		token: token, silence: c.opts.Timeout,
		typing: map[string]bool{}, leaving: map[string]bool{},
	}
	return l
}

// touch notes a sign of life.
func (l *link) touch() { l.seen.Store(int64(l.c.opts.Clock.Now().Sub(l.began))) }

// run lives on the connection until it ends, and returns why it did.
func (l *link) run(ctx context.Context, s *socket) error {
	l.socket = s
	l.ctx, l.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	l.begin()
	gone := make(chan struct{})
	stopLeaving := context.AfterFunc(ctx, func() {
		defer close(gone)
		l.leave()
	})
	stopClosing := context.AfterFunc(l.ctx, func() { _ = s.conn.Close() })
	l.tasks.Go(l.writeLoop)
	l.tasks.Go(l.watchLoop)
	err := l.readLoop(ctx)
	l.cancel(err)
	if !stopLeaving() {
		<-gone
	}
	if stopClosing() {
		_ = s.conn.Close()
	}
	l.tasks.Wait()
	l.c.mu.Lock()
	l.c.link = nil
	l.c.mu.Unlock()
	if !l.welcomed.IsZero() && l.c.opts.Clock.Now().Sub(l.welcomed) >= stableAfter {
		l.c.backoff.reset()
	}
	return context.Cause(l.ctx) // whatever ended it first
}

// begin makes this the connection of now, on which nothing has been sent.
func (l *link) begin() {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	l.c.link = l
	l.c.outbox.again()
	for _, r := range l.c.rooms {
		r.asked, r.confirmed = r == l.home, false
	}
}

// leave says goodbye: the client is to stop.
func (l *link) leave() {
	stop := l.c.opts.Clock.AfterFunc(goodbye, func() { l.cancel(context.Canceled) })
	defer stop()
	l.socket.writeClose(closeNormal)
	<-l.ctx.Done()
}

// watchLoop ends a connection on which nothing comes any more: the gateway sends
// a ping every ping_interval, so silence means that it cannot be heard. A reader
// that waits for the application hears nothing either, and says nothing about
// the gateway.
func (l *link) watchLoop() {
	clock := l.c.opts.Clock
	for {
		l.c.mu.Lock()
		most := l.state.silence
		l.c.mu.Unlock()
		left := most - (clock.Now().Sub(l.began) - time.Duration(l.seen.Load()))
		if l.busy.Load() {
			left = most
		}
		if left <= 0 {
			l.cancel(errSilent)
			return
		}
		if sleep(l.ctx, clock, min(left, silenceGrace)) != nil {
			return
		}
	}
}
