package boltstore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

// compactTxBytes is how much of a copy is held in memory at a time.
const compactTxBytes = 1 << 20

// compactFile makes a file in place of the one that is open, with the same content and
// nothing else: no free pages, and nothing of what was deleted. The caller sees to it
// that nobody writes meanwhile, and goes on with the new file, which is open, and
// closes the old. Until the new one is whole and on disk the old one is in its place.
// With an error, moved says that it is not any more: nothing may be written to the
// old one then.
func compactFile(f storeFile, old *bolt.DB) (db *bolt.DB, moved bool, err error) {
	tmp := f.path + ".tmp"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, false, refusePath(tmp, err)
	}
	if err := copyCompact(f, old, tmp); err != nil {
		return nil, false, errors.Join(err, removeIfThere(tmp))
	}
	if err := os.Rename(tmp, f.path); err != nil {
		return nil, false, refusePath(f.path, err)
	}
	if err := syncDir(filepath.Dir(f.path)); err != nil {
		return nil, true, err
	}
	db, err = openStore(f)
	return db, true, err
}

func copyCompact(f storeFile, old *bolt.DB, tmp string) error {
	small := f
	small.mapBytes, small.growBytes = 0, 1<<20
	dst, err := openBolt(small, tmp)
	if err != nil {
		return err
	}
	dst.NoSync, dst.NoGrowSync = true, true
	err = guard(f.path, func() error { return bolt.Compact(dst, old, compactTxBytes) })
	err = errors.Join(err, dst.Sync(), dst.Close())
	switch {
	case err == nil:
		return walkFile(tmp, func() bool { return false })
	case isFull(err):
		return fullError("boltstore.Compact", err)
	case isDamaged(err):
		return err
	}
	return refusePath(tmp, err)
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Compacted tells what a compaction has given back.
type Compacted struct{ Before, After int64 }

func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// Compact gives the file's free space back to the disk, and makes unreadable what
// was deleted. Commits and reads wait until it is done. It needs as much free disk
// as there is in use. It returns CodeStorageFull without that, and nothing has
// changed then.
func (h *History) Compact() (c Compacted, err error) {
	c.Before = sizeOf(h.opts.Path)
	err = h.operate(&operation{whole: h.rewrite})
	c.After = sizeOf(h.opts.Path)
	return c, err
}

// rewrite runs on the writer's goroutine.
func (h *History) rewrite() (fatal bool, err error) {
	// What is left of deleted rooms would be copied with the rest.
	for h.garbage {
		if err := h.purgeSome(); err != nil {
			return gateway.CodeOf(err) != gateway.CodeStorageFull, err
		}
	}
	db, moved, err := compactFile(historyFile(&h.opts), h.db)
	if err != nil {
		return moved, err
	}
	h.opening.Lock()
	old := h.db
	h.db = db
	h.opening.Unlock()
	h.place, err = placeOf(h.opts.Path)
	err = errors.Join(err, h.resize(), old.Close())
	return err != nil, err
}

func (h *History) resize() error {
	return h.db.View(func(tx *bolt.Tx) error {
		h.size.Store(tx.Size())
		return nil
	})
}

// Compact is History.Compact for the account store.
func (s *Identity) Compact() (c Compacted, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	c.Before = sizeOf(s.opts.Path)
	if s.err != nil {
		return c, gateway.Wrap("boltstore.Compact", s.err)
	}
	db, moved, err := compactFile(identityStoreFile(&s.opts), s.db)
	if err != nil {
		if moved {
			s.failed(err)
		}
		return c, err
	}
	s.opening.Lock()
	old := s.db
	s.db = db
	s.opening.Unlock()
	s.outdated.Store(true) // the copy still has what was deleted
	s.place, err = placeOf(s.opts.Path)
	err = errors.Join(err, old.Close())
	c.After = sizeOf(s.opts.Path)
	return c, err
}
