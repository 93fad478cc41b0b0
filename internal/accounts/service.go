package accounts

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/password"
	"edgegw/internal/token"
)

// ResultOK is the result of a login that succeeded.
const ResultOK = "ok"

// LoginResults are the results that Observe.Login gets: ResultOK or the code of
// the refusal.
var LoginResults = []string{
	ResultOK, string(gateway.CodeInvalidCredentials), string(gateway.CodeInvalidRequest), string(gateway.CodeForbidden),
	string(gateway.CodeRateLimited), string(gateway.CodeAccountLocked),
	string(gateway.CodeBusy), string(gateway.CodeUnavailable), string(gateway.CodeInternal),
}

// Observe tells what happened, for metrics. Each member may be nil.
type Observe struct {
	// Login gets the result of each login of a person or a device, one of
	// LoginResults.
	Login func(result string)
	// Refused gets the reason of each refused access or refresh token.
	Refused func(token.Reason)
}

// Live is told, after the commit, what has to reach live sockets at once.
type Live interface {
	// EndSessions closes the sockets whose token belongs to one of the
	// sessions.
	EndSessions([]gateway.SessionID)
	// SetPrincipal gives the account's sockets its new role and grants.
	SetPrincipal(gateway.Principal)
	// CloseAccount closes all sockets of an account that is disabled or gone.
	CloseAccount(gateway.AccountName)
}

// KeyFile is the file of the signing keys.
type KeyFile interface {
	// Rotate adds a key to the file, makes it the active one, and takes those
	// out for which drop is true.
	Rotate(drop func(kid string) bool) (kid string, err error)
	// Load reads the file.
	Load() (*token.KeyRing, error)
}

// Options configure a Service. All are required unless they say otherwise.
type Options struct {
	Store  Store
	Hasher *password.Hasher
	Policy password.Policy
	Tokens *token.Authority
	// AccessTTL and DeviceAccessTTL are how long an access token lives,
	// RefreshTTL and DeviceRefreshTTL how long a session does without being
	// refreshed; each at least 1 s.
	AccessTTL, DeviceAccessTTL   time.Duration
	RefreshTTL, DeviceRefreshTTL time.Duration
	Limits                       Limits
	// DefaultGrants are for new people that are given none; may be nil.
	DefaultGrants gateway.Grants
	// Now is the logical time.
	Now func() time.Time
	// Boot names the run of the machine and the time since its start, which
	// no clock falsifies; nil is unknown.
	Boot func() (id uint64, since time.Duration)
	// AgeTime is the time that ages are measured by, and whether events may be
	// purged by it; nil is no.
	AgeTime func() (now time.Time, trusted bool)
	// Live hears what has to reach live sockets; nil when there are none.
	Live Live
	// Keys is where RotateKey works; nil when it cannot.
	Keys KeyFile
	// Deliver sends a reset code to its person, and returns at once; nil
	// leaves reset requests to administrators.
	Deliver func(ctx context.Context, name gateway.AccountName, code string, life time.Duration)
	Logger  *slog.Logger
	Observe Observe
}

func (o *Options) check() error {
	if o.Store == nil || o.Hasher == nil || o.Tokens == nil || o.Now == nil || o.Logger == nil ||
		min(o.AccessTTL, o.DeviceAccessTTL, o.RefreshTTL, o.DeviceRefreshTTL) < time.Second {
		return errors.New("accounts.New: Store, Hasher, Tokens, Now, Logger and lifetimes of 1 s or more are required")
	}
	if o.Boot == nil {
		o.Boot = func() (uint64, time.Duration) { return 0, 0 }
	}
	if o.AgeTime == nil {
		o.AgeTime = func() (time.Time, bool) { return time.Time{}, false }
	}
	if o.Live == nil {
		o.Live = nobody{}
	}
	if o.Observe.Login == nil {
		o.Observe.Login = func(string) {}
	}
	if o.Observe.Refused == nil {
		o.Observe.Refused = func(token.Reason) {}
	}
	return nil
}

// nobody is the Live of a store without a gateway.
type nobody struct{}

func (nobody) EndSessions([]gateway.SessionID)  {}
func (nobody) SetPrincipal(gateway.Principal)   {}
func (nobody) CloseAccount(gateway.AccountName) {}

// Service does what the package comment says. It is safe for concurrent use.
type Service struct {
	// Fixed after construction.
	opts     Options
	sealer   *token.Sealer
	strikes  *strikes
	rates    rates
	requests chan resetRequest
	setup    setupCode

	// hasAdmin never turns false again: no operation takes the last enabled
	// administrator away.
	hasAdmin atomic.Bool
	// revision moves whenever something changed that a token or a live socket
	// depends on.
	revision atomic.Uint64

	// rotating is held while signing keys are put in use, following while
	// live sockets are made to follow an account.
	rotating, following sync.Mutex

	held  held
	stats statsCache
}

// New returns a Service. It reads from the store whether there is an enabled
// administrator, and the key of refresh tokens.
func New(o Options) (*Service, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &Service{
		opts: o, strikes: newStrikes(o.Limits), rates: newRates(o.Limits),
		requests: make(chan resetRequest, maxResetRequests),
	}
	s.held.budget = newBucket(heldBurst, heldEvery)
	err := o.Store.View(func(tx Tx) error {
		found, err := anyAdmin(tx, "")
		if err != nil {
			return err
		}
		s.hasAdmin.Store(found)
		key, err := tx.RefreshKey()
		if err != nil {
			return err
		}
		s.sealer, err = token.NewSealer(key)
		return err
	})
	if err != nil {
		return nil, wrap("accounts.New", err)
	}
	return s, nil
}

// HasAdmin reports whether there is an enabled administrator. It costs one
// atomic load.
func (s *Service) HasAdmin() bool { return s.hasAdmin.Load() }

// Revision moves after every change that a token or a live socket depends on,
// before Live is told. Who authenticates, registers, and then still sees the
// same revision has missed nothing.
func (s *Service) Revision() uint64 { return s.revision.Load() }

func (s *Service) now() gateway.Timestamp { return gateway.Timestamp(s.opts.Now().UnixMilli()) }

func enabledAdmin(a gateway.Account) bool { return a.Role == gateway.RoleAdmin && !a.Disabled }

// anyAdmin reports whether there is an enabled administrator besides the one
// called except.
func anyAdmin(tx Tx, except gateway.AccountName) (found bool, err error) {
	err = tx.Accounts(func(a gateway.Account) bool {
		found = enabledAdmin(a) && a.Name != except
		return !found
	})
	return found, err
}

// wrap gives a store's error its place, unless it speaks for itself already.
func wrap(op string, err error) error {
	var e *gateway.Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	return gateway.Wrap(op, err)
}

// log writes one line with the event, the account and the origin of ctx, where
// they are known.
func (s *Service) log(ctx context.Context, level slog.Level, msg string, event gateway.Event, user string, attrs ...slog.Attr) {
	o := gateway.OriginOf(ctx)
	all := make([]slog.Attr, 1, 5+len(attrs))
	all[0] = slog.String("event", string(event))
	attrs = append(attrs, slog.String("user", user), slog.String("actor", o.Actor),
		slog.String("ip", o.IP), slog.String("request_id", o.RequestID))
	for _, a := range attrs {
		if a.Value.String() != "" {
			all = append(all, a)
		}
	}
	s.opts.Logger.LogAttrs(ctx, level, msg, all...)
}
