package app_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gatewaytest"
)

// cut copies what a power cut leaves, and starts a board without a clock on it.
// The gateway of before runs on, on its own files, so that it can save nothing
// more on the way out.
func (l *timeline) cut() *gatewaytest.Gateway {
	l.t.Helper()
	left := l.t.TempDir()
	files, err := os.ReadDir(l.dir)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, file := range files {
		// The copy of the account store is made anew in the meantime.
		if file.Type().IsRegular() && file.Name() != "reserve" && !strings.HasPrefix(file.Name(), "identity.db.bak") {
			copyStill(l.t, filepath.Join(l.dir, file.Name()), filepath.Join(left, file.Name()))
		}
	}
	board := &gatewaytest.Clock{}
	board.Sync(false)
	board.Reboot()
	board.Set(time.Unix(30, 0))
	return gatewaytest.StartAt(l.t, board, left, "config="+l.config)
}

// copyStill copies a file between two commits: it reads until it has read the same twice.
func copyStill(t *testing.T, from, to string) {
	t.Helper()
	var before []byte
	for {
		now, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if before != nil && bytes.Equal(before, now) {
			break
		}
		before = now
	}
	if err := os.WriteFile(to, before, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A power cut takes no time back, also when nothing was stopped in order. Each
// case has only one thing that can have saved the time: what was decided by it,
// an expired token here, has to hold on a board that boots in 1970.
func TestCuts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		to   func(l *timeline)
	}{
		{"ok after a step, as soon as anybody sees it", func(l *timeline) {
			l.clock.Step(30 * 24 * time.Hour)
			l.g.AwaitStep()
		}},
		{"ok after a step and a message", func(l *timeline) {
			l.clock.Step(30 * 24 * time.Hour)
			l.g.AwaitStep()
			l.look()
		}},
		{"ok after a step at the start", func(l *timeline) { l.boot(l.now().Add(30 * 24 * time.Hour)) }},
		{"ok after a change of an account", func(l *timeline) {
			l.clock.Pass(9 * time.Minute)
			l.g.Do("POST", "/devices", l.admin(), `{"name":"pump"}`)
		}},
		{"ok after a message", func(l *timeline) { l.clock.Pass(9 * time.Minute); l.look() }},
		{"ok after ten minutes", func(l *timeline) {
			l.clock.Pass(11 * time.Minute)
			saved := func() bool {
				now, err := l.g.Admin().ShowClock(t.Context())
				return err != nil || now.Now-now.Floor < 60_000
			}
			for deadline := time.Now().Add(10 * time.Second); !saved() && time.Now().Before(deadline); {
				time.Sleep(10 * time.Millisecond)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newTimeline(t)
			l.clock.Sync(true)
			l.boot(time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC))
			soon := l.g.Sign(fmt.Sprintf(`{"sub":"admin","exp":%d}`, l.now().Unix()+5*60))
			if a := l.g.Do("GET", "/auth/me", soon, nil); a.Status != 200 {
				t.Fatalf("the token gets %d at first", a.Status)
			}
			tt.to(l)
			before := l.now()
			if a := l.g.Do("GET", "/auth/me", soon, nil); a.Status != 401 {
				t.Errorf("the token gets %d before the cut", a.Status)
			}
			after := l.cut()
			if a := after.Do("GET", "/auth/me", soon, nil); a.Status != 401 || a.Code() != "token_expired" {
				t.Errorf("the token gets %d %s after the cut", a.Status, a.Code())
			}
			if now, err := after.Admin().ShowClock(t.Context()); err != nil || time.UnixMilli(now.Now).Before(before.Add(-time.Minute)) {
				t.Errorf("it is %v after the cut, and was %v; %v", time.UnixMilli(now.Now), before, err)
			}
		})
	}
}
