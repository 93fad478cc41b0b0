package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// ErrLoginNeeded ends a client whose session is over and that has nothing to log
// in with, or whose login was refused: somebody has to give it something else.
var ErrLoginNeeded = errors.New("client: a new login is needed")

// renewBefore is how much of its life a token has to have left to be connected
// with.
const renewBefore = 10 * time.Second

// finalError ends the client: trying again would change nothing.
type finalError struct{ err error }

func (e *finalError) Error() string { return e.err.Error() }
func (e *finalError) Unwrap() error { return e.err }

// tokens is the client's session (PROTOCOL section 9). There is one request for
// tokens at a time, for all who wait for its outcome.
type tokens struct {
	api   *api
	login *Login
	clock Clock
	turn  chan struct{} // holds one while a request is under way

	mu      sync.Mutex
	access  string
	until   time.Time // when access ends, by clock
	refresh string
	refused bool // the gateway did not take the newest access token
}

func newTokens(a *api, login *Login, clock Clock) *tokens {
	return &tokens{api: a, login: login, clock: clock, turn: make(chan struct{}, 1), refresh: login.RefreshToken}
}

// get returns an access token that lives for renewBefore at least, and whether it
// is a new one, which the gateway has just made.
func (t *tokens) get(ctx context.Context) (access string, isNew bool, err error) {
	return t.obtain(ctx, func() bool { return t.until.Sub(t.clock.Now()) >= renewBefore })
}

// renew returns another access token than the one that is in use.
func (t *tokens) renew(ctx context.Context, inUse string) (string, error) {
	access, _, err := t.obtain(ctx, func() bool { return t.access != inUse })
	return access, err
}

// obtain asks the gateway unless what there is will do. will is called with mu
// held.
func (t *tokens) obtain(ctx context.Context, will func() bool) (access string, isNew bool, err error) {
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return "", false, ctx.Err()
	}
	t.mu.Lock()
	access, good, refresh := t.access, t.access != "" && will(), t.refresh
	t.mu.Unlock()
	if good {
		return access, false, nil
	}
	began := t.clock.Now()
	p, err := t.ask(ctx, refresh)
	if err != nil {
		return "", false, err
	}
	t.mu.Lock()
	// Counted from before the question: the answer may have been long on its
	// way.
	t.access, t.until = p.AccessToken, began.Add(time.Duration(p.ExpiresIn)*time.Second)
	t.refresh = p.RefreshToken
	t.mu.Unlock()
	if save := t.login.Save; save != nil && p.RefreshToken != "" {
		save(p.RefreshToken)
	}
	return p.AccessToken, true, nil
}

// ask goes on with the session if there is one, and else begins one. A refresh
// whose answer is lost leaves the refresh token as it is: the gateway gives the
// same successor again (PROTOCOL section 9).
func (t *tokens) ask(ctx context.Context, refresh string) (p pair, err error) {
	if t.login.Source != nil {
		return t.source(ctx)
	}
	if refresh != "" {
		p, err = t.api.pair(ctx, "/auth/refresh", map[string]string{"refresh_token": refresh})
		if !refusedLogin(err) {
			return p, err
		}
		t.end(refresh)
	}
	switch l := t.login; {
	case l.DeviceKey != "":
		p, err = t.api.pair(ctx, "/auth/device", map[string]string{"device_key": l.DeviceKey})
	case l.Password != "":
		p, err = t.api.pair(ctx, "/auth/login", map[string]string{"username": l.Username, "password": l.Password})
	case err != nil:
		return p, &finalError{fmt.Errorf("%w: %w", ErrLoginNeeded, err)}
	default:
		return p, &finalError{ErrLoginNeeded}
	}
	if refusedLogin(err) {
		err = &finalError{fmt.Errorf("%w: %w", ErrLoginNeeded, err)}
	}
	return p, err
}

func (t *tokens) source(ctx context.Context) (p pair, err error) {
	token, err := t.login.Source(ctx)
	switch {
	case errors.Is(err, ErrLoginNeeded):
		return p, &finalError{err}
	case err != nil:
		return p, err
	case token.Access == "":
		return p, errors.New("client: the source gave no token")
	}
	return pair{AccessToken: token.Access, ExpiresIn: int64(token.ExpiresIn / time.Second)}, nil
}

// refusedLogin reports whether the gateway has looked at what it was given and
// does not take it. Being told to wait is something else.
func refusedLogin(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Status >= 400 && !temporary(e.Status)
}

// temporary reports whether an HTTP status says that another try may go better.
func temporary(status int) bool {
	return status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout
}

// end forgets a session that is over, if it is the newest.
func (t *tokens) end(refresh string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.refresh == refresh {
		t.access, t.refresh = "", ""
	}
}

// ended forgets the session: the gateway has ended it.
func (t *tokens) ended() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.access, t.refresh = "", ""
}

// expire has the next connection begin with a new access token.
func (t *tokens) expire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.access = ""
}

// notTaken forgets an access token that the gateway did not take. When that
// happens to two in a row and not for their age, refreshing does not help: the
// session goes, too.
func (t *tokens) notTaken(access, code string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if access != t.access {
		return
	}
	t.access = ""
	if code == "token_expired" {
		return
	}
	if t.refused {
		t.refresh = ""
	}
	t.refused = true
}

// taken notes that the gateway takes the session's tokens.
func (t *tokens) taken() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refused = false
}
