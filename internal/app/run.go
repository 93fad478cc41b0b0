package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"edgegw/internal/adminsock"
	"edgegw/internal/boltstore"
	"edgegw/internal/httpapi"
	"edgegw/internal/tlsport"
)

const (
	// drainTimeout is how long sockets and requests have for their end,
	// scrapeTimeout how long a scrape has on its own address: together with
	// the rest it has to fit into stopTimeout.
	drainTimeout  = 5 * time.Second
	scrapeTimeout = time.Second
)

// listen opens the listeners last: whoever connects is served at once.
func (a *App) listen() error {
	var err error
	if a.admin, err = adminsock.Listen(a.cfg.DataDir); err != nil {
		return fmt.Errorf("admin socket: %w", err)
	}
	a.closers = append(a.closers, a.admin)
	if a.cfg.Listen != "" {
		if a.main, err = a.listenTCP("listen", a.cfg.Listen); err != nil {
			return err
		}
	}
	if a.cfg.TLSListen != "" {
		inner, err := a.listenTCP("tls_listen", a.cfg.TLSListen)
		if err != nil {
			return err
		}
		a.secure = tlsport.Listen(inner, tlsport.Config(a.certificates.get, a.clock.Now), a.tlsRefused)
		a.closers = append(a.closers, a.secure)
	}
	if a.cfg.MetricsListen != "" {
		if a.scrape, err = a.listenTCP("metrics_listen", a.cfg.MetricsListen); err != nil {
			return err
		}
	}
	return a.refusePassed()
}

// listenTCP takes the socket that systemd has passed on for the option, or else
// opens one.
func (a *App) listenTCP(option, address string) (net.Listener, error) {
	if l := a.takePassed(option, address); l != nil {
		a.closers = append(a.closers, l)
		return l, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; stop what uses the address, or choose another one", option, err)
	}
	a.closers = append(a.closers, l)
	return l, nil
}

// tlsRefused logs a handshake of TLS that came to nothing.
func (a *App) tlsRefused(ip, reason string) {
	level := slog.LevelWarn
	if reason == tlsport.ReasonGone { // a probe, mostly
		level = slog.LevelDebug
	}
	a.logger.Log(context.Background(), level, "TLS handshake failed", "event", "tls_refused", "ip", ip, "reason", reason)
}

// serveHTTP serves until ctx is done; then it takes no more connections, drains
// what the caller wants drained, and lets requests end.
func (a *App) serveHTTP(ctx context.Context, ready func(), listeners []net.Listener, h http.Handler, drain func(context.Context)) error {
	srv := httpapi.NewServer(h, a.logger)
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	srv.BaseContext = func(net.Listener) context.Context { return base }
	served := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { served <- srv.Serve(l) }()
	}
	ready()
	select {
	case err := <-served:
		_ = srv.Close() // the other listener too
		return err
	case <-ctx.Done():
	}
	limit := drainTimeout
	if drain == nil {
		limit = scrapeTimeout
	}
	grace, cancel := context.WithTimeout(base, limit)
	defer cancel()
	var wg sync.WaitGroup
	if drain != nil {
		wg.Go(func() { drain(grace) })
	}
	err := srv.Shutdown(grace)
	wg.Wait()
	if err != nil {
		cut() // whoever still waits for something is let go
		_ = srv.Close()
	}
	for range listeners {
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			return err
		}
	}
	return nil
}

// runStore runs the history's writer, and ends when either store cannot go on.
func (a *App) runStore(ctx context.Context, ready func()) error {
	writer, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- a.history.Run(writer) }()
	ready()
	var err error
	select {
	case err = <-ended:
	case err = <-a.failed:
		cancel()
		err = errors.Join(err, <-ended)
	}
	if err != nil {
		a.hub.StoreGone()
	}
	return err
}

// dropOld is called when the gateway has served for a while. It removes what a
// migration has kept, unless this is the first start that has served since: whoever
// has to go back to the edgegw of before finds that out now.
func (a *App) dropOld() {
	first, versions := false, boltstore.SchemaVersions()
	err := a.identity.Update(func(tx *boltstore.IdentityTx) error {
		if first = tx.Served() != versions; first {
			return tx.SetServed(versions)
		}
		return nil
	})
	if err == nil && !first {
		err = errors.Join(boltstore.DropOld(filepath.Join(a.cfg.DataDir, identityFile)), boltstore.DropOld(filepath.Join(a.cfg.DataDir, historyFile)))
	}
	if err != nil {
		a.logger.Warn("files from before an update are left", "event", "old_files", "reason", err.Error())
	}
}
