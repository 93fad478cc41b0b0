package clock

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestJudge(t *testing.T) {
	now := Earliest().Add(time.Hour)
	tests := []struct {
		name   string
		status int32
		err    error
		wall   time.Time
		want   bool
	}{
		{"ok synchronised", unix.STA_PLL, nil, now, true},
		{"ok not synchronised", unix.STA_PLL | unix.STA_UNSYNC, nil, now, false},
		{"ok forbidden, wall is set", unix.STA_UNSYNC, unix.EPERM, now, true},
		{"bad forbidden, wall was never set", 0, unix.EPERM, time.Unix(60, 0), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := judge(tt.status, tt.err, tt.wall); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestBootTimeCountsSuspends(t *testing.T) {
	b := newBootTime()
	b.first = time.Hour
	b.observe(time.Hour+10*time.Second, 10*time.Second)
	if got := b.suspended.Load(); got != 0 {
		t.Errorf("without a suspend: %v", time.Duration(got))
	}
	b.observe(2*time.Hour+20*time.Second, 20*time.Second)
	if got := time.Duration(b.suspended.Load()); got != time.Hour {
		t.Errorf("after an hour suspended: got %v", got)
	}
	b.observe(2*time.Hour, 30*time.Second)
	if got := time.Duration(b.suspended.Load()); got != time.Hour {
		t.Errorf("after a late reading: got %v, it must not shrink", got)
	}
	if got := b.elapsed(); got < 2*time.Hour {
		t.Errorf("elapsed is %v, want the suspend in it", got)
	}
}

func TestBootTimeFollowsTheKernel(t *testing.T) {
	b := newBootTime()
	b.checked.Store(-int64(time.Minute)) // due at once
	if d := (readBoot() - b.elapsed()).Abs(); d > time.Second {
		t.Errorf("elapsed is %v off the kernel's boot time", d)
	}
	if b.checked.Load() < 0 {
		t.Error("the kernel was not asked")
	}
}
