package wsedge

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"edgegw/internal/wire"
)

// refusal is a stream that must be refused.
type refusal struct {
	name   string
	before []byte // legal frames
	frame  []byte // the offending one, as far as it takes to know
	code   wire.CloseCode
	reason string
}

func illegalFrames() []refusal {
	text, ping := guardFrame(0x81, []byte("hi")), guardFrame(0x89, nil)
	start := guardFrame(0x01, []byte("part")) // a text message's first fragment
	return []refusal{
		{"bad RSV1", text, []byte{0xC1}, 1002, "reserved_bits"},
		{"bad RSV2", text, []byte{0xA1}, 1002, "reserved_bits"},
		{"bad RSV3 on a ping", text, []byte{0x99}, 1002, "reserved_bits"},
		{"bad opcode 3", text, []byte{0x83}, 1002, "reserved_opcode"},
		{"bad opcode 7 inside a message", start, []byte{0x87}, 1002, "reserved_opcode"},
		{"bad opcode 11", nil, []byte{0x8B}, 1002, "reserved_opcode"},
		{"bad opcode 15", nil, []byte{0x8F}, 1002, "reserved_opcode"},
		{"bad unmasked text", ping, []byte{0x81, 0x05}, 1002, "unmasked_frame"},
		{"bad unmasked ping", ping, []byte{0x89, 0x00}, 1002, "unmasked_frame"},
		{"bad unmasked 64-bit length", ping, []byte{0x82, 0x7F}, 1002, "unmasked_frame"},
		{"bad fragmented ping", text, []byte{0x09}, 1002, "fragmented_control"},
		{"bad fragmented close", text, []byte{0x08}, 1002, "fragmented_control"},
		{"bad ping of 126", text, []byte{0x89, 0xFE}, 1002, "long_control"},
		{"bad close of 127", text, []byte{0x88, 0xFF}, 1002, "long_control"},
		{"bad continuation first", nil, []byte{0x80}, 1002, "stray_continuation"},
		{"bad continuation after a message", text, []byte{0x00}, 1002, "stray_continuation"},
		{"bad text inside a message", start, []byte{0x81}, 1002, "interrupted_message"},
		{"bad binary inside a message", guardJoin(start, ping), []byte{0x02}, 1002, "interrupted_message"},
		{"bad close of 1 byte", text, []byte{0x88, 0x81}, 1002, "close_payload"},
	}
}

func illegalLengths() []refusal {
	text, ping, start := guardFrame(0x81, []byte("hi")), guardFrame(0x89, nil), guardFrame(0x01, []byte("part"))
	long := func(n uint64) []byte { return binary.BigEndian.AppendUint64([]byte{0x82, 0xFF}, n) }
	return []refusal{
		{"bad 16-bit length 125", text, []byte{0x82, 0xFE, 0, 125}, 1002, "length_not_minimal"},
		{"bad 16-bit length 0", text, []byte{0x82, 0xFE, 0, 0}, 1002, "length_not_minimal"},
		{"bad 64-bit length 65535", text, long(65_535), 1002, "length_not_minimal"},
		{"bad 64-bit length 0", text, long(0), 1002, "length_not_minimal"},
		{"bad length 2^63", text, long(1 << 63), 1002, "length_top_bit"},
		{"bad length 2^64-1", text, long(1<<64 - 1), 1002, "length_top_bit"},
		{"bad length 2^63-1", text, long(1<<63 - 1), 1009, "message_too_large"},
		{"bad length 2^32", text, long(1 << 32), 1009, "message_too_large"},
		{"bad length 2^32+5", text, long(1<<32 + 5), 1009, "message_too_large"},
		{"bad length 2^31", text, long(1 << 31), 1009, "message_too_large"},
		{"bad limit and one more", text, long(guardTestLimit + 1), 1009, "message_too_large"},
		{"bad sum of fragments", guardFrame(0x02, guardBytes(guardTestLimit-9)), []byte{0x80, 0x80 | 10}, 1009, "message_too_large"},
		{"bad sum of many fragments", guardJoin(guardFrame(0x02, nil), bytes.Repeat(guardFrame(0x00, guardBytes(1000)), 70), ping), []byte{0x00, 0x81}, 1009, "message_too_large"},
		{"bad sum with 2^63-1", start, append([]byte{0x80}, long(1<<63 - 1)[1:]...), 1009, "message_too_large"},
		{"bad empty fragments", guardJoin(start, bytes.Repeat(guardFrame(0x00, nil), 100)), []byte{0x00, 0x80}, 4003, "empty_fragments"},
	}
}

func TestGuardRefuses(t *testing.T) {
	for _, tt := range append(illegalFrames(), illegalLengths()...) {
		t.Run(tt.name, func(t *testing.T) {
			refuseEverySplit(t, tt.before, tt.frame, tt.code, tt.reason)
		})
	}
}

