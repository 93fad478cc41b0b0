package accounts

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/token"
)

// Identity is who stands behind a token.
type Identity struct {
	// Principal comes from the stored account, never from a claim.
	Principal gateway.Principal
	// Room is the default room that the token names, or "". Whether the
	// principal may enter is not decided here.
	Room gateway.RoomID
	// Session and TokenID are the token's sid and jti, or "".
	Session, TokenID string
	ExpiresAt        time.Time
}

// Authenticate checks a token and looks its account up. It returns
// CodeTokenExpired, or CodeInvalidToken for every other refusal, among them an
// account that is gone or disabled.
func (s *Service) Authenticate(ctx context.Context, raw string) (Identity, error) {
	id, err := s.authenticate(raw)
	var r *token.RejectedError
	if errors.As(err, &r) {
		s.opts.Observe.Refused(r.Reason)
		s.log(ctx, slog.LevelWarn, "token refused", "token_refused", r.Subject,
			slog.String("code", string(gateway.CodeOf(err))), slog.String("reason", string(r.Reason)))
	}
	return id, err
}

func (s *Service) authenticate(raw string) (Identity, error) {
	c, err := s.opts.Tokens.Verify(raw)
	if err != nil {
		return Identity{}, err
	}
	var a gateway.Account
	exists := false
	err = s.opts.Store.View(func(tx Tx) (err error) {
		a, exists, err = tx.Account(c.Subject)
		return err
	})
	switch {
	case err != nil:
		return Identity{}, wrap("accounts.Authenticate", err)
	case !exists:
		return Identity{}, token.Reject(token.ReasonAccountGone, c.Subject, "the token's account does not exist; log in again")
	case a.Disabled:
		return Identity{}, token.Reject(token.ReasonAccountDisabled, c.Subject, "the token's account is disabled; ask an administrator")
	}
	return Identity{Principal: a.Principal(), Room: c.Room, Session: c.Session, TokenID: c.ID, ExpiresAt: c.ExpiresAt}, nil
}

// log writes one line with the event, the account and the origin of ctx, where
// they are known.
func (s *Service) log(ctx context.Context, level slog.Level, msg, event string, user gateway.AccountName, attrs ...slog.Attr) {
	o := gateway.OriginOf(ctx)
	all := make([]slog.Attr, 1, 4+len(attrs))
	all[0] = slog.String("event", event)
	attrs = append(attrs, slog.String("user", string(user)), slog.String("ip", o.IP), slog.String("request_id", o.RequestID))
	for _, a := range attrs {
		if a.Value.String() != "" {
			all = append(all, a)
		}
	}
	s.opts.Logger.LogAttrs(ctx, level, msg, all...)
}
