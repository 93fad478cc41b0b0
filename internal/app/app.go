package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"edgegw/internal/accounts"
	"edgegw/internal/adminsock"
	"edgegw/internal/boltstore"
	"edgegw/internal/buildinfo"
	"edgegw/internal/clock"
	"edgegw/internal/config"
	"edgegw/internal/dashboard"
	"edgegw/internal/gateway"
	"edgegw/internal/httpapi"
	"edgegw/internal/hub"
	"edgegw/internal/memstore"
	"edgegw/internal/spare"
	"edgegw/internal/telemetry"
	"edgegw/internal/webhook"
	"edgegw/internal/wsedge"
)

// writeTimeout is how long a socket may take nothing before it is given up.
const writeTimeout = 10 * time.Second

// sendBufferBytes is asked of the kernel for each socket: room for a batch, and
// not for minutes of what a stuck reader will never read.
const sendBufferBytes = 64 << 10

// Deps are what a gateway takes from the process around it.
type Deps struct {
	// Log takes the log lines.
	Log io.Writer
	// Console shows a setup code to people who read text; nil leaves it to the
	// log.
	Console func(adminsock.SetupCode)
	// Journal says that Log is systemd's journal, see telemetry.IsJournal.
	Journal bool
	// Clock replaces the system's in tests; nil for the system's.
	Clock func(floor time.Time) clock.Options
	// Certificates replaces parts of the machine in tests of TLS.
	Certificates CertificateDeps
	// RetentionEvery is how often limits are applied to quiet rooms; 0 for the
	// history's own rhythm.
	RetentionEvery time.Duration
	// GCPercent is the garbage collector's percentage, which is raised under
	// traffic; 0 leaves it alone.
	GCPercent int
	// Service makes the gateway the service of the process: it tells systemd how
	// it is, if systemd has started the process, and takes over the sockets that
	// systemd has passed on. One gateway of a process can be that.
	Service bool
}

// App is one gateway. Several can live in one process.
type App struct {
	cfg     *config.Config
	info    buildinfo.Info
	logger  *slog.Logger
	console func(adminsock.SetupCode)
	level   slog.LevelVar // of logger
	metrics *telemetry.Metrics
	started time.Time
	spare   *spare.Processors

	clock    *clock.Clock
	identity *boltstore.Identity
	history  *boltstore.History
	space    *boltstore.Space
	mended   []mended     // when they were opened
	damaged  atomic.Int64 // messages that the last scrub has found
	volatile *memstore.Store
	hub      *hub.Hub
	accounts *accounts.Service
	webhook  *webhook.Sender // nil without reset_webhook
	api      *httpapi.API
	pressure pressure
	trend    trend

	reconfiguring sync.Mutex  // one Reconfigure at a time
	clockReset    atomic.Bool // the floor is no longer saved
	archiving     atomic.Bool
	lastBackup    atomic.Int64 // Unix milliseconds, 0 for never
	// backupFailed says when and why the timer's last backup failed, nil when it
	// did not.
	backupFailed atomic.Pointer[string]

	supervisor   supervisor
	passed       []passedSocket // that no option has taken yet
	certificates *certificates  // nil without tls_listen

	main, secure  net.Listener // each nil when its option is empty, one of them at most
	scrape, admin net.Listener
	failed        chan error // from stores that cannot go on
	tasks         tasks
	closers       []io.Closer // in the order of opening
}

// mended is a store that was found damaged, and what became of it.
type mended struct{ store, how string }

