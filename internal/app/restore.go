package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"edgegw/internal/boltstore"
	"edgegw/internal/config"
	"edgegw/internal/gateway"
)

// The folder in data_dir that an archive is unpacked into. What stands in staging
// counts for nothing; movingOut says that all of it is verified and that the files
// of before are moved aside, movingIn that they have been.
const (
	staging   = "restore.tmp"
	movingOut = "restore.out"
	movingIn  = "restore.in"
)

// The folders in it.
const (
	stagedNew = "new"
	stagedOld = "old"
)

// Restored tells what Restore did.
type Restored struct {
	// Aside is the folder that the files of before are in, "" when there were
	// none. Config is where the configuration of the backup stands now, with
	// the key files that it names, "" when there was none.
	Aside, Config string
}

// Restore puts the archive at path in place of what data_dir holds, which is kept
// in a folder of its own. The gateway must not run. Nothing is touched before the
// whole archive has been unpacked and verified. It returns CodeConflict while a
// gateway runs, and CodeUnavailable for an archive that is damaged or newer.
func Restore(cfg *config.Config, path string) (done Restored, err error) {
	if err := makeDataDir(cfg.DataDir); err != nil {
		return done, err
	}
	lock, err := lockStores(cfg.DataDir)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, lock(), adopt(cfg.DataDir)) }()
	if _, err := install(cfg.DataDir); err != nil { // of one that was cut off
		return done, err
	}
	dir := filepath.Join(cfg.DataDir, staging)
	if err := os.RemoveAll(dir); err != nil {
		return done, err
	}
	files := filepath.Join(dir, stagedNew)
	for _, d := range []string{files, filepath.Join(dir, stagedOld)} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return done, err
		}
	}
	m, err := unpack(path, files, (*boltstore.HistoryImport).Finish)
	if err == nil {
		err = markRestored(filepath.Join(files, identityFile), m.Created)
	}
	if err != nil {
		return done, errors.Join(err, os.RemoveAll(dir))
	}
	// From here on the restore is decided: whoever comes next completes it.
	if there(files, tlsFolder) {
		err = syncFolder(filepath.Join(files, tlsFolder))
	}
	err = errors.Join(err, syncFolder(files), syncFolder(dir), os.Rename(dir, filepath.Join(cfg.DataDir, movingOut)))
	if err == nil {
		err = syncFolder(cfg.DataDir)
	}
	if err != nil {
		return done, err
	}
	return install(cfg.DataDir)
}

// markRestored has the first gateway that serves the accounts tell of the restore:
// the audit that it belongs into is theirs.
func markRestored(path string, created gateway.Timestamp) (err error) {
	identity, err := boltstore.OpenIdentity(boltstore.IdentityOptions{Path: path, Now: func() time.Time { return time.Time{} }})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, identity.Close()) }()
	return identity.Update(func(tx *boltstore.IdentityTx) error { return tx.SetRestored(max(created, 1)) })
}

// noteRestored audits a restore, once, with the date of the backup.
func (a *App) noteRestored(ctx context.Context) error {
	var created gateway.Timestamp
	err := a.identity.View(func(tx *boltstore.IdentityTx) error {
		created = tx.Restored()
		return nil
	})
	if err != nil || created == 0 {
		return err
	}
	ctx = gateway.WithOrigin(ctx, gateway.Origin{IP: "local", Actor: gateway.ActorCLI})
	from := time.UnixMilli(int64(created)).UTC().Format(time.RFC3339)
	if err := a.accounts.Note(ctx, gateway.EventRestore, "", from); err != nil {
		return err
	}
	return a.identity.Update(func(tx *boltstore.IdentityTx) error { return tx.SetRestored(0) })
}

// finishRestore completes a restore that was cut off in the middle. Without it a
// gateway would start on half of the files.
func finishRestore(dataDir string) error {
	if !there(dataDir, movingOut) && !there(dataDir, movingIn) {
		return nil
	}
	lock, err := lockStores(dataDir)
	if err != nil {
		return err
	}
	_, err = install(dataDir)
	return errors.Join(err, lock())
}

