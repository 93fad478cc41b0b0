package accounts

import (
	"context"
	"errors"
	"log/slog"

	"edgegw/internal/gateway"
	"edgegw/internal/token"
)

// Refresh gives a new pair for a refresh token, which is spent with it: the
// answer follows the commit. It returns CodeRateLimited, CodeInvalidToken,
// CodeTokenExpired, and CodeTokenReused, which ends the session, for a token that
// was spent already. (Compare RFC 9700 section 4.14.2.)
//
// There is one mercy: the direct predecessor of a token that was never used gives
// that very token again. A client that lost power, or the answer, before it could
// save the new one comes back with the old one.
func (s *Service) Refresh(ctx context.Context, raw string) (Pair, error) {
	if err := s.allowToken(ctx); err != nil {
		return Pair{}, err
	}
	r, err := s.sealer.Open(raw)
	var pair Pair
	if err == nil {
		pair, err = s.refresh(gateway.WithActor(ctx, string(r.Account)), r)
	}
	s.refusedToken(ctx, err)
	return pair, err
}

func (s *Service) refresh(ctx context.Context, r token.Refresh) (pair Pair, err error) {
	reused := false
	err = s.update(ctx, func(tx Tx, log *journal) error {
		a, c, err := s.sessionOf(tx, r)
		if err != nil {
			return err
		}
		switch {
		case r.Counter+1 < c.Counter:
			reused = true
			return s.reuse(tx, log, c)
		case r.Counter+1 == c.Counter: // the successor was never used
		default:
			// A counter ahead of ours is no forgery, the MAC was good: the
			// store was restored from a backup. Go on from there.
			c.Counter = r.Counter + 1
			s.stamp(&c, a.Kind, log.origin.IP)
			if err := tx.PutSession(c); err != nil {
				return err
			}
		}
		pair, err = s.pair(a, c)
		return err
	})
	if err == nil && reused {
		err = &gateway.Error{
			Code: gateway.CodeTokenReused, Message: "the refresh token was used before, so the session has been ended; log in again",
			Err: &token.RejectedError{Reason: token.ReasonSessionEnded, Subject: r.Account},
		}
	}
	return pair, err
}

// sessionOf returns the living session that a refresh token belongs to, and its
// account.
func (s *Service) sessionOf(tx Tx, r token.Refresh) (a gateway.Account, c gateway.Session, err error) {
	a, exists, err := tx.Account(r.Account)
	if err := refuseAccount(r.Account, a, exists, err); err != nil {
		return a, c, err
	}
	c, exists, err = tx.Session(r.Account, r.Session)
	switch {
	case err != nil:
	case !exists:
		err = token.Reject(token.ReasonSessionEnded, r.Account, "the session has ended; log in again")
	case !s.alive(c):
		err = token.Reject(token.ReasonExpired, r.Account, "the refresh token has expired; log in again")
	}
	return a, c, err
}

// reuse ends a session one of whose spent tokens came back: somebody has a copy.
func (s *Service) reuse(tx Tx, log *journal, c gateway.Session) error {
	if err := tx.DeleteSession(c.Account, c.ID); err != nil {
		return err
	}
	log.add(gateway.EventRefreshReused, string(c.Account), "session_ended")
	log.after(func() { s.opts.Live.EndSessions([]gateway.SessionID{c.ID}) })
	return nil
}

// refusedToken counts and logs a refused access or refresh token.
func (s *Service) refusedToken(ctx context.Context, err error) {
	var r *token.RejectedError
	if !errors.As(err, &r) {
		return
	}
	s.opts.Observe.Refused(r.Reason)
	s.log(ctx, slog.LevelWarn, "token refused", "token_refused", string(r.Subject),
		slog.String("code", string(gateway.CodeOf(err))), slog.String("reason", string(r.Reason)))
}
