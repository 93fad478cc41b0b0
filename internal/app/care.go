package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"edgegw/internal/adminsock"
	"edgegw/internal/backup"
	"edgegw/internal/boltstore"
	"edgegw/internal/config"
	"edgegw/internal/gateway"
)

// care is what `edgegw check` and `edgegw compact` do to the stores of a gateway
// that runs.
type care struct {
	identity *boltstore.Identity
	history  *boltstore.History
	dataDir  string
}

func (c care) Check(context.Context) ([]adminsock.Checked, error) {
	identity, err := c.identity.Inspect()
	if err != nil {
		return nil, err
	}
	history, err := c.history.Inspect()
	if err != nil {
		return nil, err
	}
	list := []adminsock.Checked{checked(identityFile, identity), checked(historyFile, history)}
	// Nobody writes the copy but by putting another in its place.
	if path := filepath.Join(c.dataDir, copyFile); there(c.dataDir, copyFile) {
		saved, err := boltstore.Inspect(path)
		if err != nil {
			return nil, err
		}
		list = append(list, checked(copyFile, saved))
	}
	return list, nil
}

func checked(name string, i boltstore.Inspection) adminsock.Checked {
	return adminsock.Checked{File: name, Kind: i.Kind, Schema: i.Schema, Values: i.Values, Damaged: i.Damaged, Problems: i.Problems}
}

func (c care) Compact(context.Context) ([]adminsock.Compacted, error) {
	identity, err := c.identity.Compact()
	if err != nil {
		return nil, err
	}
	// What was deleted shall not be left in the copy either.
	if c.identity.Outdated() {
		if err := c.identity.SaveCopy(); err != nil && gateway.CodeOf(err) != gateway.CodeStorageFull {
			return nil, err
		}
	}
	history, err := c.history.Compact()
	return []adminsock.Compacted{
		{File: identityFile, Before: identity.Before, After: identity.After}, {File: historyFile, Before: history.Before, After: history.After},
	}, err
}

// Check looks at all of one file, or of both stores of cfg and the copy: through the
// admin socket when the gateway runs. It returns CodeNotFound when there is nothing
// to look at.
func Check(ctx context.Context, cfg *config.Config, path string) ([]adminsock.Checked, error) {
	if path != "" {
		c, err := checkFile(path)
		return []adminsock.Checked{c}, err
	}
	if client, err := adminsock.Dial(ctx, cfg.DataDir); err == nil {
		return client.Check(ctx)
	}
	if err := finishRestore(cfg.DataDir); err != nil {
		return nil, err
	}
	lock, err := lockStores(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	var list []adminsock.Checked
	for _, name := range []string{identityFile, historyFile, copyFile} {
		if !there(cfg.DataDir, name) {
			continue
		}
		i, inspectErr := boltstore.Inspect(filepath.Join(cfg.DataDir, name))
		err = errors.Join(err, inspectErr)
		list = append(list, checked(name, i))
	}
	if len(list) == 0 {
		err = gateway.Errorf(gateway.CodeNotFound, "there is no store in %s; name the right folder with --data-dir", cfg.DataDir)
	}
	return list, errors.Join(err, lock())
}

// checkFile looks at one file. A backup is brought back beside it, as when it was
// made: the only way to know that it can be.
func checkFile(path string) (c adminsock.Checked, err error) {
	file, err := openRegular(path)
	if err != nil {
		return c, err
	}
	archive := backup.Is(file)
	if err := file.Close(); err != nil {
		return c, err
	}
	if !archive {
		i, err := boltstore.Inspect(path)
		return checked(path, i), err
	}
	c = adminsock.Checked{File: path, Kind: KindBackup, Schema: backup.Format}
	switch err := verifyArchive(path); {
	case gateway.CodeOf(err) == gateway.CodeUnavailable:
		c.Damaged, c.Problems = 1, []string{err.Error()}
	case err != nil:
		return c, err
	}
	return c, nil
}

// KindBackup is what Check calls a backup.
const KindBackup = "backup"

// Compact gives the free space of both stores of cfg back to the disk: through the
// admin socket when the gateway runs.
func Compact(ctx context.Context, cfg *config.Config) (done []adminsock.Compacted, err error) {
	if client, err := adminsock.Dial(ctx, cfg.DataDir); err == nil {
		return client.Compact(ctx)
	}
	if err := finishRestore(cfg.DataDir); err != nil {
		return nil, err
	}
	for _, name := range []string{identityFile, historyFile} {
		if _, err := os.Stat(filepath.Join(cfg.DataDir, name)); err != nil {
			return nil, gateway.Errorf(gateway.CodeNotFound, "there is no store in %s; name the right folder with --data-dir", cfg.DataDir)
		}
	}
	identity, history, err := openStopped(cfg)
	if err != nil {
		return nil, err
	}
	done, err = care{identity, history, cfg.DataDir}.Compact(ctx)
	return done, errors.Join(err, history.Close(), identity.Close(), adopt(cfg.DataDir))
}

// openStopped opens the stores of a gateway that does not run.
func openStopped(cfg *config.Config) (*boltstore.Identity, *boltstore.History, error) {
	identity, c, err := openStoppedAccounts(cfg)
	if err != nil {
		return nil, nil, err
	}
	history, err := boltstore.OpenHistory(boltstore.HistoryOptions{
		Path: filepath.Join(cfg.DataDir, historyFile), Settings: cfg.RoomSettings, Classes: cfg.RoomClasses(),
		Now: c.Now, MaxStoreBytes: storeBytes(cfg),
	})
	if err != nil {
		return nil, nil, errors.Join(err, identity.Close())
	}
	return identity, history, nil
}
