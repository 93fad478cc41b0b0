package boltstore

import (
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"syscall"

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
	err = commitError(tx.Commit())
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

// commitError takes a sync that found no space for what it is: bbolt may have put
// the new state in place by then, and nobody knows what of it is on the disk. Only
// a write that found none has changed nothing.
func commitError(err error) error {
	var write *fs.PathError // os names the file, a bare fdatasync does not
	if errors.As(err, new(syscall.Errno)) && !errors.As(err, &write) {
		return fmt.Errorf("a sync failed, and what is on the disk is not known: %v", err)
	}
	return err
}
