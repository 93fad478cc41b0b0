package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"edgegw/internal/accounts"
	"edgegw/internal/boltstore"
	"edgegw/internal/clock"
	"edgegw/internal/config"
	"edgegw/internal/gateway"
	"edgegw/internal/hub"
	"edgegw/internal/memstore"
)

var (
	_ hub.History    = (*boltstore.History)(nil)
	_ hub.History    = (*memstore.Store)(nil)
	_ accounts.Store = identityStore{}
	_ accounts.Tx    = (*boltstore.IdentityTx)(nil)
	_ hub.Clock      = (*clock.Clock)(nil)
	_ accounts.Live  = (*hub.Hub)(nil)
)

// identityFile is the name of the identity store in the data folder.
const identityFile = "identity.db"

// copyFile is its verified copy, for when a card damages it.
const copyFile = identityFile + ".bak"

func copyPath(cfg *config.Config) string { return filepath.Join(cfg.DataDir, copyFile) }

// historyFile is the name of the history.
const historyFile = "history.db"

// identityStore gives accounts its own view of the identity store.
type identityStore struct{ *boltstore.Identity }

func (s identityStore) View(f func(accounts.Tx) error) error {
	return s.Identity.View(func(tx *boltstore.IdentityTx) error { return f(tx) })
}

func (s identityStore) Update(f func(accounts.Tx) error) error {
	return s.Identity.Update(func(tx *boltstore.IdentityTx) error { return f(tx) })
}

// openStores opens the identity store and sets the clock going.
func (a *App) openStores(deps Deps) error {
	if err := makeDataDir(a.cfg.DataDir); err != nil {
		return err
	}
	if err := finishRestore(a.cfg.DataDir); err != nil {
		return err
	}
	a.space = boltstore.OpenSpace(a.cfg.DataDir, a.logger)
	var err error
	// The store is older than the clock, which starts from the floor in it;
	// only differences of time are asked here.
	sources := deps.Clock
	if sources == nil {
		sources = clock.System
	}
	o := identityOptions(a.cfg, a.logger)
	o.Now, o.Floor, o.Space = a.nowOr(sources(time.Time{}).Wall), a.floor, a.space
	o.Failed, o.Observer = a.fail, a.storeObserver("accounts")
	a.identity, err = boltstore.OpenIdentity(o)
	if err != nil {
		return err
	}
	a.closers = append(a.closers, a.identity)
	a.warnReadable()
	a.clock, err = startClock(a.identity, keptClock(sources))
	if err != nil {
		return err
	}
	a.started = a.clock.Now()
	return nil
}

func startClock(s *boltstore.Identity, sources func(time.Time) clock.Options) (*clock.Clock, error) {
	var floor, age time.Time
	err := s.View(func(tx *boltstore.IdentityTx) error {
		if ts := tx.ClockFloor(); ts > 0 {
			floor = time.UnixMilli(int64(ts))
		}
		if ts := tx.ClockAge(); ts > 0 {
			age = time.UnixMilli(int64(ts))
		}
		return nil
	})
	o := sources(floor)
	o.Age = age
	return clock.New(o), err
}

// identityOptions is how every part of the program opens the account store: where
// it is mended by its copy or a backup when it is damaged, or gone.
func identityOptions(cfg *config.Config, log *slog.Logger) boltstore.IdentityOptions {
	return boltstore.IdentityOptions{
		Path: filepath.Join(cfg.DataDir, identityFile), Copy: copyPath(cfg), Rescue: rescueAccounts(cfg), Logger: log,
	}
}

// warnReadable tells of files with password hashes and messages that every user of
// the machine can read, or put others in the place of.
func (a *App) warnReadable() {
	for _, name := range []string{".", identityFile, copyFile, historyFile} {
		path := filepath.Join(a.cfg.DataDir, name)
		info, err := os.Stat(path)
		if err != nil {
			continue // it may not be there yet
		}
		switch mode := info.Mode().Perm(); {
		case name == "." && mode&0o022 != 0:
			a.logger.Warn("others may change files in the data folder; run chmod 700 on it", "event", "data_exposed", "path", path)
		case name != "." && mode&0o077 != 0:
			a.logger.Warn("others may read or write a store; run chmod 600 on it", "event", "data_exposed", "path", path)
		}
	}
}

