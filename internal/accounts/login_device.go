package accounts

import (
	"context"
	"slices"

	"edgegw/internal/gateway"
	"edgegw/internal/token"
)

// LoginDevice opens a session for a device by its key; room, if not "", takes the
// place of the device's own as the default room. It costs no password hash. It
// returns CodeInvalidRequest when room is not a room id, CodeRateLimited,
// CodeInvalidCredentials for a key that no enabled device has, and CodeForbidden
// when the device may neither read nor write in the room.
//
// The first login with a new key ends the overlap of a rotation: the old key is
// gone with it.
func (s *Service) LoginDevice(ctx context.Context, key, room string) (Pair, error) {
	pair, name, err := s.loginDevice(ctx, key, room)
	s.told(ctx, string(name), room, err)
	return pair, err
}

func (s *Service) loginDevice(ctx context.Context, key, room string) (pair Pair, name gateway.AccountName, err error) {
	if room != "" {
		if _, err := gateway.ParseRoomID(room); err != nil {
			return pair, "", err
		}
	}
	if err := s.allowToken(ctx); err != nil {
		return pair, "", err
	}
	if !token.ValidSecret(key) {
		return pair, "", refusedKey(causeKey)
	}
	hash := gateway.KeyHash(token.HashSecret(key))
	// A stranger's key shall cost no place in a commit.
	if name, err = s.deviceOf(hash); err != nil {
		return pair, name, err
	}
	first := false
	err = s.update(gateway.WithActor(ctx, string(name)), func(tx Tx, log *journal) error {
		a, err := s.deviceByKey(tx, hash)
		if err != nil {
			return err
		}
		first = a.Seen == 0
		a.Seen = log.now
		if a.Keys[0].Hash == hash {
			a.Keys = a.Keys[:1]
		}
		if err := tx.PutAccount(a); err != nil {
			return err
		}
		asked := gateway.RoomID(room)
		if asked == "" && a.Principal().MayEnter(a.Room) {
			asked = a.Room
		}
		pair, err = s.admit(tx, log, a, asked)
		return err
	})
	if err == nil && first {
		s.statsDirty()
	}
	return pair, name, err
}

func refusedKey(c cause) error {
	return &gateway.Error{Code: gateway.CodeInvalidCredentials, Message: "this device key is not accepted", Err: c}
}

// deviceOf names the device for the log, also when its key is refused.
func (s *Service) deviceOf(hash gateway.KeyHash) (name gateway.AccountName, err error) {
	err = s.opts.Store.View(func(tx Tx) error {
		if name, err = tx.DeviceOf(hash); err != nil {
			return err
		}
		_, err := s.deviceByKey(tx, hash)
		return err
	})
	return name, wrap("accounts.LoginDevice", err)
}

// deviceByKey returns the enabled device that the key opens now.
func (s *Service) deviceByKey(tx Tx, hash gateway.KeyHash) (gateway.Account, error) {
	name, err := tx.DeviceOf(hash)
	if err != nil {
		return gateway.Account{}, err
	}
	a, exists, err := tx.Account(name)
	i := slices.IndexFunc(a.Keys, func(k gateway.DeviceKey) bool { return k.Hash == hash })
	switch {
	case err != nil:
	case name == "" || !exists || i < 0:
		err = refusedKey(causeKey)
	case a.Disabled:
		err = refusedKey(causeDisabled)
	case a.Keys[i].Expires != 0 && a.Keys[i].Expires <= s.now():
		err = refusedKey(causeOldKey)
	}
	return a, err
}
