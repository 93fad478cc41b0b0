package accounts

import (
	"context"
	"log/slog"
	"slices"
	"strings"

	"edgegw/internal/gateway"
)

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
// name is taken, by a device too, and CodeBusy.
func (s *Service) Add(ctx context.Context, n NewAccount) error {
	a, err := s.draft(n)
	if err != nil {
		return err
	}
	if a.PasswordHash, err = s.hash(ctx, a.Name, n.Password); err != nil {
		return err
	}
	err = s.opts.Store.Update(func(tx Tx) error {
		_, exists, err := tx.Account(a.Name)
		if err != nil {
			return err
		}
		if exists {
			return gateway.Errorf(gateway.CodeConflict, "the account %s exists already; choose another name", a.Name)
		}
		return tx.PutAccount(a)
	})
	return s.done(ctx, "account_added", a, err)
}

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
	for _, g := range n.Grants {
		if _, err := gateway.ParseGrant(g.String()); err != nil {
			return gateway.Account{}, err
		}
	}
	return gateway.Account{
		Name: name, Kind: gateway.KindUser, Role: n.Role, Grants: slices.Clone(n.Grants),
		Created: gateway.Timestamp(s.opts.Now().UnixMilli()),
	}, nil
}

// hash applies the policy and hashes a new password.
func (s *Service) hash(ctx context.Context, name gateway.AccountName, password string) (string, error) {
	if err := s.opts.Policy.Check(password, string(name)); err != nil {
		return "", err
	}
	return s.opts.Hasher.Hash(ctx, password)
}

// List returns all accounts by name, devices included, without their hashes.
func (s *Service) List() ([]gateway.Account, error) {
	var list []gateway.Account
	err := s.opts.Store.View(func(tx Tx) error {
		return tx.Accounts(func(a gateway.Account) bool {
			a.PasswordHash = ""
			list = append(list, a)
			return true
		})
	})
	if err != nil {
		return nil, wrap("accounts.List", err)
	}
	slices.SortFunc(list, func(a, b gateway.Account) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return list, nil
}

// SetPassword gives a person's account a new password. It returns CodeNotFound,
// CodeInvalidRequest for a device, CodeWeakPassword with what to do, and
// CodeBusy.
func (s *Service) SetPassword(ctx context.Context, name gateway.AccountName, password string) error {
	stored, err := s.hash(ctx, name, password)
	if err != nil {
		return err
	}
	return s.change(ctx, "password_changed", name, func(a *gateway.Account) error {
		if a.Kind != gateway.KindUser {
			return gateway.Errorf(gateway.CodeInvalidRequest, "%s is a device; it has a key, not a password", name)
		}
		a.PasswordHash = stored
		return nil
	})
}

// SetDisabled disables or enables an account. A disabled one cannot log in and
// its tokens are refused at once. It returns CodeNotFound, and CodeConflict when
// the last enabled administrator would go.
func (s *Service) SetDisabled(ctx context.Context, name gateway.AccountName, disabled bool) error {
	event := "account_enabled"
	if disabled {
		event = "account_disabled"
	}
	return s.change(ctx, event, name, func(a *gateway.Account) error {
		a.Disabled = disabled
		return nil
	})
}

// Delete removes an account. It returns CodeNotFound, and CodeConflict when the
// last enabled administrator would go.
func (s *Service) Delete(ctx context.Context, name gateway.AccountName) error {
	err := s.opts.Store.Update(func(tx Tx) error {
		before, err := existing(tx, name)
		if err == nil {
			err = keepAdmin(tx, before, gateway.Account{})
		}
		if err != nil {
			return err
		}
		return tx.DeleteAccount(name)
	})
	return s.done(ctx, "account_deleted", gateway.Account{Name: name}, err)
}

// change edits one account in one transaction.
func (s *Service) change(ctx context.Context, event string, name gateway.AccountName, edit func(*gateway.Account) error) error {
	var after gateway.Account
	err := s.opts.Store.Update(func(tx Tx) error {
		before, err := existing(tx, name)
		if err != nil {
			return err
		}
		after = before
		if err := edit(&after); err != nil {
			return err
		}
		if err := keepAdmin(tx, before, after); err != nil {
			return err
		}
		return tx.PutAccount(after)
	})
	return s.done(ctx, event, after, err)
}

func existing(tx Tx, name gateway.AccountName) (gateway.Account, error) {
	a, exists, err := tx.Account(name)
	if err == nil && !exists {
		err = gateway.Errorf(gateway.CodeNotFound, "there is no such account")
	}
	return a, err
}

// keepAdmin refuses a change that takes the last enabled administrator away. It
// runs in the transaction of the change, so that two changes cannot take two of
// them at once.
func keepAdmin(tx Tx, before, after gateway.Account) error {
	if !enabledAdmin(before) || enabledAdmin(after) {
		return nil
	}
	found, err := anyAdmin(tx, before.Name)
	if err == nil && !found {
		err = gateway.Errorf(gateway.CodeConflict, "%s is the last enabled administrator; make another one first", before.Name)
	}
	return err
}

// done ends an administrative operation: the flag, the log and the hook follow
// once the store has said that the change is durable.
func (s *Service) done(ctx context.Context, event string, after gateway.Account, err error) error {
	if err != nil {
		return wrap("accounts."+event, err)
	}
	if enabledAdmin(after) {
		s.hasAdmin.Store(true)
	}
	s.log(ctx, slog.LevelInfo, strings.ReplaceAll(event, "_", " "), event, after.Name)
	s.opts.Observe.Changed(after.Name)
	return nil
}
