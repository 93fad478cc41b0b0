package accounts

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/password"
	"edgegw/internal/token"
)

// Store keeps the accounts. Errors that are no *gateway.Error count as internal.
type Store interface {
	// View runs f on a consistent snapshot.
	View(f func(Tx) error) error
	// Update runs f alone. When it returns nil, everything that f did is
	// durable; when f or the commit fails, nothing of it is there.
	Update(f func(Tx) error) error
}

// Tx is a transaction of a Store. What it returns stays valid after it.
type Tx interface {
	// Account reports whether the account exists.
	Account(gateway.AccountName) (gateway.Account, bool, error)
	// PutAccount adds or replaces an account.
	PutAccount(gateway.Account) error
	// DeleteAccount removes an account; it is no error if there is none.
	DeleteAccount(gateway.AccountName) error
	// Accounts yields the accounts in any order until yield returns false.
	Accounts(yield func(gateway.Account) bool) error
}

// ResultOK is the result of a login that succeeded.
const ResultOK = "ok"

// LoginResults are the results that Observe.Login gets: ResultOK or the code of
// the refusal.
var LoginResults = []string{
	ResultOK, string(gateway.CodeInvalidCredentials), string(gateway.CodeInvalidRequest), string(gateway.CodeForbidden),
	string(gateway.CodeBusy), string(gateway.CodeUnavailable), string(gateway.CodeInternal),
}

// Observe tells what happened, for metrics and for sockets that have to go. Each
// member may be nil.
type Observe struct {
	// Login gets the result of each login, one of LoginResults.
	Login func(result string)
	// Refused gets the reason of each refused token.
	Refused func(token.Reason)
	// Changed is called after an account's password, rights or existence
	// changed, once that is durable.
	Changed func(gateway.AccountName)
}

// Options configure a Service. All but Observe and DefaultGrants are required.
type Options struct {
	Store  Store
	Hasher *password.Hasher
	Policy password.Policy
	Tokens *token.Authority
	// AccessTTL is how long an access token lives, at least 1 s.
	AccessTTL time.Duration
	// DefaultGrants are for new accounts that are given none.
	DefaultGrants gateway.Grants
	Now           func() time.Time
	Logger        *slog.Logger
	Observe       Observe
}

// Service does what the package comment says. It is safe for concurrent use.
type Service struct {
	opts Options
	// hasAdmin never turns false again: no operation takes the last enabled
	// administrator away.
	hasAdmin atomic.Bool
}

// New returns a Service. It asks the store once whether there is an enabled
// administrator.
func New(o Options) (*Service, error) {
	if o.Store == nil || o.Hasher == nil || o.Tokens == nil || o.Now == nil || o.Logger == nil || o.AccessTTL < time.Second {
		return nil, errors.New("accounts.New: Store, Hasher, Tokens, Now, Logger and an AccessTTL of 1 s or more are required")
	}
	if o.Observe.Login == nil {
		o.Observe.Login = func(string) {}
	}
	if o.Observe.Refused == nil {
		o.Observe.Refused = func(token.Reason) {}
	}
	if o.Observe.Changed == nil {
		o.Observe.Changed = func(gateway.AccountName) {}
	}
	s := &Service{opts: o}
	err := o.Store.View(func(tx Tx) error {
		found, err := anyAdmin(tx, "")
		s.hasAdmin.Store(found)
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
	if errors.As(err, &e) {
		return err
	}
	return gateway.Wrap(op, err)
}
