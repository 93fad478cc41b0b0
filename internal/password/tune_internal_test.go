package password

import (
	"context"
	"errors"
	"testing"
	"time"
)

// machine is a model of a board: a hash takes perMiB for each MiB and pass, and
// fresh for each MiB of fresh pages; from pass to pass it gets slower by hot
// percent.
type machine struct {
	perMiB, fresh time.Duration
	hot           time.Duration
}

func (m machine) hash(p Params) time.Duration {
	mib := time.Duration(p.MemoryKiB) / (1 << 10)
	passes := time.Duration(p.Time)
	return mib*m.perMiB*passes*(100+m.hot*(passes-1))/100 + mib*m.fresh
}

func TestTuner(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name    string
		machine machine
		target  time.Duration
		most    uint32
		want    Params
	}{
		{"ok fast", machine{ms, 0, 0}, 250 * ms, 64 << 10, Params{64 << 10, 3, 1}},
		{"ok fast with fresh pages", machine{ms, ms / 2, 0}, 250 * ms, 64 << 10, Params{64 << 10, 3, 1}},
		{"ok very fast", machine{ms / 100, 0, 0}, 250 * ms, 64 << 10, Params{64 << 10, 10, 1}},
		{"ok one pass fits", machine{3 * ms, ms / 2, 0}, 250 * ms, 64 << 10, Params{64 << 10, 1, 1}},
		{"ok half the memory", machine{5 * ms, 0, 0}, 250 * ms, 64 << 10, Params{32 << 10, 1, 1}},
		{"ok half the memory, twice", machine{7 * ms, 0, 0}, 250 * ms, 48 << 10, Params{24 << 10, 1, 1}},
		{"ok an eighth of the memory", machine{30 * ms, 0, 0}, 250 * ms, 64 << 10, Params{8 << 10, 1, 1}},
		{"ok the least memory", machine{34 * ms, 0, 0}, 250 * ms, 64 << 10, Params{MinMemoryKiB, 1, 1}},
		{"ok little allowed, more passes", machine{10 * ms, 0, 0}, 250 * ms, MinMemoryKiB, Params{MinMemoryKiB, 3, 1}},
		{"ok one more pass than in proportion", machine{3 * ms / 2, ms * 7 / 10, 0}, 250 * ms, 64 << 10, Params{64 << 10, 2, 1}},
		{"ok slower and slower", machine{ms / 2, 0, 10}, 250 * ms, 64 << 10, Params{64 << 10, 5, 1}},
		{"ok a second pass is too slow", machine{1900 * time.Microsecond, 0, 30}, 250 * ms, 64 << 10, Params{64 << 10, 1, 1}},
		{"bad too slow at the least", machine{300 * ms, 0, 0}, 250 * ms, 64 << 10, Params{MinMemoryKiB, 1, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u := tuner{ctx: context.Background(), target: tt.target, hash: tt.machine.hash}
			got, took := u.tune(Params{MemoryKiB: tt.most, Time: 1, Threads: 1})
			if got != tt.want || took != tt.machine.hash(got) {
				t.Errorf("tune = %+v in %v, want %+v in %v", got, took, tt.want, tt.machine.hash(tt.want))
			}
			if least := 3 * tt.machine.hash(tt.want); u.spent > max(least, (tuneBudget+3)*tt.target) {
				t.Errorf("measuring took %v, %.1f times the target", u.spent, float64(u.spent)/float64(tt.target))
			}
		})
	}
}

// One slow hash among three, as another process causes it, changes nothing.
func TestTunerForgetsOutliers(t *testing.T) {
	n := 0
	u := tuner{ctx: context.Background(), target: 250 * time.Millisecond, hash: func(p Params) time.Duration {
		d := machine{perMiB: time.Millisecond}.hash(p)
		if n++; n%3 == 0 {
			d *= 3
		}
		return d
	}}
	if got, took := u.tune(Params{MemoryKiB: 64 << 10, Time: 1, Threads: 1}); got.Time != 3 || took != 192*time.Millisecond {
		t.Errorf("tune = %+v in %v", got, took)
	}
}

func TestTune(t *testing.T) {
	ctx := context.Background()
	const target = 30 * time.Millisecond
	start := time.Now()
	p, took, err := Tune(ctx, target, 16<<10, 1, time.Now)
	if err != nil || p.Check() != nil || took <= 0 || p.MemoryKiB > 16<<10 {
		t.Errorf("Tune = %+v, %v, %v", p, took, err)
	}
	if least := (Params{MinMemoryKiB, 1, 1}); took > target && p != least {
		t.Errorf("%+v takes %v, more than %v, and is not the least", p, took, target)
	}
	t.Logf("%+v takes %v, found in %v", p, took, time.Since(start))

	for name, bad := range map[string]func() error{
		"target":  func() error { _, _, err := Tune(ctx, 0, 16<<10, 1, time.Now); return err },
		"memory":  func() error { _, _, err := Tune(ctx, target, 1<<20, 1, time.Now); return err },
		"little":  func() error { _, _, err := Tune(ctx, target, 1, 1, time.Now); return err },
		"threads": func() error { _, _, err := Tune(ctx, target, 16<<10, 0, time.Now); return err },
	} {
		if bad() == nil {
			t.Errorf("%s: no error", name)
		}
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, _, err := Tune(ended, time.Hour, 16<<10, 1, time.Now); !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
}
