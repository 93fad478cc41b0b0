package boltstore

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Changes is signalled after a commit that an administrator would not like to
// lose: of an account, a device, a key. What comes with everyday use, sessions
// and logins, only makes the copy Outdated.
func (s *Identity) Changes() <-chan struct{} { return s.changes }

// Outdated reports whether anything but the clock was committed since the last
// SaveCopy.
func (s *Identity) Outdated() bool { return s.outdated.Load() }

// noteChanges is called with what a commit has brought to the disk.
func (s *Identity) noteChanges(group []*change) {
	for _, c := range group {
		if c.err != nil || c.own == nil {
			continue
		}
		for b := binAccounts; b < bins; b++ {
			if len(c.own.layers[b]) > 0 {
				s.outdated.Store(true)
			}
		}
		if len(c.own.layers[binAudit]) > 0 {
			signal(s.changes)
		}
	}
}

// SaveCopy brings the copy at IdentityOptions.Copy up to date: a new file takes its
// place when it is on disk and was found to be good. It returns CodeStorageFull when
// there is no space, and CodeUnavailable when the copy turned out to be bad. Without
// a Copy it does nothing.
func (s *Identity) SaveCopy() error {
	if s.opts.Copy == "" {
		return nil
	}
	s.outdated.Store(false)
	err := s.saveCopy()
	if err != nil {
		s.outdated.Store(true)
	}
	return err
}

func (s *Identity) saveCopy() error {
	var whole bytes.Buffer
	if err := s.Export(&whole); err != nil {
		return err
	}
	tmp := s.opts.Copy + ".tmp"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return refusePath(tmp, err)
	}
	err := os.WriteFile(tmp, whole.Bytes(), 0o600)
	if err == nil {
		err = syncFile(tmp)
	}
	if isFull(err) {
		return errors.Join(fullError("boltstore.SaveCopy", err), os.Remove(tmp))
	}
	if err != nil {
		return refusePath(tmp, err)
	}
	if err := VerifyIdentity(tmp); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	if err := os.Rename(tmp, s.opts.Copy); err != nil {
		return refusePath(tmp, err)
	}
	return syncDir(filepath.Dir(s.opts.Copy))
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return refusePath(path, err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}
