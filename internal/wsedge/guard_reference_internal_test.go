package wsedge

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/big"
	"slices"
)

// reference is the guard's rules once more, written to be read beside RFC 6455
// and not to be fast: it has the whole stream in memory and shares no code with
// the guard.
type reference struct {
	limits guardLimits
	stream []byte

	at        int    // where the current frame begins
	inMessage bool   // a fragmented message is open
	kind      byte   // its opcode
	body      []byte // its payload so far
	empties   int    // its empty fragments

	tokens, filledAt *big.Int

	// The verdict: the events that a reader behind the guard must see, how
	// it ended, and, for a refusal, the index of the byte that decided.
	events  []string
	reason  string
	closed  bool
	decided int
}

// The stages of a frame, in the order in which its bytes come: what is known
// after its first byte, its second, its whole length, and a close frame's code.
const (
	afterFirst = iota
	afterSecond
	afterLength
	afterCode
)

// bytesUntil is how many of a frame's bytes a stage needs.
func bytesUntil(stage int, frame []byte) int {
	switch {
	case stage == afterFirst:
		return 1
	case stage == afterSecond || len(frame) < 2:
		return 2
	case stage == afterCode && frame[0]%16 == 8 && frame[1]%128 >= 2:
		return 2 + 4 + 2
	case frame[1]%128 == 126:
		return 4
	case frame[1]%128 == 127:
		return 10
	}
	return 2
}

func payloadLength(f []byte) uint64 {
	switch f[1] % 128 {
	case 126:
		return uint64(binary.BigEndian.Uint16(f[2:4]))
	case 127:
		return binary.BigEndian.Uint64(f[2:10])
	}
	return uint64(f[1] % 128)
}

// referenceRules lists what is refused, and when that is known.
var referenceRules = []struct {
	stage  int
	reason string
	broken func(r *reference, frame []byte) bool
}{
	{afterFirst, "reserved_bits", func(r *reference, f []byte) bool { return f[0]&0b0111_0000 > 0 }},
	{afterFirst, "reserved_opcode", func(r *reference, f []byte) bool {
		return !slices.Contains([]byte{0, 1, 2, 8, 9, 10}, f[0]%16)
	}},
	{afterFirst, "fragmented_control", func(r *reference, f []byte) bool { return f[0]%16 > 7 && f[0] < 128 }},
	{afterFirst, "stray_continuation", func(r *reference, f []byte) bool { return f[0]%16 == 0 && !r.inMessage }},
	{afterFirst, "interrupted_message", func(r *reference, f []byte) bool {
		return (f[0]%16 == 1 || f[0]%16 == 2) && r.inMessage
	}},
	{afterSecond, "unmasked_frame", func(r *reference, f []byte) bool { return f[1] < 128 }},
	{afterSecond, "long_control", func(r *reference, f []byte) bool { return f[0]%16 > 7 && f[1]%128 > 125 }},
	{afterSecond, "close_payload", func(r *reference, f []byte) bool { return f[0]%16 == 8 && f[1]%128 == 1 }},
	{afterLength, "length_not_minimal", func(r *reference, f []byte) bool {
		return f[1]%128 == 126 && payloadLength(f) < 126 || f[1]%128 == 127 && payloadLength(f) < 65_536
	}},
	{afterLength, "length_top_bit", func(r *reference, f []byte) bool { return payloadLength(f)>>63 == 1 }},
	{afterLength, "message_too_large", func(r *reference, f []byte) bool {
		room := uint64(r.limits.maxMessage) - uint64(len(r.body))
		return f[0]%16 < 8 && payloadLength(f) > room
	}},
	{afterLength, "empty_fragments", func(r *reference, f []byte) bool {
		return f[0] < 128 && payloadLength(f) == 0 && r.empties >= 100
	}},
	{afterLength, "frame_rate", func(r *reference, f []byte) bool {
		isClose, freeFragment := f[0]%16 == 8, f[0] < 128 && payloadLength(f) >= 64
		return !isClose && !freeFragment && !r.takeToken()
	}},
	{afterCode, "close_code", func(r *reference, f []byte) bool {
		if f[0]%16 != 8 || payloadLength(f) < 2 {
			return false
		}
		code := binary.BigEndian.Uint16([]byte{f[6] ^ f[2], f[7] ^ f[3]})
		known := []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014}
		return !slices.Contains(known, code) && (code < 3000 || code > 4999)
	}},
}

