package app

import (
	"context"
	"fmt"
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
	"edgegw/internal/password"
	"edgegw/internal/token"
)

var (
	_ hub.History    = (*boltstore.History)(nil)
	_ hub.History    = (*memstore.Store)(nil)
	_ accounts.Store = identityStore{}
	_ accounts.Tx    = (*boltstore.IdentityTx)(nil)
	_ hub.Clock      = (*clock.Clock)(nil)
)

// identityFile is the name of the identity store in the data folder.
const identityFile = "identity.db"

// identityStore gives accounts its own view of the identity store.
type identityStore struct{ *boltstore.Identity }

func (s identityStore) View(f func(accounts.Tx) error) error {
	return s.Identity.View(func(tx *boltstore.IdentityTx) error { return f(tx) })
}

func (s identityStore) Update(f func(accounts.Tx) error) error {
	return s.Identity.Update(func(tx *boltstore.IdentityTx) error { return f(tx) })
}

// keys is where tokens are made and checked.
type keys struct {
	*token.Authority
	exposed bool // the key file can be read by everyone
}

// openStores opens the identity store and sets the clock going.
func (a *App) openStores(deps Deps) error {
	if err := makeDataDir(a.cfg.DataDir); err != nil {
		return err
	}
	var err error
	// The store is older than the clock, which starts from the floor in it;
	// only differences of time are asked here.
	a.identity, err = boltstore.OpenIdentity(boltstore.IdentityOptions{
		Path: filepath.Join(a.cfg.DataDir, identityFile), Now: a.now, Logger: a.logger,
		Failed: a.fail, Observer: a.storeObserver(),
	})
	if err != nil {
		return err
	}
	a.closers = append(a.closers, a.identity)
	sources := deps.Clock
	if sources == nil {
		sources = clock.System
	}
	a.clock, err = startClock(a.identity, sources)
	if err != nil {
		return err
	}
	a.started = a.clock.Now()
	return nil
}

func startClock(s *boltstore.Identity, sources func(time.Time) clock.Options) (*clock.Clock, error) {
	var floor time.Time
	err := s.View(func(tx *boltstore.IdentityTx) error {
		if ts := tx.ClockFloor(); ts > 0 {
			floor = time.UnixMilli(int64(ts))
		}
		return nil
	})
	return clock.New(sources(floor)), err
}

// now is the logical time once there is a clock.
func (a *App) now() time.Time {
	if a.clock == nil {
		return time.Time{}
	}
	return a.clock.Now()
}

// fail ends the gateway for a reason that no request can be told.
func (a *App) fail(err error) {
	select {
	case a.failed <- err:
	default:
	}
}

func (a *App) openHistory() error {
	var err error
	a.volatile, err = memstore.New(memstore.Options{
		Settings: a.cfg.RoomSettings, Now: a.clock.Now, TimeTrusted: a.clock.Trusted,
	})
	if err != nil {
		return err
	}
	a.history, err = boltstore.OpenHistory(boltstore.HistoryOptions{
		Path:     filepath.Join(a.cfg.DataDir, "history.db"),
		Settings: a.cfg.RoomSettings,
		// The hub is made from the history; it is there before Run.
		Committed:     func(r []*gateway.Record) { a.hub.Committed(r) },
		CommitWindow:  a.cfg.CommitWindow,
		MaxStoreBytes: a.cfg.MaxStoreBytes,
		Now:           a.clock.Now,
		TimeTrusted:   a.clock.Trusted,
		Logger:        a.logger,
		Observer:      a.storeObserver(),
	})
	if err != nil {
		return err
	}
	a.closers = append(a.closers, a.history)
	a.hub = hub.New(a.hubOptions())
	return nil
}

