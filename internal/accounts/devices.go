package accounts

import (
	"context"
	"slices"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/token"
)

// KeyOverlap is how long a device's old key works beside a new one that has not
// been used yet.
const KeyOverlap = 24 * time.Hour

// AddDevice adds a device's account and returns its key, which is shown nowhere
// else: only its hash is kept. It returns CodeInvalidRequest for a name, room or
// grant out of shape, and CodeConflict when the name is taken, by a person or a
// deleted account too.
func (s *Service) AddDevice(ctx context.Context, n NewDevice) (key string, err error) {
	a, err := s.draftDevice(n)
	if err != nil {
		return "", err
	}
	key = token.NewSecret()
	a.Keys = []gateway.DeviceKey{{Hash: token.HashSecret(key)}}
	if err := s.create(ctx, a, gateway.EventDeviceCreated); err != nil {
		return "", err
	}
	return key, nil
}

// draftDevice is the account that n describes, still without a key.
func (s *Service) draftDevice(n NewDevice) (gateway.Account, error) {
	name, err := gateway.ParseAccountName(string(n.Name))
	if err != nil {
		return gateway.Account{}, err
	}
	p := Patch{Room: &n.Room, Grants: &n.Grants}
	if err := p.check(); err != nil {
		return gateway.Account{}, err
	}
	return p.on(gateway.Account{
		Name: name, Kind: gateway.KindDevice, Role: gateway.RoleMember, Created: s.now(),
	}), nil
}

// Devices returns all devices by name. Of their keys it tells how many work, the
// newest first, and until when, without the hashes.
func (s *Service) Devices(context.Context) ([]gateway.Account, error) {
	var list []gateway.Account
	err := s.opts.Store.View(func(tx Tx) error {
		return tx.Accounts(func(a gateway.Account) bool {
			if a.Kind == gateway.KindDevice {
				list = append(list, s.device(a))
			}
			return true
		})
	})
	if err != nil {
		return nil, wrap("accounts.Devices", err)
	}
	return list, nil
}

// Device returns one device like Devices. It returns CodeNotFound, for a person
// too.
func (s *Service) Device(_ context.Context, name gateway.AccountName) (gateway.Account, error) {
	a, err := s.view(name, gateway.KindDevice)
	if err != nil {
		return gateway.Account{}, err
	}
	return s.device(a), nil
}

func (s *Service) device(a gateway.Account) gateway.Account {
	a.Keys = working(a.Keys, s.now())
	for i := range a.Keys {
		a.Keys[i].Hash = gateway.KeyHash{}
	}
	return a
}

// working are the keys that have not expired.
func working(keys []gateway.DeviceKey, now gateway.Timestamp) []gateway.DeviceKey {
	return slices.DeleteFunc(slices.Clone(keys), func(k gateway.DeviceKey) bool {
		return k.Expires != 0 && k.Expires <= now
	})
}

// UpdateDevice changes a device's account, all of the patch or nothing, and
// returns it like Device. Disabling ends its sessions, and live sockets follow at
// once. It returns CodeNotFound, and CodeInvalidRequest for what a device cannot
// have or is out of shape.
func (s *Service) UpdateDevice(ctx context.Context, name gateway.AccountName, p Patch) (gateway.Account, error) {
	switch {
	case p.Role != nil:
		return gateway.Account{}, gateway.Errorf(gateway.CodeInvalidRequest, "a device has no role but member; give grants instead")
	case p.Password != nil:
		return gateway.Account{}, gateway.Errorf(gateway.CodeInvalidRequest, "a device has a key, not a password; rotate the key instead")
	}
	if err := p.check(); err != nil {
		return gateway.Account{}, err
	}
	a, err := s.patch(ctx, name, gateway.KindDevice, p, "")
	if err != nil {
		return gateway.Account{}, err
	}
	return s.device(a), nil
}

// RotateDeviceKey gives a device a new key and returns it. The old one works for
// another KeyOverlap, or until the new one is used; sessions go on. Rotating
// again before that replaces the new key: nobody has used it, while the old one
// is what the device out there still has. It returns CodeNotFound.
func (s *Service) RotateDeviceKey(ctx context.Context, name gateway.AccountName) (key string, err error) {
	key = token.NewSecret()
	err = s.update(ctx, func(tx Tx, log *journal) error {
		a, err := existing(tx, name, gateway.KindDevice)
		if err != nil {
			return err
		}
		keys := []gateway.DeviceKey{{Hash: token.HashSecret(key)}}
		if old := working(a.Keys, log.now); len(old) > 0 {
			last := old[len(old)-1]
			last.Expires = log.now + gateway.Timestamp(KeyOverlap.Milliseconds())
			keys = append(keys, last)
		}
		a.Keys = keys
		log.add(gateway.EventDeviceKeyRotated, string(name), "")
		return tx.PutAccount(a)
	})
	if err != nil {
		return "", err
	}
	return key, nil
}

// DeleteDevice removes a device's account with its keys and sessions and closes
// its live sockets. It returns CodeNotFound.
func (s *Service) DeleteDevice(ctx context.Context, name gateway.AccountName) error {
	return s.remove(ctx, name, gateway.KindDevice, gateway.EventDeviceDeleted)
}
