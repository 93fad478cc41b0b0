package wsedge

import (
	"bytes"
	"encoding/binary"
)

const guardTestLimit = 70_000

// guardMask is the mask of every frame that the tests make.
var guardMask = [4]byte{0xA5, 0x00, 0xFF, 0x3C}

// guardFrame makes a masked frame; first holds FIN, the reserved bits and the
// opcode.
func guardFrame(first byte, payload []byte) []byte {
	b := guardHeader(first, len(payload))
	for i, c := range payload {
		b = append(b, c^guardMask[i%4])
	}
	return b
}

// guardHeader makes a masked frame's header with the shortest length, and the
// mask.
func guardHeader(first byte, length int) []byte {
	b := []byte{first}
	switch {
	case length < 126:
		b = append(b, 0x80|byte(length))
	case length < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(length))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(length))
	}
	return append(b, guardMask[:]...)
}

// guardBytes makes n bytes of payload.
func guardBytes(n int) []byte { return bytes.Repeat([]byte("edge"), n/4+1)[:n] }

func guardJoin(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func guardClose(code uint16, reason string) []byte {
	return guardFrame(0x88, append(binary.BigEndian.AppendUint16(nil, code), reason...))
}

// walkGuard feeds the stream in chunks and returns how many bytes passed, where
// the last chunk began, and the violation.
func walkGuard(g *guard, stream []byte, chunk int) (passed, lastChunk int, v *violation) {
	for off := 0; off < len(stream); off += chunk {
		p := stream[off:min(off+chunk, len(stream))]
		ok, v := g.inspect(p)
		passed += ok
		if v != nil || ok < len(p) {
			return passed, off, v
		}
		lastChunk = off
	}
	return passed, lastChunk, nil
}

// guardChunks are the sizes of chunk that a stream of n bytes is tried with:
// every one while that is affordable.
func guardChunks(n int) []int {
	if n > 100_000 {
		return []int{1, 13, 4096, n}
	}
	sizes := []int{1, 13, 14, 15, 256, 4096, max(n-1, 1), max(n, 1)}
	for i := 2; i < min(n, 40); i++ {
		sizes = append(sizes, i)
	}
	return sizes
}

// guardFragmented is a binary message of two fragments of n bytes, with control
// frames in it.
func guardFragmented(n int) []byte {
	ping, pong := guardFrame(0x89, guardBytes(125)), guardFrame(0x8A, nil)
	return guardJoin(ping, guardFrame(0x02, guardBytes(n)), ping, pong, guardFrame(0x80, guardBytes(n)), pong)
}
