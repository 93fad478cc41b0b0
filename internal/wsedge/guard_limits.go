package wsedge

import "math"

// guardLimits is what all guards of a gateway share. It does not change while
// guards use it.
type guardLimits struct {
	// maxMessage is the most payload bytes of a message, its fragments
	// taken together.
	maxMessage uint32
	// frameRate is frames a second, 0 for no limit. A frame takes a token
	// if it is a ping or pong, ends a message, or is a fragment under
	// freeFragmentBytes.
	frameRate uint32
	// frameBurst is the tokens of a full bucket, at least 1 if frameRate
	// is not 0. The bucket is looked at only when it has run empty, which
	// spares the clock; after a quiet time up to twice the burst can pass.
	frameBurst uint32
	// now is monotonic time in nanoseconds. It is not asked when frameRate
	// is 0.
	now func() int64
}

// frameLimits derives the guard's rate and burst from message_rate (data frames
// a second, 0 for no limit). They stand well above it: the friendly limit
// answers with errors, the guard ends a connection that does not care. The
// burst lets a message of the default limit come in 32-byte fragments.
func frameLimits(messageRate uint32) (rate, burst uint32) {
	if messageRate == 0 {
		return 0, 0
	}
	rate = uint32(min(4*uint64(messageRate)+64, math.MaxUint32/2))
	return rate, max(2*rate, 2048)
}

// take takes one token from the bucket.
func (g *guard) take() breach {
	if g.limits.frameRate == 0 {
		return noBreach
	}
	if g.tokens == 0 {
		g.fill()
	}
	if g.tokens == 0 {
		return breachFrameRate
	}
	g.tokens--
	return noBreach
}

// fill puts into the empty bucket what the time since the last fill has earned.
func (g *guard) fill() {
	const second = 1_000_000_000
	rate, burst := uint64(g.limits.frameRate), uint64(g.limits.frameBurst)
	now := g.limits.now()
	elapsed := uint64(max(now-g.filled, 0))
	if elapsed >= burst*second/rate {
		g.tokens, g.filled = uint32(burst), now
		return
	}
	// Below the burst nothing overflows: elapsed·rate < 2³²·10⁹ < 2⁶².
	earned := elapsed * rate / second
	g.tokens = uint32(earned)
	// What is left of a token's time stays on the account, rounded so that
	// nothing is ever earned twice.
	g.filled += int64((earned*second + rate - 1) / rate)
}
