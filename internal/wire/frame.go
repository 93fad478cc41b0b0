package wire

import "encoding/binary"

// Opcode is a WebSocket opcode (RFC 6455 section 5.2).
type Opcode byte

// The opcodes that the gateway sends.
const (
	OpText   Opcode = 0x1
	OpBinary Opcode = 0x2
	OpClose  Opcode = 0x8
	OpPing   Opcode = 0x9
	OpPong   Opcode = 0xA
)

const finBit = 0x80

// AppendFrame appends one unfragmented, unmasked frame, as servers send them
// (RFC 6455 section 5.1). Since nothing in it depends on the receiver, every
// subscriber can be given the same bytes.
func AppendFrame(dst []byte, op Opcode, payload []byte) []byte {
	dst = appendHeader(dst, op, len(payload))
	return append(dst, payload...)
}

func appendHeader(dst []byte, op Opcode, n int) []byte {
	dst = append(dst, finBit|byte(op))
	switch {
	case n < 126:
		return append(dst, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
	}
}

// gapBytes is the header of the commonest size, 126 to 65,535 bytes.
const gapBytes = 4

// beginFrame leaves room for a header; endFrame fills it in once the payload's
// length is known. Only very small and very large payloads have to be moved.
func beginFrame(dst []byte) (out []byte, start int) {
	return append(dst, 0, 0, 0, 0), len(dst)
}

func endFrame(dst []byte, start int, op Opcode) []byte {
	var header [10]byte
	payload := dst[start+gapBytes:]
	h := appendHeader(header[:0], op, len(payload))
	switch {
	case len(h) < gapBytes:
		copy(dst[start+len(h):], payload)
		dst = dst[:start+len(h)+len(payload)]
	case len(h) > gapBytes:
		n := len(payload)
		dst = append(dst, header[:len(h)-gapBytes]...) // grow; the bytes are overwritten
		copy(dst[start+len(h):], dst[start+gapBytes:start+gapBytes+n])
	}
	copy(dst[start:], h)
	return dst
}
