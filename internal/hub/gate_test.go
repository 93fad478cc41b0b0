package hub_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
)

// serve runs n handshakes that take so long each, one after the other.
func (w *world) serve(n int, took time.Duration) {
	w.t.Helper()
	for range n {
		if err := w.hub.BeginHandshake(); err != nil {
			w.t.Fatal(err)
		}
		time.Sleep(took)
		w.hub.EndHandshake()
	}
}

// crowd begins handshakes until one is refused, and returns how many were let
// in.
func (w *world) crowd() (inside int) {
	w.t.Helper()
	for ; w.hub.BeginHandshake() == nil; inside++ {
		if inside > 10_000 {
			w.t.Fatal("everyone is let in")
		}
	}
	w.t.Cleanup(func() {
		for range inside {
			w.hub.EndHandshake()
		}
	})
	return inside
}

// refused returns when the next client is told to return.
func (w *world) refused(code gateway.Code) time.Duration {
	w.t.Helper()
	err := w.hub.BeginHandshake()
	if gateway.CodeOf(err) != code {
		w.t.Fatalf("refused with %v, want %s", err, code)
	}
	return gateway.AsError(err).RetryAfter
}

// As many are let in as are served in half a second, and the others return as
// fast as a third of the rate.
func TestGateFollowsItsRate(t *testing.T) {
	for _, c := range []struct {
		name    string
		took    time.Duration
		inside  int
		spacing time.Duration
	}{
		{"ok a slow board", 20 * time.Millisecond, 64, 25 * time.Millisecond},
		{"ok a board", 2 * time.Millisecond, 250, 6 * time.Millisecond},
		{"ok a server", 100 * time.Microsecond, 1024, time.Millisecond},
		{"ok one on which nothing was measured", 0, 400, 3750 * time.Microsecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				if c.took > 0 {
					w.serve(200, 50*time.Millisecond)
					w.serve(2000, c.took)
				}
				if inside := w.crowd(); inside < c.inside-2 || inside > c.inside+2 {
					t.Errorf("%d are let in, want %d", inside, c.inside)
				}
				last := w.refused(gateway.CodeBusy)
				for range 20 {
					slot := w.refused(gateway.CodeBusy)
					if d := slot - last; d < c.spacing*99/100 || d > c.spacing*101/100 {
						t.Fatalf("the next slot is %v later, want %v", d, c.spacing)
					}
					last = slot
				}
				w.hub.EndHandshake()
				if err := w.hub.BeginHandshake(); err != nil {
					t.Errorf("a place is free: %v", err)
				}
			})
		})
	}
}

// On the slowest board a thousand have their times within half a minute, all of
// them different; and no flood sends anyone away for longer.
func TestSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve(200, 50*time.Millisecond)
		w.crowd()
		taken := make(map[time.Duration]bool)
		for range 1000 {
			slot := w.refused(gateway.CodeBusy)
			if taken[slot] || slot < 200*time.Millisecond || slot > 30*time.Second {
				t.Fatalf("slot %v, taken %v", slot, taken[slot])
			}
			taken[slot] = true
		}
		for range 100_000 {
			if slot := w.refused(gateway.CodeBusy); slot < 200*time.Millisecond || slot > 30*time.Second {
				t.Fatalf("slot %v", slot)
			}
		}
		// Time that passes takes the slots with it.
		time.Sleep(time.Minute)
		if slot := w.refused(gateway.CodeBusy); slot != 200*time.Millisecond {
			t.Errorf("after a quiet minute the first slot is %v", slot)
		}
	})
}

// A thousand come at once to a board that serves two hundred a second, one at a
// time, and do as they are told: all are served, soon, and who is let in waits
// for half a second at most.
func TestStormAtTheGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve(64, 5*time.Millisecond)
		const clients = 1000
		var all sync.WaitGroup
		var mu sync.Mutex
		processor := make(chan struct{}, 1)
		var longest time.Duration
		tries := 0
		began := time.Now()
		for range clients {
			all.Go(func() {
				for {
					err := w.hub.BeginHandshake()
					mu.Lock()
					tries++
					mu.Unlock()
					if err == nil {
						break
					}
					time.Sleep((gateway.AsError(err).RetryAfter + time.Second - 1).Truncate(time.Second))
				}
				let := time.Now()
				processor <- struct{}{}
				time.Sleep(5 * time.Millisecond)
				<-processor
				w.hub.EndHandshake()
				mu.Lock()
				longest = max(longest, time.Since(let))
				mu.Unlock()
			})
		}
		all.Wait()
		took := time.Since(began)
		t.Logf("all are in after %v and %d tries; nobody waited longer than %v", took, tries, longest)
		if took > 25*time.Second || tries > 2*clients || longest > 600*time.Millisecond {
			t.Errorf("all are in after %v and %d tries; somebody waited %v", took, tries, longest)
		}
	})
}

// Under the highest pressure nobody new comes in, and everybody is told when to
// try again.
func TestGateUnderPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.connect()
		w.hub.SetPressure(hub.PressureReplays)
		w.serve(1, time.Millisecond)
		w.hub.SetPressure(hub.PressureConnections)
		first, second := w.refused(gateway.CodeUnavailable), w.refused(gateway.CodeUnavailable)
		if first < time.Second || second <= first {
			t.Errorf("two are told %v and %v", first, second)
		}
		p.send("x")
		if frames := p.frames(); len(frames) != 3 {
			t.Errorf("who is in got\n%s", texts(frames))
		}
		w.hub.SetPressure(hub.PressureReplays)
		w.serve(1, time.Millisecond)
	})
}

// Handshakes that wait for nothing but the processor are seen to wait: without
// that a gate in front of them would always be empty.
func TestGateSeesWhoWaitsForTheProcessor(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	h := hub.New(hub.Options{Clock: &clock{}, Limits: hub.Limits{PingInterval: time.Minute}})
	var all sync.WaitGroup
	var refused atomic.Int64
	for range 1200 {
		all.Go(func() {
			if h.BeginHandshake() != nil {
				refused.Add(1)
				return
			}
			defer h.EndHandshake()
			for began := time.Now(); time.Since(began) < 200*time.Microsecond; {
				continue
			}
		})
	}
	all.Wait()
	if n := refused.Load(); n < 10 { // hundreds, on a machine that is not emulated; else none
		t.Errorf("%d of 1200 at once were refused", n)
	}
}
