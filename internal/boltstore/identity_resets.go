package boltstore

import (
	"bytes"
	"encoding/binary"

	"edgegw/internal/gateway"
)

// Reset reports whether the reset code is there; it may have expired. It returns
// CodeUnavailable for one that is damaged.
func (t *IdentityTx) Reset(hash gateway.ResetHash) (gateway.Reset, bool, error) {
	value := t.get(binResets, hash[:])
	if value == nil {
		return gateway.Reset{}, false, nil
	}
	r, ok := t.decodeReset(hash[:], value)
	if !ok {
		return gateway.Reset{}, false, refuse(errSum, "the record of this reset code is damaged; ask for a new code")
	}
	return r, true, nil
}

// PutReset adds or replaces a reset code.
func (t *IdentityTx) PutReset(r gateway.Reset) error {
	key := bytes.Clone(r.Hash[:])
	v := appendString([]byte{noteVersion}, r.Account)
	return t.put(binResets, key, seal(binResets, key, binary.AppendVarint(v, int64(r.Expires))))
}

// DeleteReset removes a reset code; it is no error if there is none.
func (t *IdentityTx) DeleteReset(hash gateway.ResetHash) error {
	return t.drop(binResets, bytes.Clone(hash[:]))
}

// Resets gives the reset codes to yield until it returns false, sorted by hash.
// Damaged ones are left out.
func (t *IdentityTx) Resets(yield func(gateway.Reset) bool) error {
	for key, value := range t.scan(binResets, nil, nil) {
		if r, ok := t.decodeReset(key, value); ok && !yield(r) {
			break
		}
	}
	return nil
}

// dropResets removes the codes of an account, and damaged ones: nobody can use
// them, and nobody else would find them.
func (t *IdentityTx) dropResets(of gateway.AccountName) error {
	var keys [][]byte
	for key, value := range t.scan(binResets, nil, nil) {
		if r, ok := t.decodeReset(key, value); !ok || r.Account == of {
			keys = append(keys, key)
		}
	}
	return t.dropAll(binResets, keys)
}

func (t *IdentityTx) decodeReset(key, value []byte) (r gateway.Reset, ok bool) {
	d := t.unseal(binResets, key, value)
	r.Account = gateway.AccountName(d.bytes())
	r.Expires = gateway.Timestamp(d.varint())
	return r, copy(r.Hash[:], key) == len(key) && len(key) == len(r.Hash) && !d.bad
}