// New opens everything that cfg names: stores, keys, listeners. When it returns
// an error, nothing is left open. The error says what to do.
func New(ctx context.Context, cfg *config.Config, deps Deps) (*App, error) {
	a := &App{cfg: cfg, info: buildinfo.Read(), spare: spare.New(), console: deps.Console, failed: make(chan error, 1)}
	a.metrics = newMetrics(cfg, a.info)
	a.level.Set(cfg.LogLevel)
	a.logger = newLogger(cfg, deps, &a.level)
	err := a.openService(deps)
	if err == nil {
		err = a.open(ctx, deps)
	}
	if err != nil {
		closePassed(a.passed)
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

func (a *App) open(ctx context.Context, deps Deps) error {
	if err := a.openStores(deps); err != nil {
		return err
	}
	if err := a.openHistory(deps); err != nil {
		return err
	}
	if err := a.openAccounts(ctx); err != nil {
		return err
	}
	if err := a.openTLS(deps.Certificates); err != nil {
		return err
	}
	if err := a.openAPI(); err != nil {
		return err
	}
	if err := a.listen(); err != nil {
		return err
	}
	if err := errors.Join(a.noteMended(ctx), a.noteRestored(ctx)); err != nil {
		return err
	}
	a.observe()
	a.pressure.memory, a.pressure.collector = newMemory("/"), newCollector(deps.GCPercent)
	a.tasks = tasks{logger: a.logger, list: a.taskList()}
	a.tasks.ready = func() { a.supervisor.tell(daemon.SdNotifyReady, a.statusLine()) }
	a.tasks.stopping = func() { a.supervisor.tell(daemon.SdNotifyStopping, "sending everybody away") }
	return nil
}

// openService comes first: whoever has started the process may wait for a while.
func (a *App) openService(deps Deps) (err error) {
	if !deps.Service {
		return nil
	}
	if a.supervisor, err = newSupervisor(a.logger); err != nil {
		return err
	}
	a.supervisor.tell("", "opening the stores")
	a.passed, err = passedSockets()
	return err
}

// taskList is in the order of starting; see docs/ARCHITECTURE.md.
func (a *App) taskList() []task {
	list := []task{
		{name: "store", run: a.runStore},
		{name: "clock", run: a.runClock},
		{name: "hub", run: func(ctx context.Context, ready func()) error {
			ready()
			return a.hub.Run(ctx)
		}},
		{name: "pressure", run: a.runPressure},
		{name: "trend", run: a.runTrend},
		{name: "accounts", run: func(ctx context.Context, ready func()) error {
			ready()
			return a.accounts.Run(ctx)
		}},
		{name: "admin socket", run: func(ctx context.Context, ready func()) error {
			ready()
			return adminsock.Serve(ctx, a.admin, a.adminOf(), a.logger)
		}},
	}
	list = append(list, task{name: "copies", run: a.runCopies}, task{name: "scrub", run: a.runScrub})
	if a.cfg.BackupEvery > 0 {
		list = append(list, task{name: "backups", run: a.runBackups})
	}
	if a.webhook != nil {
		list = append(list, task{name: "webhook", run: func(ctx context.Context, ready func()) error {
			ready()
			return a.webhook.Run(ctx)
		}})
	}
	if a.scrape != nil {
		list = append(list, task{name: "metrics", run: func(ctx context.Context, ready func()) error {
			return a.serveHTTP(ctx, ready, []net.Listener{a.scrape}, a.api.Metrics(), nil)
		}})
	}
	if a.supervisor.watchdog > 0 {
		list = append(list, task{name: "watchdog", run: a.runWatchdog})
	}
	if a.certificates != nil {
		list = append(list, task{name: "certificates", run: a.certificates.run})
	}
	list = append(list, task{name: "http", run: func(ctx context.Context, ready func()) error {
		return a.serveHTTP(ctx, ready, a.listening(), a.api, a.hub.Shutdown)
	}})
	if !a.accounts.HasAdmin() {
		list = append(list, task{name: "setup", run: a.runSetup})
	}
	return list
}

// listening are the listeners for everybody; it tells of them.
func (a *App) listening() (list []net.Listener) {
	for _, l := range []struct {
		scheme string
		net.Listener
	}{{"http://", a.main}, {"https://", a.secure}} {
		if l.Listener != nil {
			a.logger.Info("listening", "event", "listening", "url", l.scheme+l.Addr().String())
			list = append(list, l.Listener)
		}
	}
	return list
}

// Addr is where the gateway listens without TLS, for example 127.0.0.1:8080, or ""
// when it does not.
func (a *App) Addr() string { return addrOf(a.main) }

// TLSAddr is where the gateway listens with TLS, or "" when it does not.
func (a *App) TLSAddr() string { return addrOf(a.secure) }

func addrOf(l net.Listener) string {
	if l == nil {
		return ""
	}
	return l.Addr().String()
}

// MetricsAddr is where /metrics is served if it has an address of its own, else
// "".
func (a *App) MetricsAddr() string { return addrOf(a.scrape) }

// Run serves until ctx is done, and then stops in order, in 10 s at most. It
// returns an error when something failed that the gateway cannot do without:
// the process then has to end with a non-zero status.
func (a *App) Run(ctx context.Context) error {
	a.logger.Info("edgegw starts", "event", "starting", "version", a.info.Version,
		"env", string(a.cfg.Env), "site", a.cfg.Site, "data_dir", a.cfg.DataDir)
	err := a.tasks.Run(ctx)
	err = errors.Join(err, a.close())
	if err != nil {
		a.logger.Error("edgegw failed", "event", "failed", "reason", err.Error())
		return fmt.Errorf("stopped: %w", err)
	}
	a.logger.Info("edgegw has stopped", "event", "stopped")
	return nil
}

// close closes what was opened, the latest first.
func (a *App) close() error {
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		if err := a.closers[i].Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	a.closers = nil
	return errors.Join(errs...)
}

func (a *App) openAPI() error {
	token, err := readSecret(a.cfg.MetricsTokenFile)
	if err != nil {
		return fmt.Errorf("metrics_token_file: %w", err)
	}
	// Each of the two answers for the other, so one is named before it is made.
	var edge *wsedge.Edge
	a.api = httpapi.New(httpapi.Options{
		Accounts:         a.accounts,
		Rooms:            a.hub,
		Connections:      a.hub,
		Board:            board{a},
		Pages:            dashboard.New(),
		Clients:          shelf{},
		Archive:          a.download,
		ArchiveName:      func() string { return backupName(a.cfg.Site, a.clock.Now()) },
		WebSocket:        http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { edge.ServeHTTP(w, r) }),
		SocketRefused:    func(r *http.Request, err error) { edge.Refused(r, err) },
		MaxMessageBytes:  a.cfg.MaxMessageBytes,
		Health:           a.health,
		Ready:            a.tasks.up.Load,
		WriteMetrics:     a.writeMetrics,
		MetricsToken:     token,
		CACertificate:    a.certificates.caPEM,
		MetricsElsewhere: a.cfg.MetricsListen != "",
		AllowedOrigins:   a.cfg.AllowedOrigins,
		TrustedProxies:   a.cfg.TrustedProxies,
		Observe: func(class string, status int, took time.Duration) {
			a.metrics.HTTPClass(class).Observe(status, took)
		},
		Clock:   a.clock,
		Logger:  a.logger,
		Version: a.info.Version,
	})
	edge = wsedge.New(wsedge.Options{
		Hub:             a.hub,
		Auth:            a.accounts,
		Refuse:          a.api.Refuse,
		Rejected:        func(c gateway.Code) { a.metrics.Rejected.Inc(string(c)) },
		Logger:          a.logger,
		Clock:           a.clock,
		MaxMessageBytes: a.cfg.MaxMessageBytes,
		MessageRate:     a.cfg.MessageRate,
		SendBufferBytes: sendBufferBytes,
	})
	return nil
}
