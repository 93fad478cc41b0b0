package webhook

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/telemetry"
)

const (
	// queueLength is how many codes may wait. Login limits keep strangers
	// from filling it; a receiver that is away for long can.
	queueLength = 64
	// tryTimeout bounds one try, from the dial to the head of the answer.
	tryTimeout = 10 * time.Second
	// maxHeaderBytes is as much of an answer's head as is read.
	maxHeaderBytes = 16 << 10
)

// The events of log lines.
const (
	eventDelivered = "webhook_delivered"
	eventRetried   = "webhook_retried"
	eventFailed    = "webhook_failed"
	eventDropped   = "webhook_dropped"
)

// Options configure a Sender. All are required.
type Options struct {
	// URL is an absolute http or https address, as package config lets in.
	// Its path and query may hold a secret; only the host is ever logged.
	URL string
	// Site and Version tell the receiver who asks.
	Site, Version string
	Logger        *slog.Logger
	// Now is logical time: what the expiry of codes and the certificate of
	// the receiver are measured with.
	Now func() time.Time
}

// Reset is a code with which a person can set a new password.
type Reset struct {
	Username gateway.AccountName
	// Code is the secret. It is posted and never logged.
	Code string
	// Expires is how long the code is valid from now.
	Expires time.Duration
}

// Sender delivers codes. Deliver may be called by anyone at any time; Run runs
// once.
type Sender struct {
	// Fixed after construction.
	url, host, site, agent string
	logger                 *slog.Logger
	now                    func() time.Time
	client                 *http.Client
	pauses                 []time.Duration // between the tries
	patience               time.Duration   // for all tries together

	queue chan job
}

// job is a code on its way.
type job struct {
	user    gateway.AccountName
	code    string
	request string // id, for the log
	expires time.Time
}

// New makes a Sender. It connects to nobody yet.
func New(o Options) *Sender {
	s := &Sender{
		url: o.URL, site: o.Site, agent: "edgegw/" + o.Version,
		logger: o.Logger, now: o.Now,
		client: newClient(o.Now),
		pauses: []time.Duration{2 * time.Second, 10 * time.Second, 40 * time.Second, 2 * time.Minute},
		// A receiver that restarts is back by then; one that asks for more
		// time than its own pauses gets a little more.
		patience: 5 * time.Minute,
		queue:    make(chan job, queueLength),
	}
	if u, err := url.Parse(o.URL); err == nil {
		s.host = u.Host
	}
	return s
}

// newClient makes a client that talks to the configured host and to nobody else:
// no proxy of the environment, no redirects, no cookies. Connections are not
// kept, since codes are rare.
func newClient(now func() time.Time) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy: nil,
			// The client gives up earlier; these are for what it leaves
			// behind.
			DialContext:         (&net.Dialer{Timeout: tryTimeout}).DialContext,
			TLSHandshakeTimeout: tryTimeout,
			// A board without a battery checks certificates in 1970, unless
			// it asks the clock that knows better.
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, Time: now},
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: maxHeaderBytes,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Deliver takes a code to be delivered and returns at once, so that a request for
// an unknown name takes no other time. When too many wait already, the code is
// dropped and the log says so. ctx gives the request id for the log; its end is
// of no account.
func (s *Sender) Deliver(ctx context.Context, r Reset) {
	j := job{user: r.Username, code: r.Code, request: gateway.OriginOf(ctx).RequestID, expires: s.now().Add(r.Expires)}
	select {
	case s.queue <- j:
	default:
		s.log(slog.LevelWarn, "too many reset codes wait for the webhook; this one is dropped", eventDropped, j, telemetry.KeyReason, "queue_full")
	}
}

// Run delivers codes until ctx is done, then drops what waits and returns nil.
func (s *Sender) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case j := <-s.queue:
			s.deliver(ctx, j)
		}
	}
	for {
		select {
		case j := <-s.queue:
			s.dropped(j)
		default:
			return nil
		}
	}
}

func (s *Sender) dropped(j job) {
	s.log(slog.LevelWarn, "the gateway stops before the reset code is delivered; the person has to ask again", eventDropped, j, telemetry.KeyReason, "stopping")
}

// log writes one line about a code, without the code.
func (s *Sender) log(level slog.Level, msg, event string, j job, more ...any) {
	l := s.logger.With(telemetry.KeyEvent, event, telemetry.KeyUser, string(j.user), "host", s.host)
	if j.request != "" {
		l = l.With(telemetry.KeyRequestID, j.request)
	}
	l.Log(context.Background(), level, msg, more...)
}
