package boltstore

import (
	"encoding/binary"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

var (
	keyLastBackup = []byte("last_backup")
	keyServed     = []byte("served")
	keyRestored   = []byte("restored")
)

// IdentityTx is what one View or Update sees. It is valid inside the function
// that it was given to, on its goroutine; what its methods return stays valid
// after it. What it writes it keeps to itself until that function has succeeded:
// a shared commit has nothing to take back.
//
// Every method that writes returns CodeInternal in a View. While something is
// yielded, nothing may be written.
type IdentityTx struct {
	tx   *bolt.Tx
	path string
	// ringEvents is how many events each ring of the audit keeps.
	ringEvents uint64
	own        *overlay // nil: read only
	scratch    []byte
}

// LastBackup is when SetLastBackup was called last, 0 when it never was or the note
// is damaged.
func (t *IdentityTx) LastBackup() gateway.Timestamp { return t.moment(keyLastBackup) }

// SetLastBackup notes when a backup was made.
func (t *IdentityTx) SetLastBackup(ts gateway.Timestamp) error { return t.setMoment(keyLastBackup, ts) }

// Served is what SetServed has noted, 0 when it never did or the note is damaged.
func (t *IdentityTx) Served() int64 { return int64(t.moment(keyServed)) }

// SetServed notes the SchemaVersions that a gateway has served with.
func (t *IdentityTx) SetServed(versions int64) error {
	return t.setMoment(keyServed, gateway.Timestamp(versions))
}

// Restored is when the backup was made that the store came from, 0 when it came
// from none, or that has been told.
func (t *IdentityTx) Restored() gateway.Timestamp { return t.moment(keyRestored) }

// SetRestored notes that the store came from a backup, or with 0 that this has been
// told.
func (t *IdentityTx) SetRestored(ts gateway.Timestamp) error { return t.setMoment(keyRestored, ts) }

func (t *IdentityTx) moment(key []byte) gateway.Timestamp {
	// The floor is older than the other notes and has no version.
	body, ok := openSum(t.get(binMeta, key), key, uint64(binMeta), &t.scratch)
	d := decoder{b: body}
	ts := gateway.Timestamp(d.varint())
	if !ok || d.bad {
		return 0
	}
	return ts
}

func (t *IdentityTx) setMoment(key []byte, ts gateway.Timestamp) error {
	return t.put(binMeta, key, seal(binMeta, key, binary.AppendVarint(nil, int64(ts))))
}

// finish does what is left when the function of a change has succeeded.
func (t *IdentityTx) finish() error {
	if err := t.finishAudit(); err != nil {
		return err
	}
	return t.finishNames()
}
