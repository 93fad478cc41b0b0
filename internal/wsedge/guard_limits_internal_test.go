package wsedge

import (
	"bytes"
	"math"
	"testing"
	"time"
)

// rateStep is a pause, some copies of a frame, and how many of them pass.
type rateStep struct {
	pause time.Duration
	frame []byte
	send  int
	pass  int
}

func TestGuardFrameRate(t *testing.T) {
	text, ping, big := guardFrame(0x81, nil), guardFrame(0x89, nil), guardFrame(0x82, guardBytes(1000))
	start, more := guardFrame(0x02, guardBytes(64)), guardFrame(0x00, guardBytes(64))
	small, end := guardFrame(0x00, guardBytes(63)), guardFrame(0x80, guardBytes(64))
	// 10 frames a second, 5 at once.
	tests := map[string][]rateStep{
		"ok within the rate":           {{0, text, 5, 5}, {500 * time.Millisecond, ping, 5, 5}, {time.Second, big, 5, 5}},
		"ok one token's time":          {{0, text, 5, 5}, {100 * time.Millisecond, text, 1, 1}},
		"ok fractions add up":          {{0, text, 5, 5}, {150 * time.Millisecond, text, 1, 1}, {50 * time.Millisecond, text, 1, 1}},
		"ok large fragments are free":  {{0, text, 4, 4}, {0, start, 1, 1}, {0, more, 900, 900}, {0, end, 1, 1}},
		"ok close is free":             {{0, text, 5, 5}, {0, guardClose(1000, ""), 1, 1}},
		"ok twice the burst, once":     {{time.Hour, text, 10, 10}},
		"bad more than twice":          {{time.Hour, text, 11, 10}},
		"bad burst of texts":           {{0, text, 6, 5}},
		"bad burst of pings":           {{0, ping, 6, 5}},
		"bad burst of pongs":           {{0, guardFrame(0x8A, guardBytes(9)), 6, 5}},
		"bad small fragments":          {{0, start, 1, 1}, {0, small, 6, 5}},
		"bad empty fragments":          {{0, start, 1, 1}, {0, guardFrame(0x00, nil), 6, 5}},
		"bad small first fragments":    {{0, guardFrame(0x01, nil), 1, 1}, {0, end, 1, 1}, {0, text, 4, 3}},
		"bad just before the token":    {{0, text, 5, 5}, {99_999_999, text, 1, 0}},
		"bad a second one on its time": {{0, text, 5, 5}, {199_999_999, text, 2, 1}},
		"bad clock that runs back":     {{0, text, 5, 5}, {-time.Hour, text, 1, 0}},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) { runRate(t, steps) })
	}
}

func runRate(t *testing.T, steps []rateStep) {
	t.Helper()
	for _, chunk := range []int{1, 5, 1 << 20} {
		now := int64(time.Hour)
		limits := &guardLimits{maxMessage: guardTestLimit, frameRate: 10, frameBurst: 5, now: func() int64 { return now }}
		g := newGuard(limits)
		for i, step := range steps {
			now += int64(step.pause)
			stream := bytes.Repeat(step.frame, step.send)
			passed, lastChunk, v := walkGuard(&g, stream, chunk)
			if step.pass == step.send {
				if v != nil {
					t.Fatalf("chunks of %d, step %d: %v after %d bytes", chunk, i, v, passed)
				}
				continue
			}
			if v == nil || v.code != 4003 || v.reason != "frame_rate" {
				t.Fatalf("chunks of %d, step %d: %v after %d bytes", chunk, i, v, passed)
			}
			if want := max(step.pass*len(step.frame), lastChunk); passed != want {
				t.Errorf("chunks of %d, step %d: %d bytes passed, want %d", chunk, i, passed, want)
			}
		}
	}
}

func TestGuardWithoutFrameRate(t *testing.T) {
	rate, burst := frameLimits(0)
	g := newGuard(&guardLimits{maxMessage: guardTestLimit, frameRate: rate, frameBurst: burst}) // no clock either
	stream := bytes.Repeat(guardJoin(guardFrame(0x81, nil), guardFrame(0x89, nil), guardFragmented(1)), 10_000)
	if passed, _, v := walkGuard(&g, stream, 4096); v != nil {
		t.Errorf("%v after %d bytes; message_rate 0 is no limit in the guard either", v, passed)
	}
}

// TestGuardRateExtremes looks for overflow: rates and pauses at the ends of
// their types.
func TestGuardRateExtremes(t *testing.T) {
	for _, rate := range []uint32{1, 3, 999_999_999, math.MaxUint32} {
		for _, burst := range []uint32{1, 7, math.MaxUint32} {
			for _, pause := range []int64{0, 1, 333_333_333, int64(time.Second), math.MaxInt64} {
				now := int64(0)
				g := newGuard(&guardLimits{maxMessage: 1, frameRate: rate, frameBurst: burst, now: func() int64 { return now }})
				g.tokens, now = 0, pause
				g.fill()
				want := min(float64(burst), math.Floor(float64(pause)*float64(rate)/1e9))
				if diff := float64(g.tokens) - want; diff < -1e3 || diff > 1e3 || g.tokens > burst || g.filled > now || g.filled < 0 {
					t.Errorf("rate %d, burst %d, after %d ns: %d tokens filled at %d, want %.0f", rate, burst, pause, g.tokens, g.filled, want)
				}
			}
		}
	}
}

// TestGuardLongRunRate wants neither more nor less than the rate over a long
// time of polling with any pause.
func TestGuardLongRunRate(t *testing.T) {
	const rate, seconds = 7, 100
	for _, pause := range []int64{1_000_003, 33_333_333, 142_857_143} {
		now, passed := int64(0), 0
		limits := &guardLimits{maxMessage: 1, frameRate: rate, frameBurst: 3, now: func() int64 { return now }}
		g := newGuard(limits)
		for ; now < seconds*int64(time.Second); now += pause {
			if g.take() == noBreach {
				passed++
			}
		}
		if passed > rate*seconds+3 || passed < rate*seconds-3 {
			t.Errorf("polled every %d ns, %d frames passed in %d s, want %d", pause, passed, seconds, rate*seconds)
		}
	}
}

// TestGuardEarnsNothingTwice polls at a rate whose token takes a fraction of a
// nanosecond more than one: a fill rounded the wrong way pays it out again.
func TestGuardEarnsNothingTwice(t *testing.T) {
	const rate, burst, polls, pause = 700_000_000, 10, 100_000, 2
	now, passed := int64(0), 0
	g := newGuard(&guardLimits{maxMessage: 1, frameRate: rate, frameBurst: burst, now: func() int64 { return now }})
	for ; now < polls*pause; now += pause {
		for g.take() == noBreach {
			passed++
		}
	}
	if most := burst + rate/1_000_000*polls*pause/1000; passed > most {
		t.Errorf("%d frames passed in %d ns, at most %d were earned", passed, now, most)
	}
}

func TestFrameLimits(t *testing.T) {
	tests := map[uint32][2]uint32{
		0: {0, 0}, 1: {68, 2048}, 100: {464, 2048}, 1000: {4064, 8128},
		math.MaxUint32: {math.MaxUint32 / 2, math.MaxUint32 - 1},
	}
	for messageRate, want := range tests {
		if rate, burst := frameLimits(messageRate); rate != want[0] || burst != want[1] {
			t.Errorf("message rate %d gives %d frames a second and a burst of %d, want %v", messageRate, rate, burst, want)
		}
	}
}