// install moves what there was aside, all of it, and then the new files into
// place, from wherever that was left off: the name of the folder tells.
func install(dataDir string) (done Restored, err error) {
	out, in := filepath.Join(dataDir, movingOut), filepath.Join(dataDir, movingIn)
	names := []string{identityFile, "identity.db.bak", historyFile, "jwt-secret", "jwt-keys.json"}
	// A CA of a backup replaces the one that is there. Without one in it, that
	// stays: every client was given it.
	if there(filepath.Join(out, stagedNew), tlsFolder) || there(filepath.Join(in, stagedNew), tlsFolder) {
		names = append(names, tlsFolder)
	}
	if there(dataDir, movingOut) {
		if err := moveAll(dataDir, filepath.Join(out, stagedOld), names); err != nil {
			return done, err
		}
		if err := errors.Join(os.Rename(out, in), syncFolder(dataDir)); err != nil {
			return done, err
		}
	}
	if !there(dataDir, movingIn) {
		return done, nil
	}
	if err := moveAll(filepath.Join(in, stagedNew), dataDir, names); err != nil {
		return done, err
	}
	info, err := os.Stat(in)
	if err != nil {
		return done, err
	}
	stamp := info.ModTime().UTC().Format("20060102-150405")
	if old, _ := os.ReadDir(filepath.Join(in, stagedOld)); len(old) > 0 {
		if done.Aside, err = keep(filepath.Join(in, stagedOld), filepath.Join(dataDir, "replaced-"+stamp)); err != nil {
			return done, err
		}
	}
	if there(filepath.Join(in, stagedNew), configFolder) {
		if done.Config, err = keep(filepath.Join(in, stagedNew, configFolder), filepath.Join(dataDir, "restored-config-"+stamp)); err != nil {
			return done, err
		}
	}
	return done, errors.Join(syncFolder(dataDir), os.RemoveAll(in), syncFolder(dataDir))
}

func there(dir, name string) bool {
	_, err := os.Lstat(filepath.Join(dir, name))
	return err == nil
}

// moveAll moves those of the names that are there. Both folders are on disk when
// it returns. Nothing is overwritten: what stands there already was made by
// somebody else, and what it would hide may be the only copy.
func moveAll(from, to string, names []string) error {
	for _, name := range names {
		if there(from, name) && there(to, name) {
			return gateway.Errorf(gateway.CodeConflict,
				"a restore was cut off, and %s is both in %s and in %s; keep the one that you want, move the other elsewhere, and start again", name, from, to)
		}
		err := os.Rename(filepath.Join(from, name), filepath.Join(to, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return errors.Join(syncFolder(to), syncFolder(from))
}

// keep renames a folder to a name that is free.
func keep(from, to string) (string, error) {
	const most = 1000
	name := to
	for n := 2; n < most && there(filepath.Dir(name), filepath.Base(name)); n++ {
		name = fmt.Sprintf("%s-%d", to, n)
	}
	return name, os.Rename(from, name)
}

// lockStores keeps a gateway from starting, and tells whether one runs: each
// holds the lock of its files, and whoever makes a file that of the folder.
func lockStores(dataDir string) (release func() error, err error) {
	var held []*os.File
	release = func() error {
		var errs []error
		for _, f := range held {
			errs = append(errs, f.Close())
		}
		return errors.Join(errs...)
	}
	for _, name := range []string{"", identityFile, historyFile} {
		f, err := os.Open(filepath.Join(dataDir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			held = append(held, f)
			err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		}
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(gateway.Errorf(gateway.CodeConflict,
				"a gateway runs on %s; stop it, restore, and start it again", dataDir), release())
		}
		if err != nil {
			return nil, errors.Join(err, release())
		}
	}
	return release, nil
}
