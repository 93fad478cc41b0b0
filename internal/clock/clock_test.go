package clock_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edgegw/internal/clock"
)

// machine is a board whose clocks the test sets.
type machine struct {
	wall   atomic.Int64 // Unix nanoseconds
	boot   atomic.Int64 // nanoseconds
	synced atomic.Bool
}

func (m *machine) options(floor time.Time) clock.Options {
	return clock.Options{
		Floor:  floor,
		Wall:   func() time.Time { return time.Unix(0, m.wall.Load()) },
		Boot:   func() time.Duration { return time.Duration(m.boot.Load()) },
		Synced: m.synced.Load,
	}
}

func (m *machine) set(t time.Time) { m.wall.Store(t.UnixNano()) }

// run lets both clocks go on.
func (m *machine) run(d time.Duration) {
	m.wall.Add(int64(d))
	m.boot.Add(int64(d))
}

var (
	noon  = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	epoch = time.Unix(5, 0).UTC()
)

func TestNow(t *testing.T) {
	const hour = time.Hour
	tests := []struct {
		name  string
		floor time.Time
		wall  time.Time
		steps func(m *machine)
		want  time.Time
	}{
		{"ok wall is right, no floor", time.Time{}, noon, func(m *machine) { m.run(hour) }, noon.Add(hour)},
		{"ok boots in 1970 with a floor", noon, epoch, func(m *machine) { m.run(hour) }, noon.Add(hour)},
		{"ok boots in 1970 without a floor", time.Time{}, epoch, func(m *machine) { m.run(hour) }, epoch.Add(hour)},
		{"ok boots in 1970, then the network time comes", noon, epoch,
			func(m *machine) { m.run(hour); m.set(noon.Add(48 * hour)); m.run(hour) }, noon.Add(49 * hour)},
		{"ok wall ahead of the floor at start", noon, noon.Add(hour), func(m *machine) { m.run(hour) }, noon.Add(2 * hour)},
		{"ok wall jumps forward", time.Time{}, noon, func(m *machine) { m.set(noon.Add(5 * hour)) }, noon.Add(5 * hour)},
		{"bad wall jumps back", time.Time{}, noon, func(m *machine) { m.run(hour); m.set(epoch); m.run(hour) }, noon.Add(2 * hour)},
		{"bad wall jumps back a little and catches up", time.Time{}, noon,
			func(m *machine) { m.set(noon.Add(-hour)); m.run(2 * hour); m.set(noon.Add(3 * hour)) }, noon.Add(3 * hour)},
		{"bad wall behind the floor jumps forward, but not past it", noon, epoch,
			func(m *machine) { m.set(noon.Add(-hour)) }, noon},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := &machine{}
			m.boot.Store(int64(17 * time.Second))
			m.set(tt.wall)
			c := clock.New(m.options(tt.floor))
			// Some logic runs on every step, so the clock is read between.
			before := c.Now()
			tt.steps(m)
			if got := c.Now(); !got.Equal(tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if got := c.NowMS(); got != tt.want.UnixMilli() {
				t.Errorf("NowMS: got %d, want %d", got, tt.want.UnixMilli())
			}
			if got, want := c.Since(before), tt.want.Sub(before); got != want {
				t.Errorf("Since: got %v, want %v", got, want)
			}
			if got := c.Floor(); !got.Equal(tt.want) {
				t.Errorf("Floor: got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestState(t *testing.T) {
	m := &machine{}
	m.set(epoch)
	fresh := clock.New(m.options(time.Time{}))
	poor := clock.New(m.options(epoch))
	saved := clock.New(m.options(noon))

	check := func(what string, c *clock.Clock, want clock.State, trusted bool, level int64) {
		t.Helper()
		if got := c.State(); got != want || got.Level() != level {
			t.Errorf("%s: got %v (%d), want %v (%d)", what, got, got.Level(), want, level)
		}
		if got := c.Trusted(); got != trusted {
			t.Errorf("%s: trusted is %v", what, got)
		}
	}
	check("ok never ran before", fresh, clock.StateNone, false, 0)
	check("bad floor of an unset clock", poor, clock.StateNone, false, 0)
	check("ok floor", saved, clock.StateFloor, false, 1)
	m.synced.Store(true)
	check("ok synced", fresh, clock.StateSynced, true, 2)
	m.synced.Store(false)
	check("ok time server lost again", fresh, clock.StateSynced, true, 2)
	check("ok nobody looked while it was synced", saved, clock.StateFloor, false, 1)
	m.synced.Store(true)
	m.set(noon.Add(-2 * time.Minute))
	check("bad synced, and the floor is ahead", saved, clock.StateFloor, false, 1)
	m.set(noon.Add(-30 * time.Second))
	check("ok synced, and hardly behind", saved, clock.StateSynced, true, 2)
}

func unsaved(time.Time) error { return nil }

// Whoever knows the time may say it, but not turn it back.
func TestSet(t *testing.T) {
	m := &machine{}
	m.set(epoch)
	c := clock.New(m.options(noon))
	if err := c.Set(noon.Add(-time.Minute), unsaved); !errors.Is(err, clock.ErrBehind) || c.Trusted() {
		t.Errorf("back by a minute: %v, trusted %v", err, c.Trusted())
	}
	if err := c.Set(noon.Add(48*time.Hour), unsaved); err != nil || !c.Trusted() || c.State() != clock.StateSynced {
		t.Errorf("forward by two days: %v, %s", err, c.State())
	}
	m.run(time.Hour)
	if got := c.Now(); !got.Equal(noon.Add(49 * time.Hour)) {
		t.Errorf("an hour later it is %v", got)
	}
	if err := c.Set(c.Now().Add(-time.Second), unsaved); err != nil || !c.Now().Equal(noon.Add(49*time.Hour)) {
		t.Errorf("a second behind: %v, now %v", err, c.Now())
	}
	c.Raise(noon)
	c.Raise(noon.Add(50 * time.Hour))
	if got := c.Now(); !got.Equal(noon.Add(50 * time.Hour)) {
		t.Errorf("raised to %v", got)
	}
	if !c.Wall().Equal(epoch.Add(time.Hour)) {
		t.Errorf("the wall clock is at %v", c.Wall())
	}
}

// TestNowConcurrently has readers hand each other the latest time they saw while
// the wall clock is pulled about.
func TestNowConcurrently(t *testing.T) {
	m := &machine{}
	m.set(noon)
	c := clock.New(m.options(noon))
	var latest atomic.Int64
	stop := make(chan struct{})
	var readers, movers sync.WaitGroup
	movers.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			m.boot.Add(int64(time.Microsecond))
			m.set(noon.Add(time.Duration(i%1000-500) * time.Millisecond))
		}
	})
	for range 4 {
		readers.Go(func() {
			for range 20_000 {
				seen := latest.Load()
				now := c.Now().UnixNano()
				if now < seen {
					t.Errorf("ran back by %v", time.Duration(seen-now))
					return
				}
				for old := latest.Load(); now > old && !latest.CompareAndSwap(old, now); old = latest.Load() {
				}
			}
		})
	}
	readers.Wait()
	close(stop)
	movers.Wait()
}

// TestPauseIsNoStep stops a reader between its two readings of the clocks.
func TestPauseIsNoStep(t *testing.T) {
	m := &machine{}
	m.set(noon)
	pause := false
	o := m.options(time.Time{})
	wall, boot := o.Wall, o.Boot
	o.Wall = func() time.Time {
		defer func() {
			if pause {
				m.run(time.Minute)
			}
		}()
		return wall()
	}
	o.Boot = func() time.Duration {
		defer func() {
			if pause {
				m.run(time.Minute)
			}
		}()
		return boot()
	}
	c := clock.New(o)
	pause = true
	c.Now()
	pause = false
	if got, want := c.Now(), noon.Add(2*time.Minute); !got.Equal(want) {
		t.Errorf("got %v, want %v: the pause moved the clock", got, want)
	}
}

func TestSystem(t *testing.T) {
	c := clock.New(clock.System(time.Time{}))
	if d := time.Since(c.Now()).Abs(); d > time.Minute {
		t.Errorf("logical time is %v off the wall clock of a machine that has no floor", d)
	}
	if n := testing.AllocsPerRun(100, func() { c.NowMS() }); n != 0 {
		t.Errorf("NowMS allocates %v times; it is called for every message", n)
	}
}

// TestBoot has the wall clock jump, which the time since boot must not notice.
func TestBoot(t *testing.T) {
	m := &machine{}
	m.set(noon)
	m.boot.Store(int64(17 * time.Second))
	o := m.options(noon.Add(time.Hour))
	o.BootID = 42
	c := clock.New(o)
	m.run(3 * time.Second)
	m.set(noon.AddDate(10, 0, 0))
	c.Now()
	if id, elapsed := c.Boot(); id != 42 || elapsed != 20*time.Second {
		t.Errorf("got run %d, %v; want 42, 20s", id, elapsed)
	}
}

// TestSystemBoot: a second clock of the machine is what a restarted process has.
func TestSystemBoot(t *testing.T) {
	before, early := clock.New(clock.System(time.Time{})).Boot()
	after, late := clock.New(clock.System(noon)).Boot()
	if before == 0 || before != after {
		t.Errorf("the run of the machine was %x, then %x", before, after)
	}
	if early <= 0 || late < early || late-early > time.Minute {
		t.Errorf("the time since boot was %v, then %v", early, late)
	}
}

func BenchmarkNow(b *testing.B) {
	c := clock.New(clock.System(time.Time{}))
	b.ReportAllocs()
	for b.Loop() {
		c.NowMS()
	}
}
