package accounts

import (
	"context"

	"edgegw/internal/gateway"
	"edgegw/internal/token"
)

// ImportDevices adds devices whose keys were made elsewhere. Unless skipBad is
// set, one bad line means that nothing is imported; the report tells of every bad
// line either way, and that is no error. It returns CodeInvalidRequest when there
// is nothing to import, or more than MaxImport lines.
func (s *Service) ImportDevices(ctx context.Context, list []ImportDevice, skipBad bool) (ImportReport, error) {
	if err := checkImport(len(list)); err != nil {
		return ImportReport{}, err
	}
	b := &batch{}
	for i := range list {
		in := &list[i]
		a, err := s.readDevice(in)
		if err != nil {
			b.refuse(in.Line, in.Name, gateway.AsError(err).Message)
			continue
		}
		b.good = append(b.good, candidate{line: in.Line, account: a})
	}
	b.once("name", func(c candidate) string { return string(c.account.Name) })
	b.once("key hash", func(c candidate) string { return string(c.account.Keys[0].Hash[:]) })
	if err := s.lookUp(b); err != nil {
		return ImportReport{}, err
	}
	if b.stops(skipBad) {
		return b.report(0), nil
	}
	return s.commit(ctx, b, gateway.EventDevicesImported, skipBad)
}

func (s *Service) readDevice(in *ImportDevice) (gateway.Account, error) {
	if in.Err != nil {
		return gateway.Account{}, in.Err
	}
	n := NewDevice{Name: gateway.AccountName(in.Name), Room: gateway.RoomID(in.Room)}
	for _, text := range in.Grants {
		g, err := gateway.ParseGrant(text)
		if err != nil {
			return gateway.Account{}, err
		}
		n.Grants = append(n.Grants, g)
	}
	a, err := s.draftDevice(n)
	if err != nil {
		return a, err
	}
	hash, err := token.ParseKeyHash(in.KeyHash)
	a.Keys = []gateway.DeviceKey{{Hash: hash}}
	return a, err
}

// unusedKey returns CodeConflict for a key that a device has: it would log in as
// one of the two.
func unusedKey(tx Tx, hash gateway.KeyHash) error {
	owner, err := tx.DeviceOf(hash)
	if err == nil && owner != "" {
		err = gateway.Errorf(gateway.CodeConflict, "the device %s has this key already; every device needs its own", owner)
	}
	return err
}
