package app

import (
	"context"
	"strings"

	"edgegw/internal/config"
)

// Reconfigure takes over from a configuration that was read again what may change
// while the gateway runs: the log level. Of everything else that differs it logs
// the names, because that needs a restart.
func (a *App) Reconfigure(ctx context.Context, fresh *config.Config) {
	a.reconfiguring.Lock()
	defer a.reconfiguring.Unlock()
	if before := a.level.Level(); before != fresh.LogLevel {
		// Said at the level that shows it, whichever of the two is in force.
		a.logger.Log(ctx, max(before, fresh.LogLevel), "the log level has changed", "event", "log_level",
			"before", before.String(), "now", fresh.LogLevel.String())
		a.level.Set(fresh.LogLevel)
	}
	var waiting []string
	for _, name := range a.cfg.Differences(fresh) {
		if name != "log_level" {
			waiting = append(waiting, name)
		}
	}
	if len(waiting) > 0 {
		a.logger.Warn("the configuration has changes that need a restart: "+strings.Join(waiting, ", "), "event", "restart_needed")
	}
}
