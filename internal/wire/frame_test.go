package wire_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// open reads one frame strictly as RFC 6455 section 5.2 has it: final, without
// reserved bits or mask, its length in the shortest form and nothing behind it.
func open(t testing.TB, frame []byte) (wire.Opcode, []byte) {
	t.Helper()
	if len(frame) < 2 || frame[0]&0xF0 != 0x80 || frame[1]&0x80 != 0 {
		t.Fatalf("not the beginning of a server's frame: %x", frame[:min(len(frame), 16)])
	}
	n, header := uint64(frame[1]), 2
	switch n {
	case 126:
		n, header = uint64(binary.BigEndian.Uint16(frame[2:])), 4
		if n < 126 {
			t.Fatalf("%d bytes have a length of 2 bytes", n)
		}
	case 127:
		n, header = binary.BigEndian.Uint64(frame[2:]), 10
		if n < 1<<16 {
			t.Fatalf("%d bytes have a length of 8 bytes", n)
		}
	}
	if uint64(len(frame)-header) != n {
		t.Fatalf("the header says %d bytes, %d follow", n, len(frame)-header)
	}
	return wire.Opcode(frame[0] & 0x0F), frame[header:]
}

// text opens a text frame.
func text(t testing.TB, frame []byte) string {
	t.Helper()
	op, payload := open(t, frame)
	if op != wire.OpText {
		t.Fatalf("opcode %#x, want text", op)
	}
	return string(payload)
}

func TestAppendFrame(t *testing.T) {
	for _, c := range []struct {
		name   string
		op     wire.Opcode
		bytes  int
		header string
	}{
		{"ok empty ping", wire.OpPing, 0, "8900"},
		{"ok empty text", wire.OpText, 0, "8100"},
		{"ok one byte", wire.OpBinary, 1, "8201"},
		{"ok longest control frame", wire.OpPong, 125, "8a7d"},
		{"ok shortest two-byte length", wire.OpText, 126, "817e007e"},
		{"ok 127", wire.OpText, 127, "817e007f"},
		{"ok longest two-byte length", wire.OpText, 65535, "817effff"},
		{"ok shortest eight-byte length", wire.OpBinary, 65536, "827f0000000000010000"},
		{"ok close", wire.OpClose, 2, "8802"},
	} {
		t.Run(c.name, func(t *testing.T) {
			payload := bytes.Repeat([]byte{'x'}, c.bytes)
			got := wire.AppendFrame([]byte("before"), c.op, payload)
			want, err := hex.DecodeString(c.header)
			if err != nil {
				t.Fatal(err)
			}
			want = append(append([]byte("before"), want...), payload...)
			if !bytes.Equal(got, want) {
				t.Errorf("got %x…, want %x…", got[:min(len(got), 24)], want[:min(len(want), 24)])
			}
		})
	}
}

// Frames whose length is known only at their end leave room for four bytes of
// header, which is too much below 126 bytes and too little from 65,536.
func TestMessageFrameBoundaries(t *testing.T) {
	m := gateway.Message{Seq: 1, User: "a", Payload: gateway.Payload{Kind: gateway.PayloadText}}
	overhead := len(text(t, wire.AppendMessage(nil, "r", &m)))
	for _, want := range []int{overhead, 125, 126, 127, 65534, 65535, 65536, 65537, 200_000} {
		body := strings.Repeat("é", (want-overhead)/2) + strings.Repeat("x", (want-overhead)%2)
		m.Payload.Bytes = []byte(body)
		before := []byte("what the batch holds already")
		for _, spare := range []int{0, 3, 7, want + 64} {
			dst := append(make([]byte, 0, len(before)+spare), before...)
			got, ok := bytes.CutPrefix(wire.AppendMessage(dst, "r", &m), before)
			if !ok {
				t.Fatalf("%d bytes, %d spare: what stood before was changed", want, spare)
			}
			payload := text(t, got)
			if len(payload) != want {
				t.Fatalf("%d spare: %d bytes of payload, want %d", spare, len(payload), want)
			}
			if !strings.HasPrefix(payload, `{"type":"message","room":"r","seq":1,`) || !strings.HasSuffix(payload, body+`"}`) {
				t.Fatalf("%d bytes, %d spare: payload is %.60s…", want, spare, payload)
			}
		}
	}
}
