package accounts

import (
	"context"

	"edgegw/internal/gateway"
)

// hash applies the policy to a new password and hashes it. It returns
// CodeWeakPassword with what to do, and CodeBusy.
func (s *Service) hash(ctx context.Context, name gateway.AccountName, password string) (string, error) {
	if err := s.opts.Policy.Check(password, string(name)); err != nil {
		return "", err
	}
	return s.opts.Hasher.Hash(ctx, password)
}

// ChangePassword gives the identity's account a new password and ends all of its
// other sessions. Wrong current passwords count like failed logins. It returns
// CodeInvalidRequest for a device, CodeWeakPassword with what to do,
// CodeInvalidCredentials, CodeRateLimited, CodeAccountLocked and CodeBusy.
func (s *Service) ChangePassword(ctx context.Context, id Identity, current, replacement string) error {
	name := id.Principal.Name
	if id.Principal.Kind != gateway.KindUser {
		return gateway.Errorf(gateway.CodeInvalidRequest, "a device has a key, not a password; an administrator can rotate the key")
	}
	if err := s.allowPassword(ctx, string(name)); err != nil {
		return err
	}
	if err := s.opts.Policy.Check(replacement, string(name)); err != nil {
		return err
	}
	a, obstacle, err := s.find(string(name))
	if err != nil {
		return err
	}
	if _, err := s.attemptPassword(ctx, string(name), a, obstacle, current); err != nil {
		if gateway.CodeOf(err) == gateway.CodeInvalidCredentials {
			s.attempt(ctx, gateway.EventPasswordChanged, string(name), string(causePassword))
			err = &gateway.Error{Code: gateway.CodeInvalidCredentials, Message: "the current password is wrong", Err: err}
		}
		return err
	}
	stored, err := s.opts.Hasher.Hash(ctx, replacement)
	if err != nil {
		return err
	}
	err = s.update(ctx, func(tx Tx, log *journal) error {
		now, err := unchanged(tx, a)
		if err != nil {
			return err
		}
		log.add(gateway.EventPasswordChanged, string(name), "by_itself")
		return s.setPassword(tx, log, now, stored, id.Session)
	})
	s.statsDirty()
	return err
}

// setPassword stores a new hash, voids reset codes, lifts a lock, and ends every
// session of the account but one.
func (s *Service) setPassword(tx Tx, log *journal, a gateway.Account, stored string, keep gateway.SessionID) error {
	a.PasswordHash, a.ResetRequested = stored, 0
	if err := tx.PutAccount(a); err != nil {
		return err
	}
	if err := voidResets(tx, a.Name); err != nil {
		return err
	}
	log.after(func() { s.unlock(a.Name) }) // its failures were about another password
	return s.endSessions(tx, log, a.Name, keep, "password_changed")
}
