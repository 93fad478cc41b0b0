package boltstore

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

var keyClockFloor = []byte("clock_floor")

var errReadOnly = errors.New("written in a View")

// IdentityTx is what one View or Update sees. It is valid inside the function
// that it was given to, on its goroutine. What it writes it keeps to itself
// until that function has succeeded: a shared commit has nothing to take back.
type IdentityTx struct {
	tx       *bolt.Tx
	path     string
	readOnly bool
	accounts map[gateway.AccountName][]byte // nil: deleted
	floor    *gateway.Timestamp
}

// Account returns the account and whether there is one. It returns
// CodeUnavailable for a stored account that is damaged.
func (t *IdentityTx) Account(name gateway.AccountName) (gateway.Account, bool, error) {
	value, ours := t.accounts[name]
	if !ours {
		value = t.tx.Bucket(bucketAccounts).Get([]byte(name))
	}
	if value == nil {
		return gateway.Account{}, false, nil
	}
	a, ok := decodeAccount(name, value)
	if !ok {
		return gateway.Account{}, false, t.damaged(name)
	}
	return a, true, nil
}

func (t *IdentityTx) damaged(name gateway.AccountName) error {
	return refuse(errors.New("its record fails its sum"),
		"account %q in %s is damaged; delete it and make it again, or restore a backup", name, t.path)
}

// PutAccount stores the account under its name. It returns CodeInternal in a
// View and for an empty name.
func (t *IdentityTx) PutAccount(a gateway.Account) error {
	if a.Name == "" {
		return gateway.Wrap("boltstore.PutAccount", errors.New("an account without a name"))
	}
	return t.write(a.Name, encodeAccount(&a))
}

// DeleteAccount removes the account, if there is one. It returns CodeInternal in
// a View.
func (t *IdentityTx) DeleteAccount(name gateway.AccountName) error {
	return t.write(name, nil)
}

func (t *IdentityTx) write(name gateway.AccountName, value []byte) error {
	if t.readOnly {
		return gateway.Wrap("boltstore.IdentityTx", errReadOnly)
	}
	if t.accounts == nil {
		t.accounts = make(map[gateway.AccountName][]byte)
	}
	t.accounts[name] = value
	return nil
}

// Accounts gives every account to yield, sorted by name, until it returns false.
// Damaged ones are left out; after the last account they are the error,
// CodeUnavailable. yield must not write.
func (t *IdentityTx) Accounts(yield func(gateway.Account) bool) error {
	var damaged error
	give := func(name gateway.AccountName, value []byte) bool {
		if value == nil {
			return true
		}
		a, ok := decodeAccount(name, value)
		if !ok {
			damaged = errors.Join(damaged, t.damaged(name))
			return true
		}
		return yield(a)
	}
	ours := slices.Sorted(maps.Keys(t.accounts))
	cursor := t.tx.Bucket(bucketAccounts).Cursor()
	key, value := cursor.First()
	for key != nil || len(ours) > 0 {
		stored := gateway.AccountName(key)
		if len(ours) == 0 || key != nil && stored < ours[0] {
			if !give(stored, value) {
				return nil
			}
			key, value = cursor.Next()
			continue
		}
		if key != nil && stored == ours[0] {
			key, value = cursor.Next() // ours replaces it
		}
		name := ours[0]
		ours = ours[1:]
		if !give(name, t.accounts[name]) {
			return nil
		}
	}
	return damaged
}

// ClockFloor is the time that the logical clock starts from, 0 when none was
// ever stored or the stored one is damaged.
func (t *IdentityTx) ClockFloor() gateway.Timestamp {
	if t.floor != nil {
		return *t.floor
	}
	body, ok := openSum(t.tx.Bucket(bucketMeta).Get(keyClockFloor), keyClockFloor, 0, new([]byte))
	d := decoder{b: body}
	ts := gateway.Timestamp(d.varint())
	if !ok || d.bad {
		return 0
	}
	return ts
}

// SetClockFloor stores the floor, also a lower one. It returns CodeInternal in a
// View.
func (t *IdentityTx) SetClockFloor(ts gateway.Timestamp) error {
	if t.readOnly {
		return gateway.Wrap("boltstore.IdentityTx", errReadOnly)
	}
	t.floor = &ts
	return nil
}

// apply hands what was written to the shared transaction.
func (t *IdentityTx) apply() error {
	accounts := t.tx.Bucket(bucketAccounts)
	for name, value := range t.accounts {
		var err error
		if value == nil {
			err = accounts.Delete([]byte(name))
		} else {
			err = accounts.Put([]byte(name), value)
		}
		if err != nil {
			return err
		}
	}
	if t.floor == nil {
		return nil
	}
	v := binary.AppendVarint(nil, int64(*t.floor))
	return t.tx.Bucket(bucketMeta).Put(keyClockFloor, appendSum(v, 0, keyClockFloor, 0))
}
