package app

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"edgegw/internal/backup"
	"edgegw/internal/config"
)

func backupDir(cfg *config.Config) string {
	if cfg.BackupDir != "" {
		return cfg.BackupDir
	}
	return filepath.Join(cfg.DataDir, "backups")
}

const backupStamp = "20060102-150405"

func backupName(site string, now time.Time) string {
	return site + "-" + now.UTC().Format(backupStamp) + backup.Suffix
}

// backupTime reads from the name of a backup when it was made. Only names that the
// site's own timer gives are told of: a folder may be shared, and what somebody has
// put there by hand is not the timer's to remove.
func backupTime(site, name string) (time.Time, bool) {
	stamp, mine := strings.CutPrefix(name, site+"-")
	stamp, whole := strings.CutSuffix(stamp, backup.Suffix)
	made, err := time.Parse(backupStamp, stamp)
	return made, mine && whole && err == nil && len(stamp) == len(backupStamp)
}

// ownBackup is an archive that the timer of this site has made.
type ownBackup struct {
	path string
	made time.Time
}

// ownBackups are those in backup_dir, in the order of their names.
func ownBackups(cfg *config.Config) ([]ownBackup, error) {
	dir := backupDir(cfg)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var list []ownBackup
	for _, e := range entries {
		if made, ok := backupTime(cfg.Site, e.Name()); ok && e.Type().IsRegular() {
			list = append(list, ownBackup{filepath.Join(dir, e.Name()), made})
		}
	}
	return list, nil
}

// byAge puts the oldest first. Those from a time that is still to come were made
// under a wrong clock, nobody knows when: they go before all others, so that they
// neither keep a backup from being made nor push a new one out.
func byAge(list []ownBackup, now time.Time) []ownBackup {
	slices.SortStableFunc(list, func(x, y ownBackup) int {
		if late := y.made.After(now); late != x.made.After(now) {
			if late {
				return 1
			}
			return -1
		}
		return x.made.Compare(y.made)
	})
	return list
}

// sweepBackups removes what backups of the timer have left that were killed.
func sweepBackups(cfg *config.Config) error {
	entries, err := os.ReadDir(backupDir(cfg))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		name, left := strings.CutSuffix(strings.TrimSuffix(e.Name(), verifySuffix), tmpSuffix)
		if _, ok := backupTime(cfg.Site, name); ok && left {
			err = errors.Join(err, os.RemoveAll(filepath.Join(backupDir(cfg), e.Name())))
		}
	}
	return err
}

// rescueAccounts takes the account store out of the newest backup that is whole.
func rescueAccounts(cfg *config.Config) func(dst string) (string, error) {
	return func(dst string) (string, error) {
		list, err := ownBackups(cfg)
		for _, b := range slices.Backward(list) {
			if err = extractAccounts(cfg, b.path, dst); err == nil {
				return filepath.Base(b.path), nil
			}
		}
		return "", errors.Join(err, errors.New("there is no whole backup"))
	}
}

// extractAccounts refuses the store of another gateway, whatever the file is
// called: whoever is an administrator there is nobody here. Two gateways may have
// the same site's name, but never the same secret of their own.
func extractAccounts(cfg *config.Config, path, dst string) (err error) {
	file, err := openRegular(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	secret := keyFile{cfg}.secretPath()
	ours, err := os.ReadFile(secret)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	m, err := backup.Read(file, func(name string, data []byte) error {
		switch {
		case name == identityFile:
			return os.WriteFile(dst, data, 0o600)
		case name == filepath.Base(secret) && ours != nil && !bytes.Equal(data, ours):
			return fmt.Errorf("%s is of another gateway", path)
		}
		return nil
	})
	if err == nil && m.Site != cfg.Site {
		err = fmt.Errorf("%s is of the site %s", path, m.Site)
	}
	return err
}
