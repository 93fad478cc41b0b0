package boltstore

import (
	"encoding/binary"

	"edgegw/internal/gateway"
)

// accountVersion is the form that accounts are written in. Version 1 ended with
// the grants.
const accountVersion = 2

// encodeAccount makes the stored form of an account:
//
//	version kind role disabled created hash grants room keys seen reset crc
//
// The name is the key, and part of the sum.
func encodeAccount(a *gateway.Account) []byte {
	v := appendString([]byte{accountVersion}, a.Kind)
	v = appendString(v, a.Role)
	disabled := byte(0)
	if a.Disabled {
		disabled = 1
	}
	v = binary.AppendVarint(append(v, disabled), int64(a.Created))
	v = appendString(v, a.PasswordHash)
	v = binary.AppendUvarint(v, uint64(len(a.Grants)))
	for _, g := range a.Grants {
		v = appendString(append(v, byte(g.Rights)), g.Pattern)
	}
	v = appendString(v, a.Room)
	v = binary.AppendUvarint(v, uint64(len(a.Keys)))
	for _, k := range a.Keys {
		v = binary.AppendVarint(append(v, k.Hash[:]...), int64(k.Expires))
	}
	v = binary.AppendVarint(v, int64(a.Seen))
	v = binary.AppendVarint(v, int64(a.ResetRequested))
	return appendSum(v, 0, a.Name, 0)
}

func decodeAccount(name gateway.AccountName, value []byte, scratch *[]byte) (gateway.Account, bool) {
	body, ok := openSum(value, name, 0, scratch)
	d := decoder{b: body}
	version := d.byte()
	a := gateway.Account{
		Name:         name,
		Kind:         gateway.Kind(d.bytes()),
		Role:         gateway.Role(d.bytes()),
		Disabled:     d.byte() != 0,
		Created:      gateway.Timestamp(d.varint()),
		PasswordHash: string(d.bytes()),
	}
	for n := d.uvarint(); n > 0 && !d.bad; n-- {
		rights := gateway.Rights(d.byte())
		a.Grants = append(a.Grants, gateway.Grant{Rights: rights, Pattern: string(d.bytes())})
	}
	if version == 1 {
		return a, ok && !d.bad
	}
	a.Room = gateway.RoomID(d.bytes())
	for n := d.uvarint(); n > 0 && !d.bad; n-- {
		var key gateway.DeviceKey
		d.array(key.Hash[:])
		key.Expires = gateway.Timestamp(d.varint())
		a.Keys = append(a.Keys, key)
	}
	a.Seen = gateway.Timestamp(d.varint())
	a.ResetRequested = gateway.Timestamp(d.varint())
	return a, ok && !d.bad && version == accountVersion
}
