package boltstore

import (
	"bytes"
	"encoding/binary"

	"edgegw/internal/gateway"
)

const refreshKeyBytes = 32

// The keys of the keys bucket.
var (
	keyRefresh = []byte("refresh")
	keySigning = []byte("signing")
)

// RefreshKey is what refresh tokens are signed with, 32 random bytes that were
// made with the store. It returns CodeUnavailable when it is damaged: a new one
// would end every session, and that is not for the store to decide.
func (t *IdentityTx) RefreshKey() ([]byte, error) {
	d := t.unseal(binKeys, keyRefresh, t.get(binKeys, keyRefresh))
	key := bytes.Clone(d.bytes())
	if d.bad || len(key) != refreshKeyBytes {
		return nil, refuse(errSum, "the key of the refresh tokens in %s is damaged; restore a backup", t.path)
	}
	return key, nil
}

// SigningKeys is what PutSigningKeys was given last. It returns CodeUnavailable
// when that is damaged.
func (t *IdentityTx) SigningKeys() ([]gateway.SigningKey, error) {
	value := t.get(binKeys, keySigning)
	if value == nil {
		return nil, nil
	}
	d := t.unseal(binKeys, keySigning, value)
	var keys []gateway.SigningKey
	for n := d.uvarint(); n > 0 && !d.bad; n-- {
		keys = append(keys, gateway.SigningKey{ID: string(d.bytes()), Retired: gateway.Timestamp(d.varint())})
	}
	if d.bad {
		return nil, refuse(errSum, "what %s knows of the signing keys is damaged; restore a backup", t.path)
	}
	return keys, nil
}

// PutSigningKeys replaces what is known of the signing keys.
func (t *IdentityTx) PutSigningKeys(keys []gateway.SigningKey) error {
	v := binary.AppendUvarint([]byte{noteVersion}, uint64(len(keys)))
	for _, k := range keys {
		v = binary.AppendVarint(appendString(v, k.ID), int64(k.Retired))
	}
	return t.put(binKeys, keySigning, seal(binKeys, keySigning, v))
}
