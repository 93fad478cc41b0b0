package accounts

import (
	"context"

	"edgegw/internal/gateway"
)

// AdminName is the account that EnsureAdmin makes.
const AdminName gateway.AccountName = "admin"

// EnsureAdmin makes the account admin with the given password unless there is an
// enabled administrator, and reports whether it did. An admin that is disabled or
// a member is enabled and promoted, and gets this password: whoever can give it
// owns the machine, and the file is the way back in. It returns CodeWeakPassword
// with what to do, CodeConflict when admin is a device, and CodeBusy.
func (s *Service) EnsureAdmin(ctx context.Context, password string) (made bool, err error) {
	if s.HasAdmin() {
		return false, nil
	}
	fresh, err := s.draft(NewAccount{Name: AdminName, Role: gateway.RoleAdmin})
	if err != nil {
		return false, err
	}
	if fresh.PasswordHash, err = s.hash(ctx, AdminName, password); err != nil {
		return false, err
	}
	ctx = gateway.WithActor(ctx, gateway.ActorGateway)
	err = s.update(ctx, func(tx Tx, log *journal) error {
		if found, err := anyAdmin(tx, ""); found || err != nil {
			return err // somebody else made one while this password was hashed
		}
		a, exists, err := tx.Account(AdminName)
		switch {
		case err != nil:
			return err
		case !exists:
			a = fresh
		case a.Kind != gateway.KindUser:
			return gateway.Errorf(gateway.CodeConflict, "the name admin belongs to a device; delete the device or add an administrator by hand")
		}
		a.Role, a.Disabled = gateway.RoleAdmin, false
		made = true
		log.add(gateway.EventSetup, string(AdminName), "admin_password_file")
		return s.setPassword(tx, log, a, fresh.PasswordHash, "")
	})
	if err == nil {
		s.hasAdmin.Store(true)
	}
	return made, err
}
