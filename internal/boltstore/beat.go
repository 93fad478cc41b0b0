package boltstore

import (
	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

// Beat returns nil when the history's writer has taken work and read the file. It
// writes nothing and commits nothing early, so that a watchdog may call it for
// years without wearing the card. A writer that waits for space is well. Beat
// waits for as long as the writer does; it returns CodeUnavailable when the store
// has stopped.
func (h *History) Beat() error {
	err := h.operate(&operation{early: true, whole: func() (bool, error) {
		err := guard(h.opts.Path, func() error {
			return h.db.View(func(tx *bolt.Tx) error {
				tx.Bucket(bucketLog).Cursor().First()
				return nil
			})
		})
		return err != nil, err
	}})
	if gateway.CodeOf(err) == gateway.CodeStorageFull {
		return nil
	}
	return err
}

// Beat returns nil when the file can be read in the turn of those who write. It
// writes nothing. It waits for as long as a commit lasts; it returns
// CodeUnavailable when the store has stopped.
func (s *Identity) Beat() error {
	return s.Update(func(tx *IdentityTx) error {
		tx.ClockFloor()
		return nil
	})
}
