package accounts

import (
	"context"
	"errors"
	"log/slog"

	"edgegw/internal/gateway"
	"edgegw/internal/password"
)

// cause is why credentials were refused. It is for the log and the audit; the
// sender sees the same answer for all of them.
type cause string

func (c cause) Error() string { return string(c) }

const (
	causeMalformed cause = "malformed_name"
	causeUnknown   cause = "unknown_account"
	causeDevice    cause = "device_account"
	causeDisabled  cause = "disabled_account"
	causeDamaged   cause = "damaged_hash"
	causePassword  cause = "wrong_password"
	causeChanged   cause = "changed_meanwhile"
	causeKey       cause = "unknown_key"
	causeOldKey    cause = "expired_key"
	causeCode      cause = "wrong_code"
	causeOldCode   cause = "expired_code"
)

func refused(c cause) error {
	return &gateway.Error{Code: gateway.CodeInvalidCredentials, Message: "wrong username or password", Err: c}
}

// Login checks a password and opens a session; room, if not "", becomes the
// default room of its tokens. It returns
//
//   - CodeInvalidRequest when room is not a room id, before any other work;
//   - CodeRateLimited, and CodeAccountLocked after too many failures;
//   - CodeInvalidCredentials, after the same work and with the same message, for
//     wrong passwords and for names that are unknown, disabled, malformed or a
//     device's;
//   - CodeForbidden when the account may neither read nor write in the room;
//   - CodeBusy when too many wait for their password to be checked.
//
// A stored hash that is weaker than a new one would be, or a wrapped legacy one,
// is replaced in the login's own transaction.
func (s *Service) Login(ctx context.Context, username, password, room string) (Pair, error) {
	pair, err := s.login(ctx, username, password, room)
	s.told(ctx, username, room, err)
	return pair, err
}

func (s *Service) login(ctx context.Context, username, given, room string) (Pair, error) {
	if room != "" {
		if _, err := gateway.ParseRoomID(room); err != nil {
			return Pair{}, err
		}
	}
	key := nameKey(username)
	if err := s.allowPassword(ctx, key); err != nil {
		return Pair{}, err
	}
	a, obstacle, err := s.find(username)
	if err != nil {
		return Pair{}, err
	}
	weak, err := s.attemptPassword(ctx, key, a, obstacle, given)
	if err != nil {
		return Pair{}, err
	}
	fresh := ""
	if weak {
		fresh = s.rehash(ctx, a.Name, given)
	}
	ctx = gateway.WithActor(ctx, string(a.Name))
	var pair Pair
	err = s.update(ctx, func(tx Tx, log *journal) error {
		now, err := unchanged(tx, a)
		if err != nil {
			return err
		}
		if fresh != "" || now.ResetRequested != 0 {
			if err := s.improve(tx, log, now, fresh); err != nil {
				return err
			}
		}
		pair, err = s.admit(tx, log, now, gateway.RoomID(room))
		return err
	})
	if err == nil && fresh != "" {
		s.statsDirty()
	}
	return pair, err
}

// find looks a name up. The obstacle, if any, is why its password cannot count.
func (s *Service) find(username string) (a gateway.Account, obstacle cause, err error) {
	name, err := gateway.ParseAccountName(username)
	if err != nil {
		return a, causeMalformed, nil
	}
	exists := false
	err = s.opts.Store.View(func(tx Tx) (err error) {
		a, exists, err = tx.Account(name)
		return err
	})
	switch {
	case err != nil:
		return a, "", wrap("accounts.find", err)
	case !exists:
		return a, causeUnknown, nil
	case a.Kind != gateway.KindUser:
		return a, causeDevice, nil
	case a.Disabled:
		return a, causeDisabled, nil
	}
	return a, "", nil
}

// attemptPassword proves the password under the lock of the name. It does the
// work of one hash in every case, for a locked name too.
func (s *Service) attemptPassword(ctx context.Context, key string, a gateway.Account, obstacle cause, given string) (weak bool, err error) {
	if left := s.strikes.locked(key, s.opts.Now()); left > 0 {
		if err := s.opts.Hasher.VerifyDummy(ctx, given); err != nil {
			return false, err
		}
		return false, lockedError(left)
	}
	weak, err = s.prove(ctx, a, obstacle, given)
	// Attempts that ran side by side are no way around the lock: the right
	// guess among them counts only if it came before the lock.
	if left := s.strikes.locked(key, s.opts.Now()); left > 0 {
		return false, lockedError(left)
	}
	switch {
	case err == nil:
		s.strikes.forget(key)
	case gateway.CodeOf(err) == gateway.CodeInvalidCredentials && s.strikes.fail(key, s.opts.Now()):
		name := tellable(key, err)
		s.attempt(ctx, gateway.EventAccountLocked, name, "failures")
		s.log(ctx, slog.LevelWarn, "account locked", gateway.EventAccountLocked, name)
	}
	return weak, err
}

