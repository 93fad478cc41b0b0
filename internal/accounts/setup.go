package accounts

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"edgegw/internal/gateway"
)

// How the owner was made, as the audit has it.
const (
	reasonSetupCode    = "setup_code"
	reasonSetupCommand = "command_line"
)

func alreadySetUp() error {
	return gateway.Errorf(gateway.CodeConflict,
		"this gateway has an administrator already; log in, or use `edgegw user passwd NAME` on the gateway if nobody can")
}

func (s *Service) sinceBoot() time.Duration {
	_, since := s.opts.Boot()
	return since
}

// NewSetupCode makes the one-time code for SetUp, for SetupCodeLife, and voids the
// one before. It is in memory only, so that a restart voids it too. It returns
// CodeConflict when there is an administrator.
func (s *Service) NewSetupCode() (code string, life time.Duration, err error) {
	if s.HasAdmin() {
		return "", 0, alreadySetUp()
	}
	code = newSetupCode()
	s.setup.replace(code, s.sinceBoot())
	return code, SetupCodeLife, nil
}

// SetupCodeLeft is how long the newest setup code may still be used.
func (s *Service) SetupCodeLeft() time.Duration { return s.setup.left(s.sinceBoot()) }

// SetUp makes the first administrator for whoever has the setup code, and logs in.
// Of two at once one gets CodeConflict, and so does whoever comes later. It
// returns CodeRateLimited after five wrong codes in a minute, and
// CodeInvalidCredentials for a wrong code or one that has run out, before it looks
// at anything else; then CodeInvalidRequest for the name, CodeWeakPassword with
// what to do, CodeConflict for a name that is taken, and CodeBusy. The code stays
// valid after all of these.
func (s *Service) SetUp(ctx context.Context, code, username, password string) (Pair, error) {
	if s.HasAdmin() {
		return Pair{}, alreadySetUp()
	}
	if err := s.setup.try(code, s.sinceBoot()); err != nil {
		reason := string(gateway.CodeOf(err))
		var c cause
		if errors.As(err, &c) {
			reason = string(c)
		}
		s.log(ctx, slog.LevelWarn, "setup refused", gateway.EventSetup, "", slog.String("reason", reason))
		return Pair{}, err
	}
	name, err := gateway.ParseAccountName(username)
	if err != nil {
		return Pair{}, err
	}
	var pair Pair
	err = s.makeOwner(gateway.WithActor(ctx, string(name)), name, password, reasonSetupCode,
		func(tx Tx, log *journal, a gateway.Account) (err error) {
			pair, err = s.openSession(tx, log, a, "")
			return err
		})
	return pair, err
}

// MakeOwner makes the first administrator for whoever owns the machine, without a
// code. It returns CodeConflict when there is an administrator or the name is
// taken, CodeInvalidRequest, CodeWeakPassword with what to do, and CodeBusy.
func (s *Service) MakeOwner(ctx context.Context, name gateway.AccountName, password string) error {
	if s.HasAdmin() {
		return alreadySetUp()
	}
	return s.makeOwner(ctx, name, password, reasonSetupCommand, func(Tx, *journal, gateway.Account) error { return nil })
}

// makeOwner makes the account, audits it and does the rest in one commit.
func (s *Service) makeOwner(ctx context.Context, name gateway.AccountName, password, reason string, rest func(Tx, *journal, gateway.Account) error) error {
	owner, err := s.draft(NewAccount{Name: name, Role: gateway.RoleAdmin})
	if err != nil {
		return err
	}
	if owner.PasswordHash, err = s.hash(ctx, owner.Name, password); err != nil {
		return err
	}
	return s.update(ctx, func(tx Tx, log *journal) error {
		// Somebody else may have been faster while this password was hashed.
		found, err := anyAdmin(tx, "")
		if err == nil && found {
			err = alreadySetUp()
		}
		if err == nil {
			err = vacant(tx, owner.Name)
		}
		if err != nil {
			return err
		}
		log.add(gateway.EventSetup, string(owner.Name), reason)
		s.noteAdmin(log, owner)
		if err := tx.PutAccount(owner); err != nil {
			return err
		}
		return rest(tx, log, owner)
	})
}
