package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Client is one account's connection to one gateway, over all breaks. Its
// methods may be called from any goroutine, before Run too.
type Client struct {
	// Fixed after construction.
	opts     Options
	dial     *dialer
	api      *api
	tokens   *tokens
	events   chan Event
	stopped  chan struct{} // closed when Run returns
	idPrefix string

	// Owned by Run.
	backoff backoff
	// unsure: a handshake failed and no answer of the gateway said why.
	unsure bool

	mu      sync.Mutex
	running bool
	rooms   map[string]*room
	// home is the default room's name, or empty until the gateway has told it.
	home   string
	outbox *outbox
	nextID uint64
	link   *link // the connection of now, or nil
	// serverTime is what the newest welcome said, and heard when.
	serverTime, heard time.Time
	clock             string
}

// New makes a client; Run connects it.
func New(o Options) (*Client, error) {
	base, err := o.complete()
	if err != nil {
		return nil, err
	}
	c := &Client{
		opts: o, stopped: make(chan struct{}), events: make(chan Event, o.Queue),
		rooms: map[string]*room{}, home: o.Room, outbox: newOutbox(o.Outbox),
		backoff: backoff{random: o.Random},
	}
	if c.idPrefix, err = newIDPrefix(&c.opts); err != nil {
		return nil, fmt.Errorf("client: randomness: %w", err)
	}
	c.dial = &dialer{opts: &c.opts, base: base}
	c.api = newAPI(c.dial)
	c.tokens = newTokens(c.api, &c.opts.Login, o.Clock)
	// A default room without a name gets it with the first welcome.
	c.rooms[o.Room] = &room{name: o.Room, from: o.From, latest: o.Latest}
	return c, nil
}

// Run connects, and connects again, until ctx ends or it is of no use to go on.
// It returns the context's error, or why it stopped: ErrLoginNeeded, a
// *CloseError whose code tells clients to stop, or an *Error for a handshake
// that will not get better. Handle is not called any more when Run has returned,
// and everything unacknowledged is given up. Run works once.
func (c *Client) Run(ctx context.Context) error {
	c.mu.Lock()
	again := c.running
	c.running = true
	c.mu.Unlock()
	if again {
		return errors.New("client: Run works once")
	}
	handled := make(chan struct{})
	go func() {
		defer close(handled)
		c.handleLoop(ctx)
	}()
	err := c.stayConnected(ctx)
	c.giveUp(err)
	close(c.events)
	<-handled
	return err
}

// handleLoop gives the application its events. When ctx ends, those that wait
// are thrown away.
func (c *Client) handleLoop(ctx context.Context) {
	for e := range c.events {
		if c.opts.Handle != nil && ctx.Err() == nil {
			c.opts.Handle(e)
		}
	}
}

func (c *Client) giveUp(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.stopped)
	for len(c.outbox.list) > 0 {
		c.outbox.settle(c.outbox.list[0], Receipt{}, fmt.Errorf("%w: %w: %w", ErrUnconfirmed, ErrStopped, err))
	}
}

// Token returns an access token for requests of one's own, for example for
// history; it is good for some seconds at least.
func (c *Client) Token(ctx context.Context) (string, error) {
	access, _, err := c.tokens.get(ctx)
	return access, err
}

// Position returns how far the client has come in a room, for an application
// that goes on there in its next run. Events that still wait for Handle count;
// an application that must not miss them keeps the Position of the newest
// Message that it has dealt with.
func (c *Client) Position(roomName string) (at Position, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.rooms[roomName]
	if r == nil || !r.known {
		return Position{}, false
	}
	return r.at, true
}

// ServerTime returns the gateway's time, counted on from the newest welcome, for
// devices that have no clock to trust. It is not known before the first welcome,
// nor from a gateway that itself has no idea of the time (its clock is none).
func (c *Client) ServerTime() (now time.Time, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.heard.IsZero() || c.clock == "none" {
		return time.Time{}, false
	}
	return c.serverTime.Add(c.opts.Clock.Now().Sub(c.heard)), true
}

// wakeLocked tells the connection's writer that there is something to do.
func (c *Client) wakeLocked() {
	if c.link == nil {
		return
	}
	select {
	case c.link.wake <- struct{}{}:
	default:
	}
}

// connect tries once to get a connection, and lives on it until it ends. It
// never returns nil.
func (c *Client) connect(ctx context.Context) error {
	token, isNew, err := c.tokens.get(ctx)
	if err != nil {
		return err
	}
	if c.unsure && !isNew {
		// Nothing said why the last handshake failed; this one does not go
		// in blind (PROTOCOL section 7).
		if err := c.api.me(ctx, token); err != nil {
			status := c.blame(token, err)
			c.unsure = status == 0 || temporary(status)
			return err
		}
	}
	l := newLink(c, token)
	query, home := c.query()
	l.home = home
	socket, err := c.dial.webSocket(ctx, token, query, l.touch)
	if err != nil {
		c.unsure = c.blame(token, err) == 0
		return err
	}
	c.unsure = false
	c.tokens.taken()
	return l.run(ctx, socket)
}

// blame notes what an answer says about the token that was asked with. It returns
// the answer's status, or 0 when there was none.
func (c *Client) blame(token string, err error) (status int) {
	var e *Error
	if !errors.As(err, &e) {
		return 0
	}
	if e.Status == http.StatusUnauthorized {
		c.tokens.notTaken(token, e.Code)
	}
	return e.Status
}

// query is the query of a handshake (PROTOCOL section 2), and the room that it
// joins, or nil when the application has left that.
func (c *Client) query() (url.Values, *room) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := url.Values{}
	if c.home != "" {
		q.Set("room", c.home)
	}
	home := c.rooms[c.home]
	if home != nil {
		home.resume().addTo(q)
	}
	return q, home
}
