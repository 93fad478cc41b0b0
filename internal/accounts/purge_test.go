package accounts_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
)

// Events go by the time that ages are measured by: no step of the clock takes an
// audit away.
func TestPurgeOfEvents(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for _, tt := range []struct {
		name    string
		now     time.Duration // since the event
		age     time.Duration
		trusted bool
		kept    bool
	}{
		{"ok old", 2 * year, 2 * year, true, false},
		{"ok a step of the clock", 2 * year, time.Hour, true, true},
		{"ok nobody knows the time", 2 * year, 2 * year, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, func(o *accounts.Options) {
					o.AgeTime = func() (time.Time, bool) { return start.Add(tt.age), tt.trusted }
				})
				if err := h.Note(origin(), gateway.EventBackup, "", "by hand"); err != nil {
					t.Fatal(err)
				}
				before := len(h.events(t))
				h.now = start.Add(tt.now)
				ctx, stop := context.WithTimeout(context.Background(), 61*time.Minute)
				defer stop()
				if err := h.Run(ctx); err != nil {
					t.Fatal(err)
				}
				if kept := len(h.events(t)); before == 0 || kept != before && tt.kept || kept != 0 && !tt.kept {
					t.Errorf("%d of %d events are left", kept, before)
				}
			})
		})
	}
}