// walk decides on the whole stream.
func (r *reference) walk() {
	r.tokens = big.NewInt(int64(r.limits.frameBurst))
	r.filledAt = new(big.Int)
	if r.limits.frameRate > 0 {
		r.filledAt.SetInt64(r.limits.now())
	}
	for r.reason == "" && !r.closed && r.at < len(r.stream) {
		frame := r.stream[r.at:]
		for _, rule := range referenceRules {
			needs := bytesUntil(rule.stage, frame)
			if len(frame) < needs {
				return
			}
			if rule.broken(r, frame) {
				r.reason, r.decided = rule.reason, r.at+needs-1
				return
			}
		}
		body := bytesUntil(afterLength, frame) + 4
		end := uint64(body) + payloadLength(frame)
		if uint64(len(frame)) < end {
			return
		}
		r.complete(frame[0], frame[body-4:body], frame[body:end])
		r.at += int(end)
	}
}

// complete takes a whole legal frame.
func (r *reference) complete(first byte, mask, masked []byte) {
	payload := make([]byte, len(masked))
	for i := range masked {
		payload[i] = masked[i] ^ mask[i&3]
	}
	op := first % 16
	switch {
	case op == 8 && len(payload) == 0:
		r.closed = true
		r.events = append(r.events, referenceEvent("close", 0, nil))
		return
	case op == 8:
		r.closed = true
		r.events = append(r.events, referenceEvent("close", int(binary.BigEndian.Uint16(payload)), payload[2:]))
		return
	case op > 8:
		r.events = append(r.events, referenceEvent("control", int(op), payload))
		return
	case op > 0:
		r.kind = op
	}
	r.body = append(r.body, payload...)
	r.inMessage = first < 128
	if !r.inMessage {
		r.events = append(r.events, referenceEvent("message", int(r.kind), r.body))
		r.body, r.empties = nil, 0
	} else if len(payload) == 0 {
		r.empties++
	}
}

func referenceEvent(what string, code int, payload []byte) string {
	return fmt.Sprintf("%s %d: %d bytes, %08x", what, code, len(payload), crc32.ChecksumIEEE(payload))
}

// takeToken is the bucket in numbers that cannot overflow.
func (r *reference) takeToken() bool {
	if r.limits.frameRate == 0 {
		return true
	}
	if r.tokens.Sign() == 0 {
		rate, burst := big.NewInt(int64(r.limits.frameRate)), big.NewInt(int64(r.limits.frameBurst))
		second, now := big.NewInt(1e9), big.NewInt(r.limits.now())
		elapsed := new(big.Int).Sub(now, r.filledAt)
		full := new(big.Int).Mul(burst, second)
		if elapsed.Cmp(full.Div(full, rate)) >= 0 {
			r.tokens.Set(burst)
			r.filledAt.Set(now)
		} else {
			r.tokens.Mul(elapsed, rate)
			r.tokens.Div(r.tokens, second)
			// The least time in which these tokens are earned.
			spent := new(big.Int).Mul(r.tokens, second)
			spent.Add(spent, rate).Sub(spent, big.NewInt(1)).Div(spent, rate)
			r.filledAt.Add(r.filledAt, spent)
		}
	}
	if r.tokens.Sign() == 0 {
		return false
	}
	r.tokens.Sub(r.tokens, big.NewInt(1))
	return true
}
