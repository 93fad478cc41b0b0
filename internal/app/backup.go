package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"edgegw/internal/adminsock"
	"edgegw/internal/backup"
	"edgegw/internal/boltstore"
	"edgegw/internal/buildinfo"
	"edgegw/internal/clock"
	"edgegw/internal/config"
	"edgegw/internal/gateway"
)

// The entries of an archive: what is in data_dir, under the names of there, and
// the files that the configuration names, which stand elsewhere.
const (
	historyEntry = "history/%06d"
	configFolder = "config"
	configEntry  = configFolder + "/config.toml" // the file as it is
	// givenEntry has what the file, the variables and the flags come to.
	givenEntry = configFolder + "/" + GivenFile
	// The server certificate is made anew: on another board it has other names.
	caCertEntry = tlsFolder + "/" + caCertFile
	caKeyEntry  = tlsFolder + "/" + caKeyFile
)

// GivenFile is the name of a configuration file with all that was set when a backup
// was made.
const GivenFile = "effective.toml"

// exportPause is between two chunks, at most half a megabyte each: publishers come
// first.
const exportPause = 5 * time.Millisecond

// backupSource is what an archive is made from.
type backupSource struct {
	cfg      *config.Config
	identity *boltstore.Identity
	history  *boltstore.History
	now      func() time.Time
}

// write makes an archive while both stores go on. The keys come last: what the
// accounts tell of was signed with one that is there. One that is made meanwhile
// is known too early, which harms nobody.
func (s backupSource) write(ctx context.Context, w io.Writer) error {
	out, err := backup.NewWriter(w, backup.Manifest{
		Version: buildinfo.Read().Version, Site: s.cfg.Site, Created: gateway.Timestamp(s.now().UnixMilli()),
	})
	if err != nil {
		return err
	}
	n := 0
	err = s.history.Export(ctx, func(chunk []byte) error {
		n++
		if err := out.Add(fmt.Sprintf(historyEntry, n), chunk); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(exportPause):
			return nil
		}
	})
	if err != nil {
		return err
	}
	// In memory, since a slow reader must not keep a transaction open.
	var identity bytes.Buffer
	if err := s.identity.Export(&identity); err != nil {
		return err
	}
	if err := out.Add(identityFile, identity.Bytes()); err != nil {
		return err
	}
	if err := s.writeFiles(out); err != nil {
		return err
	}
	return out.Close()
}

func (s backupSource) writeFiles(out *backup.Writer) error {
	files := s.files()
	for _, entry := range slices.Sorted(maps.Keys(files)) {
		data, err := readRegular(files[entry])
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return gateway.Wrap("backup", err)
		}
		if err := out.Add(entry, data); err != nil {
			return err
		}
	}
	var given bytes.Buffer
	if err := s.cfg.WriteGiven(&given); err != nil || given.Len() == 0 {
		return err
	}
	return out.Add(givenEntry, given.Bytes())
}

// files are those that an archive holds besides the stores, if they are there.
func (s backupSource) files() map[string]string {
	keys := keyFile{s.cfg}
	files := map[string]string{
		filepath.Base(keys.secretPath()): keys.secretPath(),
		filepath.Base(keys.ringPath()):   keys.ringPath(),
	}
	ca := caFiles{s.cfg.DataDir}
	files[caCertEntry], files[caKeyEntry] = ca.path(caCertFile), ca.path(caKeyFile)
	for option, path := range s.cfg.SecretFiles() {
		files[configFolder+"/"+option] = path
	}
	if s.cfg.File() != "" {
		files[configEntry] = s.cfg.File()
	}
	return files
}

// Backup writes an archive of the gateway to path, from the running gateway
// through its admin socket or else from the stores of one that does not run. The
// file is there when all of it has been written, read again and verified. It
// returns CodeConflict when the path is taken, and CodeUnavailable when the
// archive turned out not to be good; nothing is left behind then.
func Backup(ctx context.Context, cfg *config.Config, path string) error {
	if _, err := os.Lstat(path); err == nil {
		return gateway.Errorf(gateway.CodeConflict, "%s is there already; choose another name", path)
	}
	client, err := adminsock.Dial(ctx, cfg.DataDir)
	if err != nil {
		return writeArchive(path, func(w io.Writer) error { return backupStopped(ctx, cfg, w) })
	}
	err = writeArchive(path, func(w io.Writer) error { return client.Backup(ctx, w) })
	noted := client.BackupDone(context.WithoutCancel(ctx), err == nil)
	if err == nil && noted != nil {
		return fmt.Errorf("%s is written and verified, but the gateway could not note it: %w", path, noted)
	}
	return err
}

func backupStopped(ctx context.Context, cfg *config.Config, w io.Writer) (err error) {
	if err := finishRestore(cfg.DataDir); err != nil {
		return err
	}
	for _, name := range []string{identityFile, historyFile} {
		if _, err := os.Stat(filepath.Join(cfg.DataDir, name)); err != nil {
			return gateway.Errorf(gateway.CodeNotFound, "there is no store in %s; name the right folder with --data-dir", cfg.DataDir)
		}
	}
	identity, history, err := openStopped(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, history.Close(), identity.Close(), adopt(cfg.DataDir)) }()
	c, err := startClock(identity, clock.System)
	if err != nil {
		return err
	}
	return backupSource{cfg, identity, history, c.Now}.write(ctx, w)
}

// What a backup is called before it counts, and the folder in which it is tried.
const (
	tmpSuffix    = ".tmp"
	verifySuffix = ".verify"
)

// writeArchive makes a file of what write writes, under another name until it is
// verified and on disk.
func writeArchive(path string, write func(io.Writer) error) (err error) {
	tmp := path + tmpSuffix
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp))
		}
	}()
	if err := errors.Join(write(&gentle{File: file}), file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := verifyArchive(tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// verifyArchive brings the archive back in a folder beside it: only what can be
// restored is a backup.
func verifyArchive(path string) (err error) {
	dir := path + verifySuffix
	if err := os.RemoveAll(dir); err != nil { // of one that was killed
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	_, err = unpack(path, dir, (*boltstore.HistoryImport).Try)
	return err
}

// gentle syncs a file as it grows. One sync at the end would keep the commits of
// the gateway waiting until all of it is on disk.
type gentle struct {
	*os.File
	dirty int
}

const gentleBytes = 1 << 20

func (g *gentle) Write(b []byte) (int, error) {
	n, err := g.File.Write(b)
	if g.dirty += n; err == nil && g.dirty >= gentleBytes {
		g.dirty = 0
		err = g.Sync()
	}
	return n, err
}

func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// adminOf is what the admin socket works on.
func (a *App) adminOf() adminsock.Direct {
	d := direct(a.accounts, a.cfg)
	d.URLs, d.Running = a.urls, true
	d.Archive, d.ArchiveDone = a.archive, a.archiveDone
	d.Files = care{a.identity, a.history, a.cfg.DataDir}
	d.Time = siteClock{a.clock, a.identity, a.accounts.Note, &a.clockReset}
	return d
}
