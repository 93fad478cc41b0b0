package accounts

import (
	"context"
	"slices"

	"edgegw/internal/gateway"
)

// check returns CodeInvalidRequest for values that no account can have.
func (p *Patch) check() error {
	if p.Role != nil {
		if _, err := gateway.ParseRole(string(*p.Role)); err != nil {
			return err
		}
	}
	if p.Room != nil && *p.Room != "" {
		if _, err := gateway.ParseRoomID(string(*p.Room)); err != nil {
			return err
		}
	}
	if p.Grants != nil {
		return checkGrants(*p.Grants)
	}
	return nil
}

// on is the account as the patch makes it, but for its password.
func (p *Patch) on(a gateway.Account) gateway.Account {
	if p.Role != nil {
		a.Role = *p.Role
	}
	if p.Room != nil {
		a.Room = *p.Room
	}
	if p.Disabled != nil {
		a.Disabled = *p.Disabled
	}
	if p.Grants != nil {
		a.Grants = slices.Clone(*p.Grants)
	}
	return a
}

// patch changes one account in one transaction; hash is its new password's, or
// "". A patch that changes nothing is not audited, and the store writes nothing.
func (s *Service) patch(ctx context.Context, name gateway.AccountName, kind gateway.Kind, p Patch, hash string) (after gateway.Account, err error) {
	err = s.update(ctx, func(tx Tx, log *journal) error {
		before, err := existing(tx, name, kind)
		if err != nil {
			return err
		}
		after = p.on(before)
		if err := keepAdmin(tx, before, after); err != nil {
			return err
		}
		s.tell(log, before, after)
		if hash != "" {
			log.add(gateway.EventPasswordChanged, string(name), "by_admin")
			after.PasswordHash, after.ResetRequested = hash, 0
			return s.setPassword(tx, log, after, hash, "")
		}
		if err := tx.PutAccount(after); err != nil || !after.Disabled || before.Disabled {
			return err
		}
		return s.endSessions(tx, log, name, "", "account_disabled")
	})
	return after, err
}

// tell audits each thing that differs, and lets live sockets know. It comes
// before sessions are ended: the first to close a socket gives the reason, and a
// disabled account's clients have to hear that it is of no use to log in again.
func (s *Service) tell(log *journal, before, after gateway.Account) {
	name := string(after.Name)
	if before.Role != after.Role {
		log.add(gateway.EventRoleChanged, name, string(after.Role))
	}
	if !slices.Equal(before.Grants, after.Grants) {
		log.add(gateway.EventGrantsChanged, name, "")
	}
	if before.Room != after.Room {
		log.add(gateway.EventDeviceChanged, name, "room")
	}
	if before.Disabled != after.Disabled {
		log.add(switched(after), name, "")
	}
	if len(log.events) > 0 {
		s.noteAdmin(log, after)
		log.after(func() { s.follow(after.Name) })
	}
}

func switched(a gateway.Account) gateway.Event {
	switch {
	case a.Kind == gateway.KindDevice && a.Disabled:
		return gateway.EventDeviceDisabled
	case a.Kind == gateway.KindDevice:
		return gateway.EventDeviceEnabled
	case a.Disabled:
		return gateway.EventAccountDisabled
	}
	return gateway.EventAccountEnabled
}

// follow makes the account's live sockets what the store says. Two changes may
// come here in either order, so that neither may bring what it remembers: a right
// that the later one took would live on.
func (s *Service) follow(name gateway.AccountName) {
	s.following.Lock()
	defer s.following.Unlock()
	var a gateway.Account
	exists := false
	err := s.opts.Store.View(func(tx Tx) (err error) {
		a, exists, err = tx.Account(name)
		return err
	})
	if err != nil || !exists || a.Disabled {
		s.opts.Live.CloseAccount(name)
		return
	}
	s.opts.Live.SetPrincipal(a.Principal())
}

// remove deletes an account of the kind. A record that is damaged can be deleted
// as well, since that is the way to get rid of it; it counts as an
// administrator's, in case it was.
func (s *Service) remove(ctx context.Context, name gateway.AccountName, kind gateway.Kind, event gateway.Event) error {
	return s.update(ctx, func(tx Tx, log *journal) error {
		before, err := existing(tx, name, kind)
		if gateway.CodeOf(err) == gateway.CodeUnavailable {
			before, err = gateway.Account{Name: name, Kind: kind, Role: gateway.RoleAdmin}, nil
		}
		if err == nil {
			err = keepAdmin(tx, before, gateway.Account{})
		}
		if err != nil {
			return err
		}
		log.add(event, string(name), "")
		log.after(func() { s.follow(name) })
		return tx.DeleteAccount(name)
	})
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
