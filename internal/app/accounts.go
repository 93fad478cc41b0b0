package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"edgegw/internal/accounts"
	"edgegw/internal/boltstore"
	"edgegw/internal/clock"
	"edgegw/internal/config"
	"edgegw/internal/gateway"
	"edgegw/internal/password"
	"edgegw/internal/token"
	"edgegw/internal/webhook"
)

func (a *App) openAccounts(ctx context.Context) error {
	keys := keyFile{a.cfg}
	if err := keys.sweep(); err != nil {
		return err
	}
	ring, err := keys.Load()
	if err != nil {
		return err
	}
	a.warnExposed(ring)
	o, err := accountsOptions(a.cfg, a.identity, a.clock, ring, func(o *password.Options) {
		o.Aside, o.Observe = a.spare.Use, a.metrics.Argon2Duration.ObserveDuration
	})
	if err != nil {
		return err
	}
	a.metrics.Argon2Queue.Follow(func() int64 { return int64(o.Hasher.Waiting()) })
	o.Logger, o.Live = a.logger, a.hub
	o.Observe = accounts.Observe{
		Login:   func(result string) { a.metrics.Logins.Inc(result) },
		Refused: func(r token.Reason) { a.metrics.TokenRejections.Inc(string(r)) },
	}
	if a.cfg.ResetWebhook != "" {
		a.webhook = webhook.New(webhook.Options{
			URL: a.cfg.ResetWebhook, Site: a.cfg.Site, Version: a.info.Version, Logger: a.logger, Now: a.clock.Now,
		})
		o.Deliver = func(ctx context.Context, name gateway.AccountName, code string, life time.Duration) {
			a.webhook.Deliver(ctx, webhook.Reset{Username: name, Code: code, Expires: life})
		}
	}
	if a.accounts, err = accounts.New(o); err != nil {
		return err
	}
	if err := a.accounts.UseRing(ctx, ring); err != nil {
		return err
	}
	return a.ensureAdmin(ctx)
}

// accountsOptions are those that the gateway and the command line have in
// common; live adds what only the gateway has.
func accountsOptions(cfg *config.Config, s *boltstore.Identity, c *clock.Clock, ring *token.KeyRing, live func(*password.Options)) (o accounts.Options, err error) {
	hashing := password.Options{
		Params:      password.Params{MemoryKiB: cfg.Argon2MemoryKiB, Time: cfg.Argon2Time, Threads: cfg.Argon2Threads},
		Concurrency: cfg.Argon2Concurrency, Now: c.Now,
	}
	live(&hashing)
	hasher, err := password.New(hashing)
	if err != nil {
		return o, err
	}
	tokens, err := token.New(token.Options{Ring: ring, Issuer: cfg.JWTIssuer, Audience: cfg.JWTAudience, Now: c.Now})
	if err != nil {
		return o, err
	}
	return accounts.Options{
		Store: identityStore{s}, Hasher: hasher, Policy: password.Policy{MinLength: cfg.PasswordMinLength, Site: cfg.Site},
		Tokens: tokens, Keys: keyFile{cfg},
		AccessTTL: cfg.AccessTTL, DeviceAccessTTL: cfg.DeviceAccessTTL,
		RefreshTTL: cfg.RefreshTTL, DeviceRefreshTTL: cfg.DeviceRefreshTTL,
		Limits: accounts.Limits{
			LoginPerIP: cfg.LoginRatePerIP, LoginPerAccount: cfg.LoginRatePerAccount,
			LockThreshold: cfg.LockoutThreshold, LockDuration: cfg.LockoutDuration,
		},
		DefaultGrants: cfg.DefaultGrants, Now: c.Now, Boot: c.Boot, AgeTime: c.AgeTime,
		Logger: slog.New(slog.DiscardHandler),
	}, nil
}

// Reload reads the files again that may change while the gateway runs: the
// signing keys and the certificate. After an error in one of the two, that one is
// as it was.
func (a *App) Reload(ctx context.Context) error {
	defer a.reloading()()
	return errors.Join(a.certificates.reload(), a.reloadKeys(ctx))
}

func (a *App) reloadKeys(ctx context.Context) error {
	ring, err := keyFile{a.cfg}.Load()
	if err != nil {
		return err
	}
	a.warnExposed(ring)
	return a.accounts.UseRing(gateway.WithActor(ctx, gateway.ActorGateway), ring)
}

func (a *App) warnExposed(ring *token.KeyRing) {
	if ring.Exposed() {
		a.logger.Warn("the file with the signing key can be read by every user of this machine; run chmod 600 on it",
			"event", "key_exposed")
	}
}

// ensureAdmin makes an administrator from admin_password_file when there is
// none. The file is read only then: it may be gone later.
func (a *App) ensureAdmin(ctx context.Context) error {
	if a.accounts.HasAdmin() {
		return nil
	}
	if a.cfg.AdminPasswordFile == "" {
		a.logger.Warn("there is no administrator: open /setup in a browser, with the code that follows here; or run `edgegw setup`, or start with admin_password_file",
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
