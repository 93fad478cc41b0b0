package accounts

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/token"
)

// Session is what a successful login gives.
type Session struct {
	AccessToken string
	// ExpiresIn is the life of the access token.
	ExpiresIn time.Duration
	Principal gateway.Principal
}

// cause is why credentials were refused. It is for the log; the sender sees the
// same answer for all of them.
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
)

func refused(c cause) error {
	return &gateway.Error{Code: gateway.CodeInvalidCredentials, Message: "wrong username or password", Err: c}
}

// Login checks a password and issues an access token; room, if not "", becomes
// its default room. It returns
//
//   - CodeInvalidRequest when room is not a room id, before any other work;
//   - CodeInvalidCredentials, after the same work and with the same message, for
//     wrong passwords and for names that are unknown, disabled, malformed or a
//     device's;
//   - CodeForbidden when the account may neither read nor write in the room;
//   - CodeBusy when too many wait for their password to be checked.
//
// A stored hash that is weaker than a new one would be is replaced on the way.
func (s *Service) Login(ctx context.Context, username, password, room string) (Session, error) {
	session, err := s.login(ctx, username, password, room)
	result := ResultOK
	if err != nil {
		result = string(gateway.CodeOf(err))
	}
	s.opts.Observe.Login(result)
	s.logLogin(ctx, username, room, err)
	return session, err
}

func (s *Service) login(ctx context.Context, username, password, room string) (Session, error) {
	if room != "" {
		if _, err := gateway.ParseRoomID(room); err != nil {
			return Session{}, err
		}
	}
	account, obstacle, err := s.find(username)
	if err != nil {
		return Session{}, err
	}
	weak, err := s.prove(ctx, account, obstacle, password)
	if err != nil {
		return Session{}, err
	}
	if account, err = s.unchanged(account); err != nil {
		return Session{}, err
	}
	if weak {
		s.rehash(ctx, account, password)
	}
	p, id := account.Principal(), gateway.RoomID(room)
	if room != "" && p.Role != gateway.RoleAdmin && !p.Grants.AllowAny(gateway.RightRead|gateway.RightWrite, id) {
		return Session{}, gateway.Errorf(gateway.CodeForbidden, "the account has no grant for the room; log in without it or ask an administrator")
	}
	raw, err := s.opts.Tokens.Issue(token.Claims{Subject: account.Name, Room: id}, s.opts.AccessTTL)
	if err != nil {
		return Session{}, err
	}
	return Session{AccessToken: raw, ExpiresIn: s.opts.AccessTTL, Principal: p}, nil
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
		return a, "", wrap("accounts.Login", err)
	case !exists:
		return a, causeUnknown, nil
	case a.Kind != gateway.KindUser:
		return a, causeDevice, nil
	case a.Disabled:
		return a, causeDisabled, nil
	}
	return a, "", nil
}

// prove checks the password. It does the work of one hash in every case.
func (s *Service) prove(ctx context.Context, a gateway.Account, obstacle cause, password string) (weak bool, err error) {
	if obstacle == "" {
		ok, weak, err := s.opts.Hasher.Verify(ctx, password, a.PasswordHash)
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
	if err := s.opts.Hasher.VerifyDummy(ctx, password); err != nil {
		return false, err
	}
	return false, refused(obstacle)
}

// unchanged reads the account again, since a password check takes long and waits
// longer: one that was disabled, or whose password was changed meanwhile, must
// not get a session for the old password.
func (s *Service) unchanged(a gateway.Account) (gateway.Account, error) {
	now, obstacle, err := s.find(string(a.Name))
	if err != nil {
		return now, err
	}
	if obstacle != "" || now.PasswordHash != a.PasswordHash {
		return now, refused(causeChanged)
	}
	return now, nil
}

// rehash replaces a weak hash. Failing costs nothing: the next login tries again.
func (s *Service) rehash(ctx context.Context, a gateway.Account, password string) {
	stored, err := s.opts.Hasher.Hash(ctx, password)
	if err == nil {
		err = s.opts.Store.Update(func(tx Tx) error {
			now, exists, err := tx.Account(a.Name)
			if err != nil || !exists || now.PasswordHash != a.PasswordHash {
				return err
			}
			now.PasswordHash = stored
			return tx.PutAccount(now)
		})
	}
	if err != nil {
		s.log(ctx, slog.LevelWarn, "a weak password hash was not replaced", "rehash_failed", a.Name, slog.String("error", err.Error()))
	}
}

func (s *Service) logLogin(ctx context.Context, username, room string, err error) {
	// A malformed name is not logged: it may be a password typed into the
	// wrong field.
	user, _ := gateway.ParseAccountName(username)
	if err == nil {
		s.log(ctx, slog.LevelInfo, "login", "login", user, slog.String("room", room))
		return
	}
	e := gateway.AsError(err)
	reason, level := e.Error(), slog.LevelWarn
	var c cause
	if errors.As(err, &c) {
		reason = string(c)
	}
	if e.Code == gateway.CodeInternal || c == causeDamaged {
		level = slog.LevelError
	}
	s.log(ctx, level, "login refused", "login", user, slog.String("code", string(e.Code)), slog.String("reason", reason))
}
