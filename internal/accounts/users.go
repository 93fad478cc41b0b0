package accounts

import (
	"context"
	"slices"

	"edgegw/internal/gateway"
	"edgegw/internal/password"
)

// maxGrants bounds the grants of one account: every publish may have to look at
// all of them.
const maxGrants = 128

// NewAccount describes a person's account to be added.
type NewAccount struct {
	Name     gateway.AccountName
	Password string
	// Role is gateway.RoleMember when it is "".
	Role gateway.Role
	// Grants are the configured default ones when nil; an empty list is no
	// grant at all.
	Grants gateway.Grants
}

// Add adds a person's account. It returns CodeInvalidRequest for a name, role or
// grant out of shape, CodeWeakPassword with what to do, CodeConflict when the
// name is taken, by a device or a deleted account too, and CodeBusy.
func (s *Service) Add(ctx context.Context, n NewAccount) error {
	a, err := s.draft(n)
	if err != nil {
		return err
	}
	if a.PasswordHash, err = s.hash(ctx, a.Name, n.Password); err != nil {
		return err
	}
	return s.create(ctx, a, gateway.EventAccountCreated)
}

// create stores an account under a name that is free.
func (s *Service) create(ctx context.Context, a gateway.Account, event gateway.Event) error {
	return s.update(ctx, func(tx Tx, log *journal) error {
		if err := vacant(tx, a.Name); err != nil {
			return err
		}
		log.add(event, string(a.Name), "")
		s.noteAdmin(log, a)
		return tx.PutAccount(a)
	})
}

// noteAdmin ends the wait for the first administrator.
func (s *Service) noteAdmin(log *journal, a gateway.Account) {
	if enabledAdmin(a) {
		log.after(func() { s.hasAdmin.Store(true) })
	}
}

// vacant returns CodeConflict unless a new account may have the name. What the
// audit tells of a deleted account must not be read as another's doing.
func vacant(tx Tx, name gateway.AccountName) error {
	_, exists, err := tx.Account(name)
	if err != nil {
		return err
	}
	if exists {
		return gateway.Errorf(gateway.CodeConflict, "the account %s exists already; choose another name", name)
	}
	deleted, err := tx.Deleted(name)
	if err == nil && deleted {
		err = gateway.Errorf(gateway.CodeConflict,
			"an account %s was deleted and the audit still tells of it; choose another name", name)
	}
	return err
}

// draft is the account that n describes, still without a password.
func (s *Service) draft(n NewAccount) (gateway.Account, error) {
	name, err := gateway.ParseAccountName(string(n.Name))
	if err != nil {
		return gateway.Account{}, err
	}
	if n.Role == "" {
		n.Role = gateway.RoleMember
	}
	if _, err := gateway.ParseRole(string(n.Role)); err != nil {
		return gateway.Account{}, err
	}
	if n.Grants == nil {
		n.Grants = s.opts.DefaultGrants
	}
	if err := checkGrants(n.Grants); err != nil {
		return gateway.Account{}, err
	}
	return gateway.Account{
		Name: name, Kind: gateway.KindUser, Role: n.Role, Grants: slices.Clone(n.Grants), Created: s.now(),
	}, nil
}

func checkGrants(grants gateway.Grants) error {
	if len(grants) > maxGrants {
		return gateway.Errorf(gateway.CodeInvalidRequest, "an account has at most %d grants; use patterns with *", maxGrants)
	}
	for _, g := range grants {
		if _, err := gateway.ParseGrant(g.String()); err != nil {
			return err
		}
	}
	return nil
}

// Users returns all people by name.
func (s *Service) Users(context.Context) ([]User, error) {
	var list []User
	err := s.opts.Store.View(func(tx Tx) error {
		return tx.Accounts(func(a gateway.Account) bool {
			if a.Kind == gateway.KindUser {
				list = append(list, s.user(a))
			}
			return true
		})
	})
	if err != nil {
		return nil, wrap("accounts.Users", err)
	}
	return list, nil
}

// User returns one person. It returns CodeNotFound, for a device too.
func (s *Service) User(_ context.Context, name gateway.AccountName) (User, error) {
	a, err := s.view(name, gateway.KindUser)
	if err != nil {
		return User{}, err
	}
	return s.user(a), nil
}

func (s *Service) user(a gateway.Account) User {
	u := User{Account: a, Legacy: password.IsLegacy(a.PasswordHash), LockedFor: s.lockedFor(a.Name)}
	u.PasswordHash = ""
	return u
}

func (s *Service) view(name gateway.AccountName, kind gateway.Kind) (a gateway.Account, err error) {
	err = s.opts.Store.View(func(tx Tx) (err error) {
		a, err = existing(tx, name, kind)
		return err
	})
	return a, wrap("accounts.view", err)
}

// existing returns an account of the kind. One of the other kind is as good as
// none: nothing that is meant for people is done to a device by mistake.
func existing(tx Tx, name gateway.AccountName, kind gateway.Kind) (gateway.Account, error) {
	a, exists, err := tx.Account(name)
	if err == nil && (!exists || a.Kind != kind) {
		return gateway.Account{}, gateway.Errorf(gateway.CodeNotFound, "there is no %s with this name", kind)
	}
	return a, err
}

// UpdateUser changes a person's account, all of the patch or nothing, and returns
// it. A new password ends the person's sessions and voids reset codes; disabling
// ends the sessions too, so that enabling lets nobody back in without a login.
// Live sockets follow at once. It returns CodeNotFound, CodeInvalidRequest for
// what a person cannot have or is out of shape, CodeConflict when the last
// enabled administrator would go, CodeWeakPassword with what to do, and CodeBusy.
func (s *Service) UpdateUser(ctx context.Context, name gateway.AccountName, p Patch) (User, error) {
	if p.Room != nil {
		return User{}, gateway.Errorf(gateway.CodeInvalidRequest, "a user has no room; give grants instead")
	}
	if err := p.check(); err != nil {
		return User{}, err
	}
	hash := ""
	if p.Password != nil {
		_, err := s.view(name, gateway.KindUser) // a name that nobody has is not worth a hash
		if err == nil {
			hash, err = s.hash(ctx, name, *p.Password)
		}
		if err != nil {
			return User{}, err
		}
	}
	a, err := s.patch(ctx, name, gateway.KindUser, p, hash)
	if err != nil {
		return User{}, err
	}
	return s.user(a), nil
}

// DeleteUser removes a person's account with its sessions and closes its live
// sockets. It returns CodeNotFound, and CodeConflict when the last enabled
// administrator would go.
func (s *Service) DeleteUser(ctx context.Context, name gateway.AccountName) error {
	return s.remove(ctx, name, gateway.KindUser, gateway.EventAccountDeleted)
}

// Unlock forgets a person's failed logins, whether or not there were enough of
// them for a lock. It returns CodeNotFound.
func (s *Service) Unlock(ctx context.Context, name gateway.AccountName) error {
	return s.update(ctx, func(tx Tx, log *journal) error {
		if _, err := existing(tx, name, gateway.KindUser); err != nil {
			return err
		}
		log.add(gateway.EventAccountUnlocked, string(name), "")
		log.after(func() { s.unlock(name) })
		return nil
	})
}