func (a *App) hubOptions() hub.Options {
	c := a.cfg
	return hub.Options{
		Stored: a.history, Volatile: a.volatile, Settings: c.RoomSettings,
		Clock: a.clock, ClockState: func() string { return string(a.clock.State()) },
		Logger: a.logger, Metrics: hubMetrics(a.metrics),
		Limits: hub.Limits{
			Connections: c.MaxConnections, ConnectionsPerIP: c.MaxConnectionsPerIP,
			ConnectionsPerAccount: c.MaxConnectionsPerAccount, RoomsPerConnection: c.MaxRoomsPerConnection,
			MessageBytes: c.MaxMessageBytes, MessageRate: c.MessageRate, QueueBytes: c.SendQueueBytes,
			PingInterval: c.PingInterval, WriteTimeout: writeTimeout,
		},
	}
}

func (a *App) openAccounts(ctx context.Context) error {
	var err error
	if a.tokens, err = openKeys(a.cfg, a.clock); err != nil {
		return err
	}
	if a.tokens.exposed {
		a.logger.Warn("the file with the signing key can be read by every user of this machine; run chmod 600 on it",
			"event", "key_exposed")
	}
	hasher, err := newHasher(a.cfg, a.clock, a.metrics.Argon2Duration.ObserveDuration)
	if err != nil {
		return err
	}
	a.metrics.Argon2Queue.Follow(func() int64 { return int64(hasher.Waiting()) })
	a.accounts, err = accounts.New(accounts.Options{
		Store: identityStore{a.identity}, Hasher: hasher, Policy: password.Policy{MinLength: a.cfg.PasswordMinLength},
		Tokens: a.tokens.Authority, AccessTTL: a.cfg.AccessTTL, DefaultGrants: a.cfg.DefaultGrants,
		Now: a.clock.Now, Logger: a.logger,
		Observe: accounts.Observe{
			Login:   func(result string) { a.metrics.Logins.Inc(result) },
			Refused: func(r token.Reason) { a.metrics.TokenRejections.Inc(string(r)) },
		},
	})
	if err != nil {
		return err
	}
	return a.ensureAdmin(ctx)
}

func newHasher(cfg *config.Config, c *clock.Clock, observe func(time.Duration)) (*password.Hasher, error) {
	return password.New(password.Options{
		Params:      password.Params{MemoryKiB: cfg.Argon2MemoryKiB, Time: cfg.Argon2Time, Threads: cfg.Argon2Threads},
		Concurrency: cfg.Argon2Concurrency, Now: c.Now, Observe: observe,
	})
}

func openKeys(cfg *config.Config, c *clock.Clock) (k keys, err error) {
	var ring *token.KeyRing
	switch {
	case cfg.JWTKeysFile != "":
		ring, err = token.LoadKeysFile(cfg.JWTKeysFile)
	default:
		path := cfg.JWTSecretFile
		if path == "" {
			path = filepath.Join(cfg.DataDir, "jwt-secret")
			if _, err := token.EnsureSecretFile(path); err != nil {
				return k, fmt.Errorf("making the signing secret: %w", err)
			}
		}
		ring, err = token.LoadSecretFile(path)
	}
	if err != nil {
		return k, fmt.Errorf("signing key: %w", err)
	}
	k.exposed = ring.Exposed()
	k.Authority, err = token.New(token.Options{Ring: ring, Issuer: cfg.JWTIssuer, Audience: cfg.JWTAudience, Now: c.Now})
	return k, err
}

// ensureAdmin makes an administrator from admin_password_file when there is
// none. The file is read only then: it may be gone later.
func (a *App) ensureAdmin(ctx context.Context) error {
	if a.accounts.HasAdmin() {
		return nil
	}
	if a.cfg.AdminPasswordFile == "" {
		a.logger.Warn("there is no administrator: run `edgegw user add NAME --role admin`, or start with admin_password_file",
			"event", "setup_required")
		return nil
	}
	secret, err := readSecret(a.cfg.AdminPasswordFile)
	if err != nil {
		return fmt.Errorf("admin_password_file: %w", err)
	}
	if _, err := a.accounts.EnsureAdmin(ctx, secret); err != nil {
		return fmt.Errorf("admin_password_file %s: %w", a.cfg.AdminPasswordFile, err)
	}
	return nil
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
