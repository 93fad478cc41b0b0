package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// supervisor is the systemd that has started the process; see sd_notify(3). The
// zero value is none: every method does nothing.
type supervisor struct {
	logger *slog.Logger
	// watchdog is after how long without a sign of life the process is killed;
	// 0 for never.
	watchdog time.Duration
}

// newSupervisor reads what systemd has put into the environment, if this process
// is a service.
func newSupervisor(logger *slog.Logger) (supervisor, error) {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return supervisor{}, fmt.Errorf("WATCHDOG_USEC, which the service manager sets (WatchdogSec=): %w", err)
	}
	return supervisor{logger: logger, watchdog: limit}, nil
}

// tell sends a state such as READY=1, and text for `systemctl status` unless it is
// empty.
func (s *supervisor) tell(state, status string) {
	if s.logger == nil {
		return
	}
	if status != "" {
		if state != "" {
			state += "\n"
		}
		state += "STATUS=" + status
	}
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.logger.Warn("the service manager could not be told", "event", "notify_failed", "state", state, "reason", err.Error())
	}
}

// reloading tells that a reload has begun, and what it returns that it has ended.
// While the gateway starts or stops neither is told: systemd would take the end of
// a reload for the end of the start.
func (a *App) reloading() (done func()) {
	if !a.tasks.up.Load() {
		return func() {}
	}
	a.supervisor.tell(daemon.SdNotifyReloading, "")
	return func() {
		if a.tasks.up.Load() {
			a.supervisor.tell(daemon.SdNotifyReady, a.statusLine())
		}
	}
}

// statusLine is what `systemctl status` shows.
func (a *App) statusLine() string {
	connections, rooms := a.hub.Live()
	text := fmt.Sprintf("listening on %s; connections: %d, rooms: %d", a.Addr(), connections, rooms)
	if level := a.hub.Pressure(); level > 0 {
		text += "; under pressure: " + a.pressure.text()
	}
	return text
}

// watchdogFeeds is how many signs of life fit into the time that systemd waits
// for one: a slow one, and one that is lost, are no reason to be killed.
const watchdogFeeds = 3

// runWatchdog gives systemd a sign of life whenever the gateway has shown one: its
// stores took work, and its hub. A gateway that merely has a running process is
// killed and started anew.
func (a *App) runWatchdog(ctx context.Context, ready func()) error {
	ready()
	feed := time.NewTicker(a.supervisor.watchdog / watchdogFeeds)
	defer feed.Stop()
	for {
		beat := make(chan error, 1)
		// A store that hangs holds this goroutine for good, and not the stop;
		// the process ends then anyway.
		go func() { beat <- a.beat(ctx) }()
		select {
		case err := <-beat:
			if err != nil && ctx.Err() == nil {
				a.logger.Error("no sign of life goes to the watchdog", "event", "watchdog_held", "reason", err.Error())
			}
			if err == nil {
				a.supervisor.tell(daemon.SdNotifyWatchdog, a.statusLine())
			}
		case <-ctx.Done():
			return nil
		}
		select {
		case <-feed.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// beat goes once through everything that a message and a login need.
func (a *App) beat(ctx context.Context) error {
	if err := a.identity.Beat(); err != nil {
		return fmt.Errorf("identity store: %w", err)
	}
	if err := a.history.Beat(); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	limit, cancel := context.WithTimeout(ctx, a.supervisor.watchdog)
	defer cancel()
	if err := a.hub.Beat(limit); err != nil {
		return errors.Join(errors.New("the hub does not answer"), err)
	}
	return nil
}
