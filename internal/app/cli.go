package app

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"edgegw/internal/accounts"
	"edgegw/internal/adminsock"
	"edgegw/internal/boltstore"
	"edgegw/internal/clock"
	"edgegw/internal/config"
	"edgegw/internal/gateway"
	"edgegw/internal/password"
	"edgegw/internal/telemetry"
)

// OpenAccounts gives the command line the accounts of cfg: those of the running
// gateway through its admin socket, or else those in the store of one that does
// not run. Without a store there is only something to do for the first account:
// create makes one. done has to be called at the end.
func OpenAccounts(ctx context.Context, cfg *config.Config, create bool) (a adminsock.Admin, done func() error, err error) {
	client, dialErr := adminsock.Dial(ctx, cfg.DataDir)
	if dialErr == nil {
		return client, func() error { return nil }, nil
	}
	if err := finishRestore(cfg.DataDir); err != nil {
		return nil, nil, err
	}
	gone := func(name string) bool {
		_, err := os.Stat(filepath.Join(cfg.DataDir, name))
		return errors.Is(err, fs.ErrNotExist)
	}
	if !create && gone(identityFile) && gone(copyFile) {
		return nil, nil, gateway.Errorf(gateway.CodeNotFound,
			"there is no store in %s; name the right folder with --data-dir, or make the first account with `edgegw user add`", cfg.DataDir)
	}
	if err := makeDataDir(cfg.DataDir); err != nil {
		return nil, nil, err
	}
	identity, c, err := openStoppedAccounts(cfg)
	if gateway.CodeOf(err) == gateway.CodeConflict {
		return nil, nil, errors.Join(err, gateway.Errorf(gateway.CodeConflict,
			"a gateway runs on this data folder, but its admin socket cannot be used (%v); use the gateway's own user", dialErr))
	}
	if err != nil {
		return nil, nil, err
	}
	service, err := offlineAccounts(cfg, identity, c)
	if err != nil {
		return nil, nil, errors.Join(err, identity.Close())
	}
	d := direct(service, cfg)
	d.URLs = func() []string { return configuredURLs(cfg) }
	d.Time = siteClock{c, identity, service.Note, nil}
	return d, func() error { return closeStopped(cfg, identity) }, nil
}

// openStoppedAccounts opens the account store of a gateway that does not run. That
// it was mended stands on standard error.
func openStoppedAccounts(cfg *config.Config) (*boltstore.Identity, *clock.Clock, error) {
	o := identityOptions(cfg, telemetry.NewLogger(os.Stderr, telemetry.LogOptions{Format: string(cfg.LogFormat), Level: slog.LevelWarn}))
	o.Now = clock.System(time.Time{}).Wall
	identity, err := boltstore.OpenIdentity(o)
	if err != nil {
		return nil, nil, err
	}
	c, err := startClock(identity, clock.System)
	if err != nil {
		return nil, nil, errors.Join(err, identity.Close())
	}
	return identity, c, nil
}

// closeStopped leaves the copy as new as the store, and the files to their owner.
func closeStopped(cfg *config.Config, identity *boltstore.Identity) error {
	var err error
	if identity.Outdated() {
		err = identity.SaveCopy()
	}
	return errors.Join(err, identity.Close(), adopt(cfg.DataDir))
}

// adopt gives what root has made in the data folder of a gateway that does not run
// to the folder's owner: the gateway could not open it. Nothing outside of the
// folder can be reached, whatever its owner links meanwhile.
func adopt(dataDir string) (err error) {
	if os.Geteuid() != 0 {
		return nil
	}
	root, err := os.OpenRoot(dataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	owner, err := statOf(root, ".")
	if err != nil {
		return err
	}
	return fs.WalkDir(root.FS(), ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := statOf(root, name)
		if err != nil || st.Uid == owner.Uid {
			return err
		}
		// Not what the owner may have linked here from elsewhere.
		if kind := st.Mode & syscall.S_IFMT; st.Uid != 0 || kind != syscall.S_IFDIR && (kind != syscall.S_IFREG || st.Nlink > 1) {
			return nil
		}
		return root.Lchown(name, int(owner.Uid), int(owner.Gid))
	})
}

func statOf(root *os.Root, name string) (*syscall.Stat_t, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	st, _ := info.Sys().(*syscall.Stat_t) // there is no other on Linux
	return st, nil
}

// direct is what the admin socket and the command line work on.
func direct(s *accounts.Service, cfg *config.Config) adminsock.Direct {
	return adminsock.Direct{Service: s, LongestTTL: max(cfg.AccessTTL, cfg.DeviceAccessTTL)}
}

func offlineAccounts(cfg *config.Config, identity *boltstore.Identity, c *clock.Clock) (*accounts.Service, error) {
	ring, err := keyFile{cfg}.Load()
	if err != nil {
		return nil, err
	}
	o, err := accountsOptions(cfg, identity, c, ring, func(*password.Options) {})
	if err != nil {
		return nil, err
	}
	service, err := accounts.New(o)
	if err != nil {
		return nil, err
	}
	return service, service.UseRing(context.Background(), ring)
}
