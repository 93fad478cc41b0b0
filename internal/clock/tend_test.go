package clock_test

import (
	"errors"
	"testing"
	"time"

	"edgegw/internal/clock"
)

const day = 24 * time.Hour

// board is a machine whose clock is tended every minute.
type board struct {
	machine
	t     *testing.T
	clock *clock.Clock
	saved time.Time
}

// start starts the process, or starts it again.
func (b *board) start() {
	o := b.options(b.saved)
	o.MaxStep = time.Minute
	if b.clock != nil {
		o.Age, _ = b.clock.AgeTime()
		o.Floor = b.clock.Now()
	}
	b.clock = clock.New(o)
}

// pass lets time pass.
func (b *board) pass(d time.Duration) {
	b.t.Helper()
	for ; d > 0; d -= time.Minute {
		b.run(time.Minute)
		b.tend()
	}
}

func (b *board) tend() {
	b.t.Helper()
	if err := b.clock.Tend(func(to time.Time) error { b.saved = to; return nil }); err != nil {
		b.t.Fatal(err)
	}
}

// jump steps the wall clock, and has the process notice.
func (b *board) jump(d time.Duration) {
	b.t.Helper()
	b.set(time.Unix(0, b.wall.Load()).Add(d))
	b.tend()
}

func (b *board) tell(at time.Time) {
	b.t.Helper()
	if err := b.clock.Set(at, unsaved); err != nil {
		b.t.Fatal(err)
	}
}

// Nothing gets older by a step of the clock, until that has stood for a day.
func TestAgeTime(t *testing.T) {
	const year, most = 365 * day, 10 * time.Minute
	tests := []struct {
		name  string
		steps func(b *board)
		lag   time.Duration
	}{
		{"ok time passes", func(b *board) { b.pass(3 * day) }, 0},
		{"ok a step, and not quite a day", func(b *board) { b.jump(year); b.pass(day - time.Minute) }, year},
		{"ok a step that has stood for a day", func(b *board) { b.jump(year); b.pass(day) }, 0},
		{"ok a step a while after the start", func(b *board) { b.pass(36 * time.Hour); b.jump(year); b.pass(23 * time.Hour) }, year},
		{"ok a small step", func(b *board) { b.jump(time.Second); b.pass(day) }, 0},
		{"ok a clock that is kept right in small steps", func(b *board) {
			for range 24 {
				b.jump(time.Second)
				b.pass(time.Hour)
			}
		}, 0},
		{"bad a clock that creeps ahead", func(b *board) {
			for range 48 {
				b.jump(59 * time.Second)
				b.pass(time.Hour)
			}
		}, 48 * 59 * time.Second},
		{"bad a step after the step", func(b *board) { b.jump(day); b.pass(20 * time.Hour); b.jump(day); b.pass(20 * time.Hour) }, 2 * day},
		{"bad a step, and the time server takes it back", func(b *board) { b.jump(year); b.pass(time.Hour); b.jump(-year); b.pass(3 * day) }, year},
		{"bad a step, and the time server is lost on the way", func(b *board) {
			b.jump(year)
			b.pass(20 * time.Hour)
			b.synced.Store(false)
			b.pass(2 * day)
		}, year},
		{"bad a step that no time server vouches for", func(b *board) { b.synced.Store(false); b.jump(year); b.pass(3 * day) }, year},
		{"ok a time that was set, not quite a day ago", func(b *board) {
			b.synced.Store(false)
			b.tell(noon.Add(year))
			b.pass(day - time.Minute)
		}, year},
		{"ok a time that was set a day ago", func(b *board) { b.synced.Store(false); b.tell(noon.Add(year)); b.pass(day + time.Minute) }, 0},
		{"bad a time that was set and that the time server denies", func(b *board) { b.tell(noon.Add(year)); b.pass(3 * day) }, year},
		{"bad a time that was set, and a step beyond it", func(b *board) {
			b.synced.Store(false)
			b.tell(noon.Add(day))
			b.jump(year)
			b.pass(3 * day)
		}, year},
		{"bad a restart right after the step", func(b *board) { b.jump(year); b.start(); b.pass(23 * time.Hour) }, year},
		{"ok a restart in the middle begins the day anew", func(b *board) {
			b.jump(year)
			b.pass(20 * time.Hour)
			b.start()
			b.pass(20 * time.Hour)
		}, year},
		{"ok a restart of what goes well", func(b *board) { b.pass(5 * time.Hour); b.start(); b.pass(time.Hour) }, 0},
		{"bad a start after a week", func(b *board) {
			b.run(time.Hour)
			b.set(noon.Add(7 * day))
			b.start()
			b.pass(time.Hour)
		}, 7*day - time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := &board{t: t}
			b.set(noon)
			b.boot.Store(int64(17 * time.Second))
			b.synced.Store(true)
			b.start()
			b.tend()
			tt.steps(b)
			age, trusted := b.clock.AgeTime()
			if lag := b.clock.Now().Sub(age); lag < tt.lag || lag > tt.lag+most || !trusted {
				t.Errorf("%v behind, trusted %v; want %v", lag, trusted, tt.lag)
			}
		})
	}
}

// A clock that nobody vouched for makes nothing old, whatever its past.
func TestAgeTimeStart(t *testing.T) {
	m := &machine{}
	m.set(noon)
	for _, tt := range []struct {
		name       string
		floor, age time.Time
		want       time.Time
	}{
		{"ok never ran before", time.Time{}, time.Time{}, noon},
		{"ok of a version that saved no age", noon.Add(-day), time.Time{}, noon.Add(-day)},
		{"ok goes on", noon.Add(-day), noon.Add(-2 * day), noon.Add(-2 * day)},
		{"ok after a reset of the clock", noon.Add(-day), noon.Add(365 * day), noon},
	} {
		o := m.options(tt.floor)
		o.Age = tt.age
		if age, trusted := clock.New(o).AgeTime(); !age.Equal(tt.want) || trusted {
			t.Errorf("%s: %v, trusted %v", tt.name, age, trusted)
		}
	}
}

// A step is saved before anybody sees it, or it is not followed.
func TestStepIsSavedFirst(t *testing.T) {
	m := &machine{}
	m.set(noon)
	o := m.options(time.Time{})
	o.MaxStep = time.Minute
	c := clock.New(o)
	m.set(noon.Add(59 * time.Second))
	if !c.Now().Equal(noon.Add(59 * time.Second)) {
		t.Errorf("after a small step it is %v", c.Now())
	}
	m.set(noon.Add(30 * day))
	m.synced.Store(true)
	full := errors.New("full")
	if err := c.Tend(func(time.Time) error { return full }); !errors.Is(err, full) || c.Now().After(noon.Add(time.Hour)) || c.Trusted() {
		t.Errorf("a step that was not saved: %v, it is %v, trusted %v", err, c.Now(), c.Trusted())
	}
	for _, move := range []func(save func(time.Time) error) error{
		c.Tend,
		func(save func(time.Time) error) error { return c.Set(noon.Add(60*day), save) },
	} {
		saved, seen := time.Time{}, time.Time{}
		err := move(func(to time.Time) error { saved, seen = to, c.Now(); return nil })
		if err != nil || !seen.Before(saved.Add(-day)) || !c.Now().Equal(saved) || !c.Trusted() {
			t.Errorf("%v: saved %v when it was %v, now it is %v", err, saved, seen, c.Now())
		}
	}
	if err := c.Set(noon.Add(90*day), func(time.Time) error { return full }); !errors.Is(err, full) || c.Now().After(noon.Add(61*day)) {
		t.Errorf("set, and not saved: %v, it is %v", err, c.Now())
	}
}
