package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"

	"edgegw/internal/adminsock"
	"edgegw/internal/app"
	"edgegw/internal/command"
	"edgegw/internal/config"
	"edgegw/internal/telemetry"
)

// gcPercent trades a little CPU for memory: most of the heap is connections
// that live long, and on a small board their number is what counts.
const gcPercent = 30

func serveCommand() *command.Command {
	cmd := &command.Command{
		Use:   "serve",
		Short: "Run the gateway",
		Args:  command.NoArgs,
		Run: func(cmd *command.Command, _ []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			deps := app.Deps{Log: cmd.Err(), Service: true}
			if os.Getenv("GOGC") == "" {
				deps.GCPercent = gcPercent
				debug.SetGCPercent(gcPercent)
			}
			if os.Getenv("GOMEMLIMIT") == "" {
				// Before the kernel's limit kills, the collector works harder.
				debug.SetMemoryLimit(app.MemoryLimit())
			}
			deps.Journal = telemetry.IsJournal(os.Getenv("JOURNAL_STREAM"), deps.Log)
			again := func() (*config.Config, error) { return loadConfig(cmd) }
			return serve(cmd.Context(), cfg, again, deps)
		},
	}
	addOptionFlags(cmd)
	return cmd
}

// serve runs a gateway; again reads its configuration once more, from the same
// sources.
func serve(ctx context.Context, cfg *config.Config, again func() (*config.Config, error), deps app.Deps) error {
	// From the first moment on: until it is asked for, the signal would end
	// the process.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	if cfg.LogFormat == config.LogText { // with json there is nothing but JSON
		deps.Console = func(c adminsock.SetupCode) { _, _ = io.WriteString(deps.Log, setupNotice(c, deps.Log)) }
	}
	gw, err := app.New(ctx, cfg, deps)
	if err != nil {
		return err
	}
	logger := telemetry.NewLogger(deps.Log, telemetry.LogOptions{Format: string(cfg.LogFormat), Level: cfg.LogLevel, Journal: deps.Journal})
	reloads, stop := context.WithCancel(ctx)
	var ended sync.WaitGroup
	reload := func(ctx context.Context) error {
		fresh, err := again()
		if err == nil {
			gw.Reconfigure(ctx, fresh)
		}
		return errors.Join(err, gw.Reload(ctx))
	}
	ended.Go(func() { reloadLoop(reloads, hangups, reload, logger) })
	err = gw.Run(ctx)
	stop()
	ended.Wait()
	return err
}

// reloadLoop calls reload at every hangup. A gateway that cannot have what it
// asks for goes on with what it has.
func reloadLoop(ctx context.Context, hangups <-chan os.Signal, reload func(context.Context) error, logger *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
		}
		if err := reload(ctx); err != nil {
			logger.Error("reloading failed; the gateway goes on with what it has", "event", "reload_failed", "error", err.Error())
		}
	}
}
