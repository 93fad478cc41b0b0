package app

import (
	"runtime/debug"
	"testing"
)

func TestCollectPercent(t *testing.T) {
	const mib = 1 << 20
	for name, tc := range map[string]struct {
		allocated, lives uint64
		want             int
	}{
		"idle":                  {0, 4 * mib, 30},
		"little":                {mib / 8, 4 * mib, 30},
		"traffic":               {mib, 5 * mib, 160},
		"much of it":            {100 * mib, 6 * mib, 266},
		"beside many sockets":   {100 * mib, 120 * mib, 30},
		"with next to no heap":  {100 * mib, mib, mostPercent},
		"before the first heap": {100 * mib, 1, mostPercent},
	} {
		t.Run(name, func(t *testing.T) {
			if got := collectPercent(30, tc.allocated, tc.lives); got != tc.want {
				t.Errorf("collectPercent = %d, want %d", got, tc.want)
			}
		})
	}
}

var sink []byte

// The percentage rises with traffic that lasts, and with nothing else.
func TestCollector(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(30))
	busy := func() {
		for range 64 {
			sink = make([]byte, 64<<10)
		}
	}
	c := newCollector(30)
	for range 2 { // what was allocated before counts as one
		c.look(true)
	}
	for _, step := range []struct {
		what       string
		busy, calm bool
		more       bool // than the base
	}{
		{"a burst", true, true, false},
		{"the end of the burst", false, true, false},
		{"traffic", true, true, false},
		{"traffic that lasts", true, true, true},
		{"traffic while memory is short", true, false, false},
		{"traffic again", true, true, true},
		{"quiet", false, true, false},
	} {
		if step.busy {
			busy()
		}
		c.look(step.calm)
		inForce := debug.SetGCPercent(c.set)
		if more := inForce > 30; more != step.more || inForce != c.set {
			t.Errorf("%s: %d %% are in force, %d were meant; more than 30 is %v, want %v", step.what, inForce, c.set, more, step.more)
		}
	}
	own := newCollector(0)
	busy()
	own.look(true)
	busy()
	own.look(true)
	if got := debug.SetGCPercent(30); got != 30 {
		t.Errorf("a percentage of somebody else's became %d", got)
	}
}
