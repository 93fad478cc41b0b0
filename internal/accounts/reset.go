package accounts

import (
	"context"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/token"
)

const (
	// ResetLife is how long a reset code works.
	ResetLife = 30 * time.Minute
	// resendAfter is how old a code has to be before a person's next request
	// replaces it: otherwise a stranger could void codes as fast as they come.
	resendAfter = time.Minute
	// maxResetRequests is how many requests wait to be looked at.
	maxResetRequests = 64
)

// resetRequest is a person's wish, to be looked at when the answer is long out.
type resetRequest struct {
	ctx      context.Context
	username string
}

// RequestReset notes that a person wants a new password. What that leads to, for
// which names, cannot be told from outside: the work is done behind the answer.
// The only error is CodeRateLimited.
func (s *Service) RequestReset(ctx context.Context, username string) error {
	if err := s.allowPassword(ctx, nameKey(username)); err != nil {
		return err
	}
	select {
	case s.requests <- resetRequest{context.WithoutCancel(ctx), username}:
	default: // a flood: whoever means it asks again
		s.attempt(ctx, gateway.EventResetRequested, "", "busy")
	}
	return nil
}

// serveReset sends a code to the person, or leaves the wish to administrators.
func (s *Service) serveReset(r resetRequest) error {
	a, obstacle, err := s.find(r.username)
	if err != nil {
		return err
	}
	if obstacle != "" {
		s.attempt(r.ctx, gateway.EventResetRequested, tellable(r.username, obstacle), string(obstacle))
		return nil
	}
	code, sent := "", false
	err = s.update(r.ctx, func(tx Tx, log *journal) error {
		now, err := unchanged(tx, a)
		if err != nil {
			return err
		}
		if s.opts.Deliver == nil {
			if now.ResetRequested != 0 {
				return nil
			}
			log.add(gateway.EventResetRequested, string(a.Name), "waits_for_admin")
			now.ResetRequested = log.now
			return tx.PutAccount(now)
		}
		if fresh, err := hasFreshReset(tx, a.Name, log.now); fresh || err != nil {
			return err
		}
		sent = true
		log.add(gateway.EventResetRequested, string(a.Name), "sent")
		code, err = s.putReset(tx, now.Name)
		return err
	})
	switch {
	case gateway.CodeOf(err) == gateway.CodeInvalidCredentials: // changed meanwhile
		return nil
	case err == nil && sent:
		s.opts.Deliver(r.ctx, a.Name, code, ResetLife)
	}
	return err
}

func hasFreshReset(tx Tx, name gateway.AccountName, now gateway.Timestamp) (fresh bool, err error) {
	err = tx.Resets(func(r gateway.Reset) bool {
		issued := r.Expires - gateway.Timestamp(ResetLife.Milliseconds())
		fresh = r.Account == name && now-issued < gateway.Timestamp(resendAfter.Milliseconds())
		return !fresh
	})
	return fresh, err
}

// IssueReset makes a code with which a person sets a new password, once, within
// ResetLife. It voids an earlier one. It returns CodeNotFound, and CodeConflict
// for a disabled account.
func (s *Service) IssueReset(ctx context.Context, name gateway.AccountName) (code string, life time.Duration, err error) {
	err = s.update(ctx, func(tx Tx, log *journal) error {
		a, err := existing(tx, name, gateway.KindUser)
		if err != nil {
			return err
		}
		if a.Disabled {
			return gateway.Errorf(gateway.CodeConflict, "%s is disabled; enable the account first", name)
		}
		if a.ResetRequested != 0 {
			a.ResetRequested = 0
			if err := tx.PutAccount(a); err != nil {
				return err
			}
		}
		log.add(gateway.EventResetIssued, string(name), "")
		code, err = s.putReset(tx, name)
		return err
	})
	return code, ResetLife, err
}

func (s *Service) putReset(tx Tx, name gateway.AccountName) (code string, err error) {
	if err := voidResets(tx, name); err != nil {
		return "", err
	}
	code = token.NewSecret()
	return code, tx.PutReset(gateway.Reset{
		Hash: token.HashSecret(code), Account: name,
		Expires: s.now() + gateway.Timestamp(ResetLife.Milliseconds()),
	})
}

func voidResets(tx Tx, name gateway.AccountName) error {
	var codes []gateway.ResetHash
	err := tx.Resets(func(r gateway.Reset) bool {
		if r.Account == name {
			codes = append(codes, r.Hash)
		}
		return true
	})
	for _, hash := range codes {
		if err == nil {
			err = tx.DeleteReset(hash)
		}
	}
	return err
}

// ConfirmReset sets a new password by a reset code, which is used up in the same
// transaction, and ends every session of the account. A refused password leaves
// the code as it is. It returns CodeRateLimited, CodeInvalidToken and
// CodeTokenExpired for the code, CodeWeakPassword with what to do, and CodeBusy.
func (s *Service) ConfirmReset(ctx context.Context, code, replacement string) error {
	if err := s.allowPassword(ctx, ""); err != nil {
		return err
	}
	name, err := s.confirmReset(ctx, code, replacement)
	switch gateway.CodeOf(err) {
	case gateway.CodeInvalidToken, gateway.CodeTokenExpired:
		s.attempt(ctx, gateway.EventResetUsed, string(name), string(gateway.CodeOf(err)))
	case "":
		s.statsDirty()
	}
	return err
}

func (s *Service) confirmReset(ctx context.Context, code, replacement string) (name gateway.AccountName, err error) {
	if !token.ValidSecret(code) {
		return "", badCode(gateway.CodeInvalidToken)
	}
	hash := gateway.ResetHash(token.HashSecret(code))
	err = s.opts.Store.View(func(tx Tx) error {
		a, err := s.resetAccount(tx, hash)
		name = a.Name
		return err
	})
	if err != nil {
		return name, wrap("accounts.ConfirmReset", err)
	}
	stored, err := s.hash(ctx, name, replacement)
	if err != nil {
		return name, err
	}
	return name, s.update(gateway.WithActor(ctx, string(name)), func(tx Tx, log *journal) error {
		a, err := s.resetAccount(tx, hash)
		if err != nil {
			return err
		}
		log.add(gateway.EventResetUsed, string(name), "")
		return s.setPassword(tx, log, a, stored, "")
	})
}

// resetAccount returns the enabled account that a reset code opens now.
func (s *Service) resetAccount(tx Tx, hash gateway.ResetHash) (a gateway.Account, err error) {
	r, exists, err := tx.Reset(hash)
	switch {
	case err != nil:
		return a, err
	case !exists:
		return a, badCode(gateway.CodeInvalidToken)
	}
	a, exists, err = tx.Account(r.Account)
	switch {
	case err != nil:
	case !exists || a.Disabled || a.Kind != gateway.KindUser:
		err = badCode(gateway.CodeInvalidToken)
	case r.Expires <= s.now():
		err = badCode(gateway.CodeTokenExpired)
	}
	return a, err
}

func badCode(code gateway.Code) error {
	if code == gateway.CodeTokenExpired {
		return gateway.Errorf(code, "the reset code has expired; ask for a new one")
	}
	return gateway.Errorf(code, "the reset code is not valid, or was used already; ask for a new one")
}
