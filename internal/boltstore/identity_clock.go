package boltstore

import (
	"encoding/binary"
	"errors"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

var (
	keyClockFloor = []byte("clock_floor")
	keyClockAge   = []byte("clock_age")
)

// ClockFloor is the time that the logical clock starts from, 0 when none was
// ever stored or the stored one is damaged.
func (t *IdentityTx) ClockFloor() gateway.Timestamp { return t.moment(keyClockFloor) }

// SetClockFloor stores the floor, also a lower one.
func (t *IdentityTx) SetClockFloor(ts gateway.Timestamp) error { return t.setMoment(keyClockFloor, ts) }

// ClockAge is the time that ages were measured by when a commit saved the floor
// last, 0 when none did or the note is damaged.
func (t *IdentityTx) ClockAge() gateway.Timestamp { return t.moment(keyClockAge) }

// putFloor saves the clock's floor, and the time that ages are measured by, with
// what is committed anyway.
func (s *Identity) putFloor(tx *bolt.Tx) error {
	if s.opts.Floor == nil {
		return nil
	}
	floor, age := s.opts.Floor()
	if floor == 0 {
		return nil
	}
	// Ages are saved beside a floor that is ahead too: it was set to where
	// the clock is about to go, and the next start has to know the difference.
	err := putMoment(tx, keyClockAge, age)
	if floor > s.within(tx).ClockFloor() {
		err = errors.Join(err, putMoment(tx, keyClockFloor, floor))
	}
	return err
}

func putMoment(tx *bolt.Tx, key []byte, ts gateway.Timestamp) error {
	return tx.Bucket(bucketMeta).Put(key, seal(binMeta, key, binary.AppendVarint(nil, int64(ts))))
}
