package hub

import (
	"context"
	"slices"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// tokenWarning is how long before its end a client is told of it.
const tokenWarning = time.Minute

// maxAuthLooks is how often a token is looked at while its account changes. Each
// change is a commit on disk: a few looks are not overtaken by many.
const maxAuthLooks = 8

// Credentials are what a token gives.
type Credentials struct {
	Principal gateway.Principal
	// Session is the session that the token names, or empty.
	Session gateway.SessionID
	// Expires is when the token ends.
	Expires time.Time
}

// authCommand puts a fresh token of the same account in the old one's place.
// What fails leaves everything as it was.
//
// The hub is told of changes after they have happened, and tells the sessions of
// the moment. So the token is looked at again once the connection goes by its
// session: a session that ended in between would not be found any more.
func (s *Session) authCommand(c wire.Command) error {
	raw := string(c.Token)
	cred, err := s.authenticate(raw)
	if err != nil {
		return err
	}
	for range maxAuthLooks {
		s.hub.retoken(s, cred.Session)
		if err := s.SetPrincipal(cred.Principal); err != nil {
			return err // and closed
		}
		again, err := s.authenticate(raw)
		if err != nil {
			s.Abort(wire.CloseFor(gateway.CodeOf(err)))
			return err
		}
		if samePrincipal(&again.Principal, &cred.Principal) {
			s.authOK(again.Expires)
			return nil
		}
		cred = again
	}
	s.Abort(wire.CloseRestart)
	return gateway.Errorf(gateway.CodeUnavailable, "accounts are changing too fast; connect again")
}

// authenticate returns what Options.Authenticate returns, and CodeForbidden for
// a token of another account.
func (s *Session) authenticate(raw string) (Credentials, error) {
	ctx := gateway.WithOrigin(context.Background(), gateway.Origin{IP: s.ip, Actor: string(s.user())})
	cred, err := s.hub.opts.Authenticate(ctx, raw)
	if err == nil && cred.Principal.Name != s.user() {
		err = gateway.Errorf(gateway.CodeForbidden, "the token is another account's; open a connection of its own for it")
	}
	return cred, err
}

func samePrincipal(a, b *gateway.Principal) bool {
	return a.Name == b.Name && a.Kind == b.Kind && a.Role == b.Role && slices.Equal(a.Grants, b.Grants)
}

// retoken has EndSessions find the session by another token's session.
func (h *Hub) retoken(s *Session, token gateway.SessionID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.token = token
}

func (s *Session) authOK(expires time.Time) {
	now := s.hub.opts.Clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expires.Store(expires.UnixMilli())
	s.sendLocked(wire.AppendAuthOK(nil, s.expiresIn(now)))
	s.warned = false
	s.warnLocked(now)
}

// expiresIn is how long the session's token is good for; negative when it has
// ended.
func (s *Session) expiresIn(now time.Time) time.Duration {
	return time.UnixMilli(s.expires.Load()).Sub(now)
}

// warn tells the client once that its token ends soon. The raw format has no
// frame for it.
func (s *Session) warn(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.warnLocked(now)
}

func (s *Session) warnLocked(now time.Time) {
	left := s.expiresIn(now)
	if s.warned || s.raw || left > tokenWarning {
		return
	}
	s.warned = true
	s.sendLocked(wire.AppendTokenExpiring(nil, left))
}
