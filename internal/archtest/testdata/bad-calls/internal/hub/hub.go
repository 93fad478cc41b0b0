// Package hub reaches around what it was given.
package hub

import (
	"log/slog"
	"os"
	clock "time"
)

func f() {
	_ = clock.Now()
	_ = clock.Since(clock.Time{})
	now := clock.Now
	_ = now
	_ = os.Getenv("HOME")
	slog.Info("hello")
	os.Exit(1)
}
