package main

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Opcodes of RFC 6455 section 5.2.
const (
	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xA
)

// maxFramePayload bounds what a server may send in one frame, in bytes.
const maxFramePayload = 128 << 10

// maskKey masks all that the client sends. RFC 6455 wants it unpredictable to
// protect proxies from scripts; here is neither.
var maskKey = [4]byte{0x37, 0xfa, 0x21, 0x3d}

var errMaskedByServer = errors.New("the server sent a masked frame")

// nextFrame takes one server frame from the front of b. The payload aliases b;
// n is the length of the whole frame, or 0 when b does not hold all of it yet.
// Frames in parts and reserved bits are errors: neither server sends them.
func nextFrame(b []byte) (op byte, payload []byte, n int, err error) {
	if len(b) < 2 {
		return 0, nil, 0, nil
	}
	if b[0]&0xF0 != 0x80 {
		return 0, nil, 0, fmt.Errorf("the server sent frame byte %#02x: in parts, or with reserved bits", b[0])
	}
	head, size := 2, uint64(b[1])
	switch {
	case size >= 0x80:
		return 0, nil, 0, errMaskedByServer
	case size == 126:
		if head = 4; len(b) < head {
			return 0, nil, 0, nil
		}
		size = uint64(binary.BigEndian.Uint16(b[2:]))
	case size == 127:
		if head = 10; len(b) < head {
			return 0, nil, 0, nil
		}
		size = binary.BigEndian.Uint64(b[2:])
	}
	if size > maxFramePayload {
		return 0, nil, 0, fmt.Errorf("the server sent a frame of %d bytes", size)
	}
	end := head + int(size)
	if len(b) < end {
		return 0, nil, 0, nil
	}
	return b[0] & 0x0F, b[head:end], end, nil
}

// appendClientFrame appends payload as one masked frame.
func appendClientFrame(dst []byte, op byte, payload []byte) []byte {
	dst = append(dst, 0x80|op)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0x80|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 0x80|127), uint64(n))
	}
	dst = append(dst, maskKey[:]...)
	for i, c := range payload {
		dst = append(dst, c^maskKey[i&3])
	}
	return dst
}

// appendServerFrame appends payload as one unmasked text frame, for blast.
func appendServerFrame(dst, payload []byte) []byte {
	dst = append(dst, 0x80|opText)
	if n := len(payload); n < 126 {
		dst = append(dst, byte(n))
	} else {
		dst = binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	}
	return append(dst, payload...)
}