// prove checks the password. It does the work of one hash in every case.
func (s *Service) prove(ctx context.Context, a gateway.Account, obstacle cause, given string) (weak bool, err error) {
	if obstacle == "" {
		ok, weak, err := s.opts.Hasher.Verify(ctx, given, a.PasswordHash)
		switch {
		case err == nil && ok:
			return weak, nil
		case err == nil:
			return false, refused(causePassword)
		case gateway.CodeOf(err) != gateway.CodeInternal:
			return false, err
		}
		// Not a hash at all: nobody can log in with it, and nobody shall see
		// from outside that this account exists.
		obstacle = causeDamaged
	}
	if err := s.opts.Hasher.VerifyDummy(ctx, given); err != nil {
		return false, err
	}
	return false, refused(obstacle)
}

// unchanged reads the account again, since a password check takes long and waits
// longer: one that was disabled, or whose password was changed meanwhile, must
// not get a session for the old password.
func unchanged(tx Tx, a gateway.Account) (gateway.Account, error) {
	now, exists, err := tx.Account(a.Name)
	if err == nil && (!exists || now.Disabled || now.Kind != a.Kind || now.PasswordHash != a.PasswordHash) {
		err = refused(causeChanged)
	}
	return now, err
}

// rehash makes a fresh hash of a password that was found right. Failing costs
// nothing: the next login tries again.
func (s *Service) rehash(ctx context.Context, name gateway.AccountName, given string) string {
	stored, err := s.opts.Hasher.Hash(ctx, given)
	if err != nil {
		s.log(ctx, slog.LevelWarn, "a password hash was not renewed", "rehash_failed", string(name), slog.String("reason", err.Error()))
		return ""
	}
	return stored
}

// improve stores a fresh hash, if there is one, and takes back the wish for a
// reset: whoever can log in needs none.
func (s *Service) improve(tx Tx, log *journal, a gateway.Account, fresh string) error {
	if fresh != "" {
		if password.IsLegacy(a.PasswordHash) {
			log.add(gateway.EventHashUnwrapped, string(a.Name), "")
		}
		a.PasswordHash = fresh
	}
	a.ResetRequested = 0
	return tx.PutAccount(a)
}

// admit opens the session and audits the login.
func (s *Service) admit(tx Tx, log *journal, a gateway.Account, room gateway.RoomID) (Pair, error) {
	if room != "" && !a.Principal().MayEnter(room) {
		return Pair{}, gateway.Errorf(gateway.CodeForbidden, "the account has no grant for the room; log in without it or ask an administrator")
	}
	log.add(gateway.EventLogin, string(a.Name), "")
	return s.openSession(tx, log, a, room)
}

// maxStrangeName is the longest name of no account that is logged and audited.
const maxStrangeName = 40

// tellable is the name to log and to audit. A malformed one is not: it may be a
// password typed into the wrong field; nor is one of nobody that is as long as a
// key or a token.
func tellable(username string, err error) string {
	name, _ := gateway.ParseAccountName(username)
	if errors.Is(err, causeUnknown) && len(name) > maxStrangeName {
		return ""
	}
	return string(name)
}

// told counts, logs and audits how a login ended.
func (s *Service) told(ctx context.Context, username, room string, err error) {
	user := tellable(username, err)
	if err == nil {
		s.opts.Observe.Login(ResultOK)
		s.log(ctx, slog.LevelInfo, "login", gateway.EventLogin, user, slog.String("room", room))
		return
	}
	e := gateway.AsError(err)
	s.opts.Observe.Login(string(e.Code))
	reason, detail, level := string(e.Code), e.Error(), slog.LevelWarn
	var c cause
	if errors.As(err, &c) {
		reason, detail = string(c), ""
	}
	if e.Code == gateway.CodeInternal || c == causeDamaged {
		level = slog.LevelError
	}
	s.log(ctx, level, "login refused", gateway.EventLogin, user, slog.String("code", string(e.Code)),
		slog.String("reason", reason), slog.String("detail", detail))
	s.attempt(ctx, gateway.EventLogin, user, reason)
}
