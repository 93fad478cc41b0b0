package boltstore

import (
	"errors"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"
)

// updateFile runs fn in one transaction that is on disk, at the file's place, when
// it returns. It returns the bytes of the pages that were written: those that the transaction
// allocated, and the meta page. size is set to the used part of the file.
func updateFile(db *bolt.DB, at place, size *atomic.Int64, fn func(*bolt.Tx) error) (int64, error) {
	tx, err := db.Begin(true)
	if err != nil {
		return 0, err
	}
	done := false
	defer func() {
		if !done { // a panic: free the writer's lock before it goes on
			_ = tx.Rollback()
		}
	}()
	if err := fn(tx); err != nil {
		done = true
		return 0, errors.Join(err, tx.Rollback())
	}
	used := tx.Size()
	err = tx.Commit()
	done = true
	if err == nil {
		err = at.check()
	}
	if err != nil {
		return 0, err
	}
	size.Store(used)
	stats := tx.Stats()
	return stats.GetPageAlloc() + int64(db.Info().PageSize), nil
}