// nowOr is the logical time, and the time of the wall as long as there is no clock.
func (a *App) nowOr(wall func() time.Time) func() time.Time {
	return func() time.Time {
		if a.clock == nil {
			return wall()
		}
		return a.clock.Now()
	}
}

// fail ends the gateway for a reason that no request can be told.
func (a *App) fail(err error) {
	select {
	case a.failed <- err:
	default:
	}
}

func (a *App) openHistory(deps Deps) error {
	var err error
	a.history, err = boltstore.OpenHistory(boltstore.HistoryOptions{
		Path:     filepath.Join(a.cfg.DataDir, historyFile),
		Settings: a.cfg.RoomSettings,
		Classes:  a.cfg.RoomClasses(),
		// The hub is made from the history; it is there before Run.
		Committed:      func(r []*gateway.Record) { a.hub.Committed(r) },
		Lost:           func(r []*gateway.Record) { a.hub.Lost(r) },
		Space:          a.space,
		CommitWindow:   a.cfg.CommitWindow,
		MaxStoreBytes:  storeBytes(a.cfg),
		RetentionEvery: deps.RetentionEvery,
		Now:            a.clock.Now,
		AgeTime:        a.clock.AgeTime,
		Aside:          a.spare.Use,
		Logger:         a.logger,
		Observer:       a.storeObserver("history"),
	})
	if err != nil {
		return err
	}
	a.closers = append(a.closers, a.history)
	if err := a.beginTime(); err != nil {
		return err
	}
	a.volatile, err = memstore.New(memstore.Options{
		Settings: a.history.RoomSettings, Now: a.clock.Now, AgeTime: a.clock.AgeTime,
	})
	if err != nil {
		return err
	}
	a.hub = hub.New(a.hubOptions())
	return nil
}

func (a *App) hubOptions() hub.Options {
	c := a.cfg
	return hub.Options{
		Stored: a.history, Volatile: a.volatile,
		Settings: a.history.RoomSettings, SaveSettings: a.saveSettings,
		Clock: a.clock, ClockState: func() string { return string(a.clock.State()) },
		Authenticate: a.credentials, Logger: a.logger, Metrics: hubMetrics(a.metrics),
		Limits: hub.Limits{
			Connections: c.MaxConnections, ConnectionsPerIP: c.MaxConnectionsPerIP,
			ConnectionsPerAccount: c.MaxConnectionsPerAccount, RoomsPerConnection: c.MaxRoomsPerConnection,
			MessageBytes: c.MaxMessageBytes, MessageRate: c.MessageRate, QueueBytes: c.SendQueueBytes,
			PingInterval: c.PingInterval, WriteTimeout: writeTimeout,
		},
	}
}

// saveSettings keeps what an administrator decided about a room, nil for nothing
// any more.
func (a *App) saveSettings(id gateway.RoomID, s *gateway.RoomSettings) error {
	if s == nil {
		return a.history.DeleteSettings(id)
	}
	return a.history.PutSettings(id, *s)
}

// credentials tells the hub what a token gives that a live connection shows.
func (a *App) credentials(ctx context.Context, raw string) (hub.Credentials, error) {
	id, err := a.accounts.Authenticate(ctx, raw)
	return hub.Credentials{Principal: id.Principal, Session: id.Session, Expires: id.ExpiresAt}, err
}

// readSecret reads a file less one trailing newline; no path is no secret.
func readSecret(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSuffix(string(b), "\n")
	if secret == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return secret, nil
}

func makeDataDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return &gateway.Error{Code: gateway.CodeUnavailable, Op: "data_dir", Err: fmt.Errorf(
			"%w; choose a folder that this user may write with --data-dir or EDGEGW_DATA_DIR", err)}
	}
	return nil
}
