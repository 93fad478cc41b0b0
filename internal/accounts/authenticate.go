package accounts

import (
	"context"

	"edgegw/internal/gateway"
	"edgegw/internal/token"
)

// Authenticate checks an access token and looks its account and its session up.
// It returns CodeTokenExpired, or CodeInvalidToken for every other refusal, among
// them an account that is gone or disabled, and a session that has ended.
func (s *Service) Authenticate(ctx context.Context, raw string) (Identity, error) {
	id, err := s.authenticate(raw)
	s.refusedToken(ctx, err)
	return id, err
}

func (s *Service) authenticate(raw string) (Identity, error) {
	c, err := s.opts.Tokens.Verify(raw)
	if err != nil {
		return Identity{}, err
	}
	var a gateway.Account
	session := gateway.SessionID(c.Session)
	err = s.opts.Store.View(func(tx Tx) error {
		var exists bool
		a, exists, err = tx.Account(c.Subject)
		if err := refuseAccount(c.Subject, a, exists, err); err != nil || session == "" {
			return err
		}
		if _, exists, err = tx.Session(c.Subject, session); err == nil && !exists {
			err = token.Reject(token.ReasonSessionEnded, c.Subject, "the token's session has ended; log in again")
		}
		return err
	})
	if err != nil {
		return Identity{}, wrap("accounts.Authenticate", err)
	}
	return Identity{Principal: a.Principal(), Room: c.Room, Session: session, TokenID: c.ID, ExpiresAt: c.ExpiresAt}, nil
}

// refuseAccount refuses tokens of accounts that are gone or disabled.
func refuseAccount(name gateway.AccountName, a gateway.Account, exists bool, err error) error {
	switch {
	case err != nil:
		return err
	case !exists:
		return token.Reject(token.ReasonAccountGone, name, "the token's account does not exist; log in again")
	case a.Disabled:
		return token.Reject(token.ReasonAccountDisabled, name, "the token's account is disabled; ask an administrator")
	}
	return nil
}
