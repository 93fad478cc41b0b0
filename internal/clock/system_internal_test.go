package clock

import (
	"os"
	"path/filepath"
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

func TestBootID(t *testing.T) {
	write := func(text string) string {
		name := filepath.Join(t.TempDir(), "boot_id")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	b := &bootTime{first: time.Second}
	first := b.id(write("1d4a37c5-7f3b-4a51-9d6b-1c0d3e7a9b11\n"))
	again := b.id(write("1d4a37c5-7f3b-4a51-9d6b-1c0d3e7a9b11"))
	other := b.id(write("1d4a37c5-7f3b-4a51-9d6b-1c0d3e7a9b12\n"))
	if first == 0 || first != again || first == other {
		t.Errorf("got %x, %x and for another run %x", first, again, other)
	}
	if got := (&bootTime{}).id(write("1d4a37c5-7f3b-4a51-9d6b-1c0d3e7a9b11\n")); got != 0 {
		t.Errorf("without a time since boot: got %x, want 0", got)
	}
	for name, file := range map[string]string{
		"bad no file": filepath.Join(t.TempDir(), "none"), "bad empty": write(""), "bad line end alone": write("\n"), "bad no UUID": write("unknown\n"),
	} {
		if got := b.id(file); got != 0 {
			t.Errorf("%s: got %x, want 0", name, got)
		}
	}
}
