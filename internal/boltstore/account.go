package boltstore

import (
	"encoding/binary"

	"edgegw/internal/gateway"
)

const accountVersion = 1

// encodeAccount makes the stored form of an account:
//
//	version kind role disabled created hash grants crc
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
	return appendSum(v, 0, a.Name, 0)
}

func decodeAccount(name gateway.AccountName, value []byte) (gateway.Account, bool) {
	body, ok := openSum(value, name, 0, new([]byte))
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
	return a, ok && !d.bad && version == accountVersion
}
