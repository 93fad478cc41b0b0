package wsedge

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
)

// frameScript makes a stream of mostly legal frames from the bytes of a script,
// so that a fuzzer's mutations reach deep into a conversation. Scripts that run
// out read as zeroes.
type frameScript struct {
	bytes      []byte
	stream     []byte
	fragmented bool
}

func (s *frameScript) next() byte {
	if len(s.bytes) == 0 {
		return 0
	}
	b := s.bytes[0]
	s.bytes = s.bytes[1:]
	return b
}

// payload makes 0 to 65,540 bytes, short ones mostly.
func (s *frameScript) payload() []byte {
	n := int(s.next())
	switch {
	case n < 200:
		return guardBytes(n % 20)
	case n < 250:
		return guardBytes(n % 8 * 18) // 0 to 126
	case n < 254:
		return guardBytes(n * 9)
	}
	return guardBytes(65_530 + int(s.next()%11))
}

// frame appends one frame.
func (s *frameScript) frame() {
	kind, final := s.next(), byte(0x80)
	data := byte(0x01 + kind>>7) // text or binary
	if s.fragmented {
		data = 0
	}
	switch {
	case kind%16 < 6 || kind%16 == 14:
		s.fragmented = false
	case kind%16 < 10:
		s.fragmented, final = true, 0
	case kind%16 < 14:
		control := s.payload()
		s.stream = append(s.stream, guardFrame(0x89+kind>>7, control[:min(len(control), 125)])...)
		return
	case kind%64 == 15:
		code := binary.BigEndian.AppendUint16(nil, 1000+uint16(s.next()%16))
		s.stream = append(s.stream, guardFrame(0x88, code[:s.next()%2*2])...)
		return
	case kind%64 == 47: // a claim of any size
		s.stream = append(s.stream, final|data, 0x80|127)
		s.stream = binary.BigEndian.AppendUint64(s.stream, 1<<(s.next()%64))
		return
	case kind%64 == 63: // any opcode with a length that suits few
		s.stream = append(s.stream, s.next()&0x8F, [...]byte{0x81, 0xFE, 0xFF, 0x05}[s.next()%4])
		return
	default: // 31: one wrong bit
		payload, broken := s.payload(), len(s.stream)
		s.stream = append(s.stream, guardFrame(final|data, payload)...)
		s.stream[broken+int(s.next()%3)] ^= 1 << (s.next() % 8)
		s.fragmented = false
		return
	}
	s.stream = append(s.stream, guardFrame(final|data, s.payload())...)
}

// scriptedStream turns a script into a stream of at most about 320 KiB.
func scriptedStream(script []byte) []byte {
	s := frameScript{bytes: script}
	for len(s.bytes) > 0 && len(s.stream) < 1<<18 {
		s.frame()
	}
	return s.stream
}

// guardTrial is a stream, the limits it meets, and the cuts it comes in.
type guardTrial struct {
	stream      []byte
	cuts        []byte
	maxMessage  uint32
	rate, burst uint32
	tick        int64
}

// limits gives the guard and the reference a clock each, which stands for a
// tick between two questions.
func (tr guardTrial) limits() *guardLimits {
	now := int64(0)
	return &guardLimits{tr.maxMessage, tr.rate, tr.burst, func() int64 {
		now += tr.tick
		return now
	}}
}

// run wants the guard to come to the reference's verdict at the same byte.
func (tr guardTrial) run(t *testing.T) {
	t.Helper()
	ref := reference{limits: *tr.limits(), stream: tr.stream}
	ref.walk()
	for _, cut := range []func(i int) int{
		func(int) int { return len(tr.stream) },
		func(int) int { return 1 },
		func(i int) int { return 1 + int(tr.cuts[i%len(tr.cuts)]) },
	} {
		g := newGuard(tr.limits())
		off, passed, reason := 0, 0, ""
		for i := 0; off < len(tr.stream); i++ {
			p := tr.stream[off:min(off+cut(i), len(tr.stream))]
			ok, v := g.inspect(p)
			passed += ok
			if v != nil {
				reason = v.reason
				if ref.decided < off || ref.decided >= off+len(p) {
					t.Fatalf("refused in bytes %d to %d, want at %d", off, off+len(p), ref.decided)
				}
				break
			}
			if ok < len(p) {
				break
			}
			off += len(p)
		}
		if reason != ref.reason || g.closed() != ref.closed {
			t.Fatalf("the guard says %q, closed %v; the reference %q, closed %v", reason, g.closed(), ref.reason, ref.closed)
		}
		if want := ref.passed(off); passed != want {
			t.Fatalf("%d bytes passed, want %d (%q)", passed, want, reason)
		}
	}
}

// passed is how many bytes must pass when the last chunk looked at began at
// off: all of the legal ones, and what was let through before that chunk.
func (r *reference) passed(off int) int {
	if r.reason != "" || r.closed {
		return max(r.at, off)
	}
	return len(r.stream)
}

func FuzzGuard(f *testing.F) {
	f.Add([]byte{}, []byte("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04"), []byte{3}, uint32(65536), uint16(0), uint8(1), uint32(0))
	f.Add([]byte{}, guardJoin(guardFragmented(200), guardClose(1000, "bye"), []byte{0}), []byte{0, 1, 7}, uint32(400), uint16(9), uint8(9), uint32(1e9))
	f.Add([]byte{0, 254, 6, 1, 255}, guardClose(1005, ""), []byte{200}, uint32(65_540), uint16(1), uint8(1), uint32(1e9))
	f.Add([]byte{6, 0, 6, 0, 10, 3, 6, 0, 0, 4}, []byte{0x81, 0x85}, []byte{}, uint32(1000), uint16(50), uint8(2), uint32(1e7))
	f.Add([]byte{15, 4, 1, 31, 9, 9, 47, 63, 143, 9}, guardHeader(0x02, 1<<16), []byte{}, uint32(1<<32-1), uint16(0), uint8(0), uint32(0))
	f.Fuzz(func(t *testing.T, script, raw, cuts []byte, maxMessage uint32, rate uint16, burst uint8, tick uint32) {
		guardTrial{
			stream: append(scriptedStream(script), raw...), cuts: append(cuts, 0), maxMessage: maxMessage,
			rate: uint32(rate), burst: max(uint32(burst), 1), tick: int64(tick),
		}.run(t)
	})
}

// TestGuardAgreesWithReference runs what FuzzGuard runs on random scripts, and
// wants every verdict to come up, so that the trials are known to reach it.
func TestGuardAgreesWithReference(t *testing.T) {
	rnd := rand.New(rand.NewPCG(6455, 13))
	seen := map[string]int{}
	for range 1200 {
		script := make([]byte, rnd.IntN(200))
		for i := range script {
			script[i] = byte(rnd.Uint32())
		}
		if rnd.IntN(20) == 0 { // a flood of empty fragments
			script = append(slices.Repeat([]byte{6, 0}, 90+rnd.IntN(20)), script...)
		}
		trial := guardTrial{
			stream: scriptedStream(script), cuts: append(slices.Clip(script[:min(len(script), 9)]), 0),
			maxMessage: 100<<rnd.IntN(13) + rnd.Uint32N(9), rate: rnd.Uint32N(3) * 37, burst: 1 + rnd.Uint32N(60), tick: rnd.Int64N(3e8),
		}
		trial.run(t)
		ref := reference{limits: *trial.limits(), stream: trial.stream}
		ref.walk()
		seen[ref.reason]++
	}
	for _, v := range violations {
		if seen[v.reason] == 0 {
			t.Errorf("no trial ended with %q; verdicts: %v", v.reason, seen)
		}
	}
}