// refuseEverySplit wants the frame refused, and the bytes before it passed, no
// matter how the stream is cut.
func refuseEverySplit(t *testing.T, before, frame []byte, code wire.CloseCode, reason string) {
	t.Helper()
	limits := &guardLimits{maxMessage: guardTestLimit}
	stream := guardJoin(before, frame, []byte("never reached"))
	for _, chunk := range guardChunks(len(stream)) {
		g := newGuard(limits)
		passed, lastChunk, v := walkGuard(&g, stream, chunk)
		if v == nil {
			t.Fatalf("chunks of %d: the frame passed", chunk)
		}
		if v.code != code || v.reason != reason {
			t.Errorf("chunks of %d: refused with %d %s, want %d %s", chunk, v.code, v.reason, code, reason)
		}
		if want := max(len(before), lastChunk); passed != want {
			t.Errorf("chunks of %d: %d bytes passed, want %d", chunk, passed, want)
		}
		// At the latest, the last byte that it takes to know is refused.
		if passed >= len(before)+len(frame) {
			t.Errorf("chunks of %d: all of the offending bytes passed", chunk)
		}
		if ok, again := g.inspect(guardFrame(0x81, nil)); ok != 0 || again != v {
			t.Errorf("chunks of %d: a violation must be the last word; then came %d, %v", chunk, ok, again)
		}
	}
}

func TestGuardPasses(t *testing.T) {
	tests := map[string][]byte{
		"ok nothing":                nil,
		"ok fragmented, with pings": guardFragmented(1),
		"ok 64 KiB in 64-byte fragments": guardJoin(guardFrame(0x01, guardBytes(64)),
			bytes.Repeat(guardFrame(0x00, guardBytes(64)), 1022), guardFrame(0x80, guardBytes(64))),
		"ok 64 KiB in 1-byte fragments": guardJoin(guardFrame(0x02, guardBytes(1)),
			bytes.Repeat(guardFrame(0x00, guardBytes(1)), 65_534), guardFrame(0x80, guardBytes(1))),
		"ok 100 empty fragments, twice": bytes.Repeat(guardJoin(guardFrame(0x01, nil),
			bytes.Repeat(guardFrame(0x00, nil), 99), guardFrame(0x80, nil)), 2),
		"ok the limit in two fragments": guardJoin(guardFrame(0x02, guardBytes(guardTestLimit-10)), guardFrame(0x80, guardBytes(10))),
		"ok the limit again and again":  bytes.Repeat(guardFrame(0x82, guardBytes(guardTestLimit)), 2),
		"ok pong of 125":                guardFrame(0x8A, guardBytes(125)),
		"ok empty close":                guardFrame(0x88, nil),
		"ok close inside a message":     guardJoin(guardFrame(0x01, nil), guardFrame(0x88, nil)),
	}
	for _, n := range []int{0, 1, 2, 124, 125, 126, 127, 65_534, 65_535, 65_536, guardTestLimit} {
		tests[fmt.Sprintf("ok text of %d", n)] = bytes.Repeat(guardFrame(0x81, guardBytes(n)), 2)
		tests[fmt.Sprintf("ok binary fragments of %d", n/2)] = guardFragmented(n / 2)
	}
	for name, stream := range tests {
		t.Run(name, func(t *testing.T) {
			for _, chunk := range guardChunks(len(stream)) {
				g := newGuard(&guardLimits{maxMessage: guardTestLimit})
				if passed, _, v := walkGuard(&g, stream, chunk); v != nil || passed != len(stream) {
					t.Fatalf("chunks of %d: %d of %d bytes passed: %v", chunk, passed, len(stream), v)
				}
				if want := strings.Contains(name, "close"); g.closed() != want {
					t.Errorf("closed is %v, want %v", g.closed(), want)
				}
			}
		})
	}
}

func TestGuardCloseCodes(t *testing.T) {
	legal := func(code int) bool {
		return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006 ||
			code >= 3000 && code < 5000
	}
	for code := range 1 << 16 {
		for _, chunk := range []int{1, 7, 100} {
			g := newGuard(&guardLimits{maxMessage: guardTestLimit})
			stream := guardClose(uint16(code), "bye")
			passed, lastChunk, v := walkGuard(&g, stream, chunk)
			switch {
			case legal(code) && (v != nil || passed != len(stream) || !g.closed()):
				t.Fatalf("code %d in chunks of %d: %d bytes passed, %v", code, chunk, passed, v)
			case !legal(code) && (v == nil || v.reason != "close_code" || v.code != 1002 || passed != lastChunk || passed > 7):
				t.Fatalf("code %d in chunks of %d: %d bytes passed, %v", code, chunk, passed, v)
			}
		}
	}
}

func TestGuardIsSmallAndAllocatesNothing(t *testing.T) {
	if size := unsafe.Sizeof(guard{}); size > 64 {
		t.Errorf("a guard takes %d bytes of each connection, want at most 64", size)
	}
	limits := &guardLimits{maxMessage: guardTestLimit, frameRate: 1, frameBurst: 10, now: func() int64 { return 1 }}
	stream := guardJoin(guardFragmented(100), guardFrame(0x81, guardBytes(200)), []byte{0xFF})
	if n := testing.AllocsPerRun(100, func() {
		g := newGuard(limits)
		if _, _, v := walkGuard(&g, stream, 5); v == nil {
			t.Error("the last byte is illegal")
		}
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func TestViolationsAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for i, v := range violations[1:] {
		if v.reason == "" || v.code.Name() == "" || seen[v.reason] {
			t.Errorf("breach %d has code %d and reason %q", i+1, v.code, v.reason)
		}
		seen[v.reason] = true
	}
	if n := len(violations) - 1; n != int(breachFrameRate) {
		t.Errorf("%d violations for %d breaches", n, breachFrameRate)
	}
}
