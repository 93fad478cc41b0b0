package main

import (
	"bytes"
	"encoding/binary"
	"testing"
)

func TestNextFrame(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 300)
	huge := binary.BigEndian.AppendUint64([]byte{0x82, 127}, maxFramePayload+1)
	negative := binary.BigEndian.AppendUint64([]byte{0x82, 127}, 1<<63)
	for name, tc := range map[string]struct {
		in      []byte
		op      byte
		payload []byte
		n       int
		bad     bool
	}{
		"ok text":              {in: []byte{0x81, 2, 'h', 'i'}, op: opText, payload: []byte("hi"), n: 4},
		"ok next is untouched": {in: []byte{0x81, 1, 'a', 0x81, 1, 'b'}, op: opText, payload: []byte("a"), n: 3},
		"ok empty ping":        {in: []byte{0x89, 0}, op: opPing, payload: []byte{}, n: 2},
		"ok 16-bit length":     {in: appendServerFrame(nil, long), op: opText, payload: long, n: 304},
		"ok 64-bit length":     {in: append([]byte{0x81, 127, 0, 0, 0, 0, 0, 0, 0, 1}, 'x'), op: opText, payload: []byte("x"), n: 11},
		"ok nothing yet":       {in: nil},
		"ok half a header":     {in: []byte{0x81}},
		"ok half a length":     {in: []byte{0x81, 126, 1}},
		"ok half a payload":    {in: []byte{0x81, 2, 'h'}},
		"bad masked":           {in: []byte{0x81, 0x82, 1, 2, 3, 4, 5, 6}, bad: true},
		"bad reserved bit":     {in: []byte{0xC1, 0}, bad: true},
		"bad first part":       {in: []byte{0x01, 1, 'x'}, bad: true},
		"bad size":             {in: huge, bad: true},
		"bad size, top bit":    {in: negative, bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			op, payload, n, err := nextFrame(tc.in)
			if (err != nil) != tc.bad {
				t.Fatalf("error %v, want one: %v", err, tc.bad)
			}
			if op != tc.op || n != tc.n || !bytes.Equal(payload, tc.payload) {
				t.Errorf("got op %d, payload %q, n %d; want %d, %q, %d", op, payload, n, tc.op, tc.payload, tc.n)
			}
		})
	}
}

func TestAppendClientFrame(t *testing.T) {
	for name, size := range map[string]int{"ok short": 5, "ok 125": 125, "ok 126": 126, "ok 65535": 65535, "ok 65536": 65536} {
		t.Run(name, func(t *testing.T) {
			want := bytes.Repeat([]byte("ab"), size)[:size]
			got := appendClientFrame(nil, opText, want)
			if got[1]&0x80 == 0 {
				t.Fatal("the frame is not masked")
			}
			// Unmasked by hand it has to read as a server's frame.
			body := len(got) - size
			plain := append([]byte{got[0], got[1] & 0x7F}, got[2:body-4]...)
			for i, c := range got[body:] {
				plain = append(plain, c^got[body-4+i%4])
			}
			op, payload, n, err := nextFrame(plain)
			if err != nil || op != opText || n != len(plain) || !bytes.Equal(payload, want) {
				t.Errorf("does not read back: op %d, n %d of %d, %v", op, n, len(plain), err)
			}
		})
	}
}

// BenchmarkWalk is the client's own work for one delivery, without the read.
func BenchmarkWalk(b *testing.B) {
	l := &loop{onMessage: func(*conn, []byte, int64) {}}
	c := &conn{room: newRoom(roomName(0)), next: 1}
	frames := appendServerFrame(nil, []byte(c.room.prefix+`1,"ts":1700000000000,"user":"admin","data":{"t":1700000000000000000,"v":21.53,"unit":"celsius"}}`))
	b.SetBytes(int64(len(frames)))
	for b.Loop() {
		_, payload, _, _ := nextFrame(frames)
		l.text(c, payload, 0)
		c.next = 1
	}
}
