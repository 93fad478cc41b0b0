package boltstore

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"
)

// openMended opens the identity file as it is when it is sound, and mends it
// before when it is not. A file that is gone while its copy is there counts as
// damaged: an empty one would belong to whoever comes first.
func openMended(opts *IdentityOptions) (*bolt.DB, error) {
	if opts.Copy == "" {
		return openStore(identityStoreFile(opts))
	}
	db, err := openSound(opts)
	if err == nil {
		// As in openStore.
		err = errors.Join(removeIfThere(opts.Copy+".tmp"), removeIfThere(opts.Path+".rescue"))
	}
	if err != nil && db != nil {
		err = errors.Join(err, db.Close())
	}
	return db, err
}

// openSound opens the file, and mends it before when it has to be.
func openSound(opts *IdentityOptions) (*bolt.DB, error) {
	_, err := os.Lstat(opts.Path)
	_, copied := os.Lstat(opts.Copy)
	if errors.Is(err, fs.ErrNotExist) && copied == nil {
		err = refuseDamaged(opts.Path, errors.New("it is gone, and its copy is there"))
	} else {
		var db *bolt.DB
		if db, err = openStore(identityStoreFile(opts)); err == nil {
			if err = checkIdentity(opts.Path); err == nil {
				return db, nil
			}
			err = errors.Join(err, db.Close())
		}
	}
	if !isDamaged(err) {
		return nil, err
	}
	if err := mendIdentity(opts, err); err != nil {
		return nil, err
	}
	return openStore(identityStoreFile(opts))
}

// checkIdentity looks at all pages and all values of a file that nobody writes.
func checkIdentity(path string) error {
	if err := walkFile(path, func() bool { return false }); err != nil {
		return err
	}
	parts, err := readIdentity(path)
	if err != nil {
		return refusePath(path, err)
	}
	if parts.damaged > 0 {
		return refuseDamaged(path, fmt.Errorf("%d values or pages fail their sums", parts.damaged))
	}
	return nil
}

// mendIdentity puts the damaged file aside, and in its place a new one with what
// is sound in it and, of what is not, the state of the verified copy or else of
// the newest backup.
func mendIdentity(opts *IdentityOptions, cause error) (err error) {
	path := opts.Path
	dir, err := lockFolder(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	if err := lockAlone(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	opts.Logger.Error("the account store is damaged: it is mended", "event", "identity_damaged", "reason", cause.Error())
	parts, err := readIdentity(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return refusePath(path, err)
	}
	if err != nil { // all of it is lost
		for b := range bins {
			parts.lost[b] = true
		}
	}
	said := parts.complete(opts)
	if len(parts.values[binAccounts]) == 0 {
		return refuse(damage{cause}, "%s is damaged, and there is neither a copy nor a backup of it; restore one, or move it away to start with an empty one", path)
	}
	tmp := path + ".tmp"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return refusePath(path, err)
	}
	if err := errors.Join(parts.write(tmp), VerifyIdentity(tmp), syncFile(tmp)); err != nil {
		return refuse(err, "%s is damaged and cannot be mended; check the disk and its free space", path)
	}
	bad, err := setAside(path, opts.Now(), math.MaxInt64)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return refuse(err, "%s is damaged and cannot be put aside; check the disk and the folder", path)
	}
	if err := errors.Join(os.Rename(tmp, path), dir.Sync()); err != nil {
		return refusePath(path, err)
	}
	opts.Logger.Error("the account store was mended", "event", "identity_mended", "left_out", parts.damaged, "how", said, "kept_as", bad)
	if opts.Observer.Quarantined != nil {
		opts.Observer.Quarantined("accounts: " + said + ", the damaged file is " + filepath.Base(bad))
	}
	return nil
}

// complete fills in what is lost, and says how.
func (p *identityParts) complete(opts *IdentityOptions) string {
	if !slices.Contains(p.lost[:], true) {
		return "nothing was lost"
	}
	var said []string
	take := func(path, name string) bool {
		if err := VerifyIdentity(path); err != nil {
			opts.Logger.Warn("a copy of the account store cannot be used", "event", "identity_copy_bad", "reason", err.Error())
			return false
		}
		from, err := readIdentity(path)
		if err != nil {
			return false
		}
		names := p.fill(from)
		slices.Sort(names)
		if len(names) > 8 {
			names = append(names[:8], "…")
		}
		said = append(said, fmt.Sprintf("from %s came back what was lost, with the accounts [%s] as they were then", name, strings.Join(names, " ")))
		return true
	}
	taken := take(opts.Copy, filepath.Base(opts.Copy))
	if !taken && opts.Rescue != nil {
		tmp := opts.Path + ".rescue"
		if name, err := opts.Rescue(tmp); err == nil {
			taken = take(tmp, name)
		}
		_ = os.Remove(tmp) // it may not be there
	}
	if !taken {
		said = append(said, fmt.Sprintf("there is no copy: %d accounts could be saved", len(p.values[binAccounts])))
	}
	if p.values[binKeys][string(keyRefresh)] == nil {
		said = append(said, "the key of the refresh tokens is lost and a new one was made: who was logged in has to log in again")
	}
	return strings.Join(said, "; ")
}
