package app

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"edgegw/internal/accounts"
	"edgegw/internal/adminsock"
	"edgegw/internal/boltstore"
	"edgegw/internal/clock"
	"edgegw/internal/config"
	"edgegw/internal/gateway"
	"edgegw/internal/password"
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
	path := filepath.Join(cfg.DataDir, identityFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && !create {
		return nil, nil, gateway.Errorf(gateway.CodeNotFound,
			"there is no store in %s; name the right folder with --data-dir, or make the first account with `edgegw user add`", cfg.DataDir)
	}
	if err := makeDataDir(cfg.DataDir); err != nil {
		return nil, nil, err
	}
	identity, err := boltstore.OpenIdentity(boltstore.IdentityOptions{
		Path: path, Now: func() time.Time { return time.Time{} },
	})
	if gateway.CodeOf(err) == gateway.CodeConflict {
		return nil, nil, errors.Join(err, gateway.Errorf(gateway.CodeConflict,
			"a gateway runs on this data folder, but its admin socket cannot be used (%v); use the gateway's own user", dialErr))
	}
	if err != nil {
		return nil, nil, err
	}
	c, err := startClock(identity, clock.System)
	if err != nil {
		return nil, nil, errors.Join(err, identity.Close())
	}
	service, err := offlineAccounts(cfg, identity, c)
	if err != nil {
		return nil, nil, errors.Join(err, identity.Close())
	}
	d := direct(service, cfg)
	d.Time = siteClock{c, identity, service.Note, nil}
	return d, identity.Close, nil
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
