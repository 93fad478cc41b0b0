package hub_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
	"edgegw/internal/wire"
)

// excesses counts the errors among frames, which all have to say that too much
// was sent, and when it is worth trying again: within most milliseconds.
func excesses(t *testing.T, frames []frame, most int64) (errs int) {
	t.Helper()
	for _, f := range frames {
		if f.Type != "error" {
			continue
		}
		errs++
		if f.Code != "rate_limited" || f.RetryAfterMS < 1 || f.RetryAfterMS > most {
			t.Errorf("error frame %s", f.payload)
		}
	}
	return errs
}

// limited is a world in which 10 frames a second are taken.
func limited(t *testing.T) (*world, *peer) {
	w := newWorld(t, func(o *hub.Options) {
		o.Limits.MessageRate = 10
		o.Authenticate = func(context.Context, string) (hub.Credentials, error) {
			return hub.Credentials{}, gateway.Errorf(gateway.CodeInvalidToken, "no token")
		}
	})
	p := w.connect()
	p.frames()
	return w, p
}

// sendEvery sends a command again and again, and returns how long it took until
// the socket was closed, or 0 when it is open at the end.
func (p *peer) sendEvery(pause, until time.Duration, command func(i int) string) time.Duration {
	began := time.Now()
	for i := 0; time.Since(began) < until; i++ {
		p.send("%s", command(i))
		time.Sleep(pause)
		if p.socket.isDown() {
			return time.Since(began)
		}
	}
	return 0
}

// Whatever it is that somebody sends too much of, the errors come first, few of
// them, and then the end, within seconds.
func TestFloodOfCommands(t *testing.T) {
	for name, command := range map[string]func(i int) string{
		"pings":       func(int) string { return `{"type":"ping"}` },
		"typing":      func(i int) string { return `{"type":"typing","state":"` + []string{"start", "stop"}[i%2] + `"}` },
		"subscribes":  func(i int) string { return fmt.Sprintf(`{"type":"subscribe","room":"mem.%d"}`, i%300) },
		"subscribing": func(int) string { return `{"type":"subscribe","room":"mem"}` },
		"messages":    func(int) string { return `{"type":"message","data":1}` },
		"text":        func(int) string { return "x" },
		"nonsense":    func(int) string { return `{"type":"nonsense"}` },
		"tokens":      func(int) string { return `{"type":"auth","token":""}` },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, p := limited(t)
				took := p.sendEvery(2*time.Millisecond, time.Minute, command)
				if took < 5*time.Second || took > 6*time.Second {
					t.Errorf("it was closed after %v", took)
				}
				if code, reason := p.closed(); code != wire.CloseRateLimited || reason != "rate_limited retry_after_ms=5000" {
					t.Errorf("closed with %d %q", code, reason)
				}
				limited := 0
				for _, f := range p.frames() {
					if f.Code == "rate_limited" && f.RetryAfterMS > 0 {
						limited++
					}
				}
				if limited < 15 || limited > 21 {
					t.Errorf("%d errors in %v, want one in 250 ms", limited, took)
				}
				if n := w.figures.lost(hub.DropRateLimited); n < 2000 {
					t.Errorf("%d losses were counted", n)
				}
			})
		})
	}
}

// Who sends as much as it may, or too much now and then, stays.
func TestNoFlood(t *testing.T) {
	for name, c := range map[string]struct {
		pause time.Duration
		burst int
		told  bool
	}{
		"ok as much as allowed":       {100 * time.Millisecond, 1, false},
		"ok a burst, then a pause":    {2 * time.Second, 20, false},
		"ok too large a burst, again": {3 * time.Second, 60, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, p := limited(t)
				for range 20 {
					for range c.burst {
						p.send("x")
					}
					time.Sleep(c.pause)
				}
				if p.socket.isDown() {
					t.Fatal("it was closed")
				}
				if errs := excesses(t, p.frames(), 100); (errs > 0) != c.told || errs > 40 {
					t.Errorf("%d errors", errs)
				}
			})
		})
	}
}

// Every frame that is lost is told of, in sums, also when none follows.
func TestExcessIsToldCompletely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, p := limited(t)
		w.run()
		p.sendEvery(5*time.Millisecond, 3*time.Second, func(int) string { return "x" })
		time.Sleep(2 * time.Second)
		told := 0
		for _, f := range p.frames() {
			var n int
			if _, err := fmt.Sscanf(f.Message, "more than 10 frames a second; %d not taken", &n); err == nil {
				told += n
			}
		}
		if lost := w.figures.lost(hub.DropRateLimited); told != lost || lost < 500 {
			t.Errorf("%d were lost, %d told of", lost, told)
		}
	})
}
