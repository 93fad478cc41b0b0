package boltstore

import (
	"io/fs"
	"syscall"
	"testing"

	bolterrors "go.etcd.io/bbolt/errors"
)

// A write that finds no space has changed nothing; a sync may have changed
// everything.
func TestCommitErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		full bool
	}{
		{"ok a write", &fs.PathError{Op: "write", Err: syscall.ENOSPC}, true},
		{"ok growing", &fs.PathError{Op: "truncate", Err: syscall.EDQUOT}, true},
		{"ok the cap", bolterrors.ErrMaxSizeReached, true},
		{"bad a sync", syscall.ENOSPC, false},
		{"bad a broken disk", &fs.PathError{Op: "write", Err: syscall.EIO}, false},
		{"bad a broken sync", syscall.EIO, false},
	} {
		if err := commitError(c.err); err == nil || isFull(err) != c.full {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := commitError(nil); err != nil {
		t.Error(err)
	}
}
