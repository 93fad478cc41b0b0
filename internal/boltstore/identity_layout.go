package boltstore

import (
	"crypto/rand"
	"encoding/binary"
	"errors"

	bolt "go.etcd.io/bbolt"
)

// bin is one of the buckets of identity.db. Its number is a part of the sums of
// what it holds, so that a number never changes.
type bin byte

const (
	binMeta       bin = iota // what the file knows about itself
	binAccounts              // name → account
	binSessions              // account, 0x00, session → session
	binResets                // hash of the code → reset
	binDeviceKeys            // hash of the key → name of the account
	binAudit                 // seq → event that is not routine
	binRoutine               // seq → routine event
	binNames                 // name, and seq and name → tombstone
	binKeys                  // what tokens are signed with
	bins
)

var buckets = [bins][]byte{
	binMeta:       bucketMeta,
	binAccounts:   []byte("accounts"),
	binSessions:   []byte("sessions"),
	binResets:     []byte("resets"),
	binDeviceKeys: []byte("device_keys"),
	binAudit:      []byte("audit"),
	binRoutine:    []byte("audit_routine"),
	binNames:      []byte("names"),
	binKeys:       []byte("keys"),
}

func identitySchema() schema {
	return schema{kind: "identity", first: createIdentity, steps: []func(*bolt.Tx) error{addSessions}}
}

func createIdentity(tx *bolt.Tx) error {
	_, err := tx.CreateBucket(buckets[binAccounts])
	return err
}

// addSessions is schema version 2. Accounts stay as they are: the older form of
// one is read for good, and written anew when the account changes.
func addSessions(tx *bolt.Tx) error {
	for b := binSessions; b <= binKeys; b++ {
		if _, err := tx.CreateBucket(buckets[b]); err != nil {
			return err
		}
	}
	key := make([]byte, refreshKeyBytes)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	value := seal(binKeys, keyRefresh, appendString([]byte{noteVersion}, string(key)))
	return tx.Bucket(buckets[binKeys]).Put(keyRefresh, value)
}

// noteVersion begins the value of everything but accounts.
const noteVersion = 1

var errSum = errors.New("its record fails its sum")

// seal ends a value with the sum of it and of its place.
func seal(b bin, key, value []byte) []byte { return appendSum(value, 0, key, uint64(b)) }

// unseal begins to take a value apart. What is read from a damaged one is not to
// be used; the decoder is bad then.
func (t *IdentityTx) unseal(b bin, key, value []byte) decoder {
	body, ok := openSum(value, key, uint64(b), &t.scratch)
	d := decoder{b: body}
	if version := d.byte(); version != noteVersion || !ok {
		d.bad = true
	}
	return d
}

func numberKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
