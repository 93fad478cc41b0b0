package client

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"
)

// Options say which gateway, as whom, and what to do with what comes. URL and
// Login are required.
type Options struct {
	// URL is the gateway's address, http://HOST:PORT or https://HOST.
	URL   string
	Login Login

	// Room is the default room; empty leaves it to the token, and then to the
	// gateway, which takes lobby.
	Room string
	// From is where to go on in the default room: what an earlier run had;
	// nil begins with what is published from now on.
	From *Position
	// Latest asks for the newest stored message of the default room whenever
	// what was missed cannot be replayed, the first time included.
	Latest bool

	// Handle is given what happens, one event at a time and in order. It may
	// take its time: up to Queue events wait for it, then the gateway waits,
	// and in the end takes the client for slow. It must not wait for a
	// Publication, whose ack stands behind the events. When it is nil, events
	// are thrown away.
	Handle func(Event)
	// Queue is how many events wait for Handle at most; 0 is 256.
	Queue int
	// Outbox is how many publications wait for their acks at most, in all
	// rooms; 0 is 256. Behind that, Send waits.
	Outbox int
	// MaxFrameBytes is the longest message that is taken from the gateway;
	// 0 is 8 MiB, which holds whatever a gateway lets anyone publish.
	MaxFrameBytes int
	// Timeout is how long a request, a handshake with its welcome, and a
	// write may take; 0 is 10 s.
	Timeout time.Duration

	// Subprotocol sends the token in Sec-WebSocket-Protocol, as browsers have
	// to, instead of in Authorization.
	Subprotocol bool
	// TLS is for https: the gateway's own CA goes into its RootCAs. nil is
	// what the system trusts.
	TLS *tls.Config
	// Dial opens the connections, for requests and for the WebSocket; nil is
	// that of a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Clock is nil for the system's.
	Clock Clock
	// Random is where masks, ids and waits come from; nil is crypto/rand.
	Random io.Reader
}

// Login is what a client logs in with: a password, a device key, a refresh token
// that it has kept, or tokens from elsewhere.
type Login struct {
	// Username and Password are a person's.
	Username, Password string
	// DeviceKey is a device's.
	DeviceKey string
	// RefreshToken goes on with the session of an earlier run. It is tried
	// before password and key, and spares the gateway a password hash.
	RefreshToken string
	// Save keeps the session's newest refresh token for the next run, where a
	// power cut cannot tear it. If the power goes before it has, the one
	// before still works.
	Save func(refreshToken string)
	// Source gives tokens instead of all that, for example those of another
	// service. It is called again when its token has ended or was refused,
	// and again after an error, unless that is ErrLoginNeeded.
	Source func(ctx context.Context) (Token, error)
}

// Token is an access token.
type Token struct {
	Access string
	// ExpiresIn is how long it is valid from now on. It is a duration, since
	// the device's calendar may be wrong.
	ExpiresIn time.Duration
}

// Position is how far a client has come in a room.
type Position struct {
	// Epoch is that of the newest message, or empty when it is not known:
	// then nobody can say what is missing.
	Epoch string
	// Seq is the newest message's; 0 asks for everything that is kept.
	Seq uint64
}

// complete checks the options and fills in the defaults.
func (o *Options) complete() (*url.URL, error) {
	base, err := url.Parse(o.URL)
	switch {
	case err != nil:
		return nil, fmt.Errorf("client: URL: %w", err)
	case base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.User != nil || base.RawQuery != "":
		return nil, errors.New("client: URL has to be http://HOST:PORT or https://HOST, with no user and no query")
	case o.From != nil && o.Room == "":
		return nil, errors.New("client: From needs Room")
	}
	if err := o.Login.check(); err != nil {
		return nil, err
	}
	if err := o.From.check(); err != nil {
		return nil, err
	}
	o.Queue = orDefault(o.Queue, 256)
	o.Outbox = orDefault(o.Outbox, 256)
	o.MaxFrameBytes = orDefault(o.MaxFrameBytes, 8<<20)
	o.Timeout = orDefault(o.Timeout, 10*time.Second)
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	if o.Clock == nil {
		o.Clock = systemClock{}
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	return base, nil
}

func orDefault[T int | time.Duration](v, standard T) T {
	if v <= 0 {
		return standard
	}
	return v
}

func (l *Login) check() error {
	ways := 0
	for _, has := range []bool{l.Username != "" || l.Password != "", l.DeviceKey != "", l.Source != nil} {
		if has {
			ways++
		}
	}
	switch {
	case ways > 1:
		return errors.New("client: Login has more than one of password, device key and source")
	case ways == 0 && l.RefreshToken == "":
		return errors.New("client: Login needs Username and Password, or DeviceKey, RefreshToken or Source")
	case (l.Username == "") != (l.Password == ""):
		return errors.New("client: Login needs both Username and Password")
	case l.Source != nil && (l.RefreshToken != "" || l.Save != nil):
		return errors.New("client: with Source the client has no refresh tokens")
	}
	return nil
}

// maxSeq is the largest seq that the protocol can name.
const maxSeq = 1 << 53

func (p *Position) check() error {
	if p != nil && (p.Seq > maxSeq || len(p.Epoch) > 64) {
		return errors.New("client: no gateway has given such a position")
	}
	return nil
}
