package boltstore

import (
	"bytes"
	"errors"
	"slices"

	"edgegw/internal/gateway"
)

// Account returns the account and whether there is one. It returns
// CodeUnavailable for a stored account that is damaged.
func (t *IdentityTx) Account(name gateway.AccountName) (gateway.Account, bool, error) {
	value := t.get(binAccounts, []byte(name))
	if value == nil {
		return gateway.Account{}, false, nil
	}
	a, ok := decodeAccount(name, value, &t.scratch)
	if !ok {
		return gateway.Account{}, false, t.damagedAccount(name)
	}
	return a, true, nil
}

func (t *IdentityTx) damagedAccount(name gateway.AccountName) error {
	return refuse(errSum, "account %q in %s is damaged; delete it and make it again, or restore a backup", name, t.path)
}

// Accounts gives every account to yield, sorted by name, until it returns false.
// Damaged ones are left out; after the last account they are the error,
// CodeUnavailable.
func (t *IdentityTx) Accounts(yield func(gateway.Account) bool) error {
	var damaged error
	for key, value := range t.scan(binAccounts, nil, nil) {
		name := gateway.AccountName(key)
		a, ok := decodeAccount(name, value, &t.scratch)
		if !ok {
			damaged = errors.Join(damaged, t.damagedAccount(name))
		} else if !yield(a) {
			return nil
		}
	}
	return damaged
}

// PutAccount stores the account under its name and makes its device keys known.
// It returns CodeInternal for an empty name and CodeConflict for a device key
// that is another account's.
func (t *IdentityTx) PutAccount(a gateway.Account) error {
	if a.Name == "" {
		return gateway.Wrap("boltstore.PutAccount", errors.New("an account without a name"))
	}
	for _, key := range a.Keys {
		if owner, ok := t.keyOwner(key.Hash); ok && owner != "" && owner != a.Name {
			return gateway.Errorf(gateway.CodeConflict, "the key of %s is the key of %s already; give each device its own", a.Name, owner)
		}
	}
	had := t.storedKeys(a.Name)
	if err := t.put(binAccounts, []byte(a.Name), encodeAccount(&a)); err != nil {
		return err
	}
	for _, hash := range had {
		if !slices.ContainsFunc(a.Keys, func(k gateway.DeviceKey) bool { return k.Hash == hash }) {
			if err := t.drop(binDeviceKeys, hash[:]); err != nil {
				return err
			}
		}
	}
	for _, key := range a.Keys {
		place := bytes.Clone(key.Hash[:])
		if err := t.put(binDeviceKeys, place, seal(binDeviceKeys, place, appendString([]byte{noteVersion}, a.Name))); err != nil {
			return err
		}
	}
	return nil
}

// DeleteAccount removes the account, its device keys, sessions and reset codes;
// it is no error if there is none. Its name stays taken (Deleted) for as long as
// the audit reaches back to this change.
func (t *IdentityTx) DeleteAccount(name gateway.AccountName) error {
	for _, hash := range t.storedKeys(name) {
		if err := t.drop(binDeviceKeys, hash[:]); err != nil {
			return err
		}
	}
	from, to := sessionsOf(name)
	if err := errors.Join(t.dropRange(binSessions, from, to), t.dropResets(name)); err != nil {
		return err
	}
	if t.get(binAccounts, []byte(name)) == nil {
		return nil
	}
	t.own.gone = append(t.own.gone, name)
	return t.drop(binAccounts, []byte(name))
}

// storedKeys returns the device keys that are known as the account's. When its
// record is damaged, they are looked for.
func (t *IdentityTx) storedKeys(name gateway.AccountName) (hashes []gateway.KeyHash) {
	value := t.get(binAccounts, []byte(name))
	if value == nil {
		return nil
	}
	if a, ok := decodeAccount(name, value, &t.scratch); ok {
		for _, key := range a.Keys {
			hashes = append(hashes, key.Hash)
		}
		return hashes
	}
	for key, value := range t.scan(binDeviceKeys, nil, nil) {
		d := t.unseal(binDeviceKeys, key, value)
		if owner := d.bytes(); !d.bad && string(owner) == string(name) && len(key) == len(gateway.KeyHash{}) {
			hashes = append(hashes, gateway.KeyHash(key))
		}
	}
	return hashes
}

// DeviceOf returns the account that has the device key, also an expired one, or
// "". A damaged note of a key is made good by the account that has it.
func (t *IdentityTx) DeviceOf(hash gateway.KeyHash) (gateway.AccountName, error) {
	owner, ok := t.keyOwner(hash)
	if ok {
		return owner, nil
	}
	err := t.Accounts(func(a gateway.Account) bool {
		if slices.ContainsFunc(a.Keys, func(k gateway.DeviceKey) bool { return k.Hash == hash }) {
			owner = a.Name
		}
		return owner == ""
	})
	return owner, err
}

// keyOwner returns what is noted of a device key. It is not ok when the note is
// damaged.
func (t *IdentityTx) keyOwner(hash gateway.KeyHash) (owner gateway.AccountName, ok bool) {
	value := t.get(binDeviceKeys, hash[:])
	if value == nil {
		return "", true
	}
	d := t.unseal(binDeviceKeys, hash[:], value)
	owner = gateway.AccountName(d.bytes())
	if d.bad {
		return "", false
	}
	return owner, true
}
