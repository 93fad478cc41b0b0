package wire_test

import (
	"strings"
	"testing"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// The two frames that everything is about: a small command, and a message of
// 100 bytes.
func smallCommand() []byte { return []byte(`{"type":"ping" }`) }

func hundredBytes() []byte {
	const head, tail = `{"type":"message","id":"a1","data":"`, `"}`
	return []byte(head + strings.Repeat("x", 100-len(head)-len(tail)) + tail)
}

func TestAllocations(t *testing.T) {
	small, hundred, plain := smallCommand(), hundredBytes(), []byte("Hello room!")
	typing, resuming := []byte(`{"type":"typing","state":"start"}`), []byte(`{"type":"subscribe","room":"r","after":41,"latest":true}`)
	auth := []byte(`{"type":"auth","token":"e30.e30.c2ln"}`)
	if len(small) != 16 || len(hundred) != 100 {
		t.Fatalf("%d and %d bytes", len(small), len(hundred))
	}
	m := gateway.Message{Seq: 1, TS: 2, User: "ann", ID: "a1"}
	buffer := make([]byte, 0, 1024)
	for _, c := range []struct {
		name string
		do   func()
	}{
		{"ok 16 bytes of command", func() { mustDecode(t, small) }},
		{"ok 100 bytes of message", func() { mustDecode(t, hundred) }},
		{"ok plain text", func() { mustDecode(t, plain) }},
		{"ok typing", func() { mustDecode(t, typing) }},
		{"ok subscribe with after", func() { mustDecode(t, resuming) }},
		{"ok token", func() { mustDecode(t, auth) }},
		{"ok message frame of JSON", func() {
			m.Payload = gateway.Payload{Kind: gateway.PayloadJSON, Bytes: hundred}
			buffer = wire.AppendMessage(buffer[:0], "plant", &m)
		}},
		{"ok message frame of text", func() {
			m.Payload = gateway.Payload{Kind: gateway.PayloadText, Bytes: hundred}
			buffer = wire.AppendMessage(buffer[:0], "plant", &m)
		}},
		{"ok message frame of binary", func() {
			m.Payload = gateway.Payload{Kind: gateway.PayloadBinary, Bytes: hundred}
			buffer = wire.AppendMessage(buffer[:0], "plant", &m)
		}},
		{"ok raw frame", func() { buffer = wire.AppendRawMessage(buffer[:0], &m) }},
		{"ok ack", func() {
			buffer = wire.AppendAck(buffer[:0], wire.Ack{ID: "a1", Room: "plant", Seq: 1, Durability: "queued"})
		}},
		{"ok typing frame", func() { buffer = wire.AppendTyping(buffer[:0], "plant", "ann", true) }},
		{"ok presence frame", func() { buffer = wire.AppendPresence(buffer[:0], "plant", "ann", true, 3) }},
		{"ok subscribed", func() {
			buffer = wire.AppendSubscribed(buffer[:0], wire.Subscribed{Room: "plant", Epoch: "e", Recovery: wire.Recovered, HasReplay: true, From: 1})
		}},
		{"ok deep JSON", func() { wire.ValidJSON(hundred) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			if n := testing.AllocsPerRun(100, c.do); n != 0 {
				t.Errorf("%v allocations, want none", n)
			}
		})
	}
}

func mustDecode(t testing.TB, frame []byte) {
	if _, err := wire.DecodeText(frame); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkDecodeCommand16(b *testing.B) {
	frame := smallCommand()
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		mustDecode(b, frame)
	}
}

func BenchmarkDecodeMessage100(b *testing.B) {
	frame := hundredBytes()
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		mustDecode(b, frame)
	}
}

func BenchmarkAppendMessage100(b *testing.B) {
	m := gateway.Message{Seq: 123456, TS: 1700000000000, User: "sensor-17", ID: "a1",
		Payload: gateway.Payload{Kind: gateway.PayloadJSON, Bytes: []byte(`"` + strings.Repeat("x", 98) + `"`)}}
	buffer := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buffer = wire.AppendMessage(buffer[:0], "plant", &m)
	}
	b.SetBytes(int64(len(buffer)))
}
