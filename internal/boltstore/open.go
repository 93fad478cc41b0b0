package boltstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"edgegw/internal/gateway"
)

// lockTimeout is how long a second process waits for the file lock before it
// gives up.
const lockTimeout = time.Second

// storeFile says what one of the two files is and how to open it.
type storeFile struct {
	path   string
	schema schema
	// mapBytes is the size of the first memory map. A map that is large
	// enough from the start is never moved, and moving it makes readers and
	// the writer wait for each other. It costs address space, no memory.
	mapBytes int
	// maxBytes is the wall that the file does not grow through.
	maxBytes int
	// growBytes is the step in which the file grows.
	growBytes int
	// open stands in for os.OpenFile in tests.
	open func(string, int, os.FileMode) (*os.File, error)
}

// openStore opens the file, or creates it when there is none, and brings it to
// the current schema. Every refusal is a *gateway.Error that says what to do:
// CodeConflict when another process has the file, else CodeUnavailable.
func openStore(f storeFile) (*bolt.DB, error) {
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := createStore(f); err != nil {
			return nil, err
		}
		info, err = os.Stat(f.path)
	}
	switch {
	case err != nil:
		return nil, refusePath(f.path, err)
	case !info.Mode().IsRegular():
		return nil, refuse(nil, "%s is not a regular file; move it away, or choose another data_dir", f.path)
	}
	if err := checkFile(f.path, info.Size()); err != nil {
		return nil, err
	}
	db, err := openBolt(f, f.path)
	if err != nil {
		return nil, err
	}
	// What a process that was killed has left of a copy. Whoever has the file
	// makes them, and that is this one now.
	if err := removeIfThere(f.path + ".tmp"); err != nil {
		return nil, errors.Join(refusePath(f.path, err), db.Close())
	}
	if err := guard(f.path, func() error { return f.schema.upgrade(db, f.path) }); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// createStore makes the file under another name and moves it into place when
// it is whole and on disk: a power cut at any moment leaves no file or a good
// one. The lock on the folder keeps a second process from doing the same.
func createStore(f storeFile) (err error) {
	dir, err := lockFolder(f.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	if _, err := os.Stat(f.path); err == nil {
		return nil // the other process was faster
	}
	tmp := f.path + ".tmp"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return refusePath(f.path, err)
	}
	db, err := openBolt(f, tmp)
	if err != nil {
		return err
	}
	if err := errors.Join(db.Update(f.schema.create), db.Close(), syncFile(tmp)); err != nil {
		return refusePath(f.path, err)
	}
	if err := errors.Join(os.Rename(tmp, f.path), dir.Sync()); err != nil {
		return refusePath(f.path, err)
	}
	return nil
}

// lockFolder keeps other processes from making or mending the file at path, until
// the folder is closed.
func lockFolder(path string) (dir *os.File, err error) {
	if dir, err = os.Open(filepath.Dir(path)); err != nil {
		return nil, refusePath(path, err)
	}
	if err := lockFile(dir); err != nil {
		return nil, errors.Join(refuseInUse(path, err), dir.Close())
	}
	return dir, nil
}

// lockFile locks a file or a folder, as bbolt does, and waits a little for it.
func lockFile(file *os.File) error {
	const pause = 50 * time.Millisecond
	var err error
	for range lockTimeout / pause {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		time.Sleep(pause)
	}
	return err
}

// unlockFile frees what lockFile or bbolt has locked.
func unlockFile(file *os.File) error { return syscall.Flock(int(file.Fd()), syscall.LOCK_UN) }

func syncFile(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

func openBolt(f storeFile, path string) (db *bolt.DB, err error) {
	open := f.open
	if open == nil {
		open = os.OpenFile
	}
	var file *os.File
	err = guard(f.path, func() (err error) {
		db, err = bolt.Open(path, 0o600, &bolt.Options{
			Timeout:         lockTimeout,
			FreelistType:    bolt.FreelistMapType,
			InitialMmapSize: f.mapBytes,
			MaxSize:         f.maxBytes,
			OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
				file, err = open(name, flag, mode)
				return file, err
			},
		})
		return err
	})
	switch {
	case err == nil:
		db.AllocSize = f.growBytes
		return db, nil
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, refuseInUse(f.path, err)
	case gateway.CodeOf(err) == gateway.CodeInternal:
		return nil, refusePath(f.path, err)
	}
	if file != nil {
		// A damaged file made bbolt give up halfway. Its map outlives the file,
		// and would keep the lock.
		err = errors.Join(err, unlockFile(file), file.Close())
	}
	return nil, err
}

// guard turns the panic or the page fault of a damaged file into an error.
func guard(path string, fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = refuseDamaged(path, fmt.Errorf("%v", p))
		}
	}()
	return fn()
}
