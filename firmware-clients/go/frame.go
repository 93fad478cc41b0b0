package client

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Opcodes of RFC 6455 section 5.2.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
)

// maxControlBytes is the longest payload of a control frame (RFC 6455 section
// 5.5).
const maxControlBytes = 125

// violation is a breach of RFC 6455 by the other side.
type violation struct {
	code int // to close with
	what string
}

func (v *violation) Error() string { return "client: the gateway broke the protocol: " + v.what }

func illegal(format string, args ...any) error {
	return &violation{code: closeIllegalFrame, what: fmt.Sprintf(format, args...)}
}

// header is what stands before a frame's payload.
type header struct {
	final  bool
	op     byte
	length uint64
}

// readHeader reads the header of a frame from a gateway, which does not mask
// (RFC 6455 section 5.1) and uses no extension.
func readHeader(r io.Reader) (h header, err error) {
	var b [8]byte
	if _, err := io.ReadFull(r, b[:2]); err != nil {
		return h, err
	}
	h = header{final: b[0]&0x80 != 0, op: b[0] & 0x0f, length: uint64(b[1] & 0x7f)}
	switch {
	case b[0]&0x70 != 0:
		return h, illegal("reserved bits are set")
	case b[1]&0x80 != 0:
		return h, illegal("a frame is masked")
	case h.op > opBinary && h.op < opClose || h.op > opPong:
		return h, illegal("the opcode %d is unknown", h.op)
	case h.op >= opClose && (!h.final || h.length > maxControlBytes):
		return h, illegal("a control frame is in fragments or too long")
	case h.length < 126:
		return h, nil
	}
	size, least := 2, uint64(126)
	if h.length == 127 {
		size, least = 8, 1<<16
	}
	if _, err := io.ReadFull(r, b[8-size:]); err != nil {
		return h, noEOF(err)
	}
	clear(b[:8-size])
	h.length = binary.BigEndian.Uint64(b[:])
	if h.length < least || h.length>>63 != 0 {
		return h, illegal("the length %d is not written the shortest way", h.length)
	}
	return h, nil
}

// appendFrame appends a whole masked frame (RFC 6455 section 5.3).
func appendFrame(dst []byte, op byte, payload []byte, mask [4]byte) []byte {
	dst = append(dst, 0x80|op)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0x80|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 0x80|127), uint64(n))
	}
	dst = append(dst, mask[:]...)
	for i, c := range payload {
		dst = append(dst, c^mask[i&3])
	}
	return dst
}

// noEOF turns an end in the middle of something into the error that it is.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
