package hub_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		limit := func() context.Context {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			t.Cleanup(cancel)
			return ctx
		}
		if err := w.hub.Beat(limit()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a hub that does not run answers: %v", err)
		}
		w.run()
		if err := w.hub.Beat(limit()); err != nil {
			t.Error(err)
		}
		// What holds the sweep up, here its clock, holds the answer up.
		w.connect()
		held := make(chan struct{})
		w.clock.once(func() { <-held })
		time.Sleep(2 * time.Second)
		if err := w.hub.Beat(limit()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a hub whose sweep hangs answers: %v", err)
		}
		close(held)
		if err := w.hub.Beat(limit()); err != nil {
			t.Error(err)
		}
	})
}
