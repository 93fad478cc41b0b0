package client

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"
)

// bytesOf is a frame as a gateway writes it.
func bytesOf(first byte, payload string) []byte {
	f := appendFrame(nil, first&0x0f, make([]byte, len(payload)), [4]byte{})
	f = f[:len(f)-len(payload)-4]
	f[0], f[1] = first, f[1]&0x7f
	return append(f, payload...)
}

func reading(in []byte, most int) *socket {
	return &socket{r: bufio.NewReader(bytes.NewReader(in)), max: most}
}

func TestRead(t *testing.T) {
	long := strings.Repeat("x", 70_000)
	type read struct {
		op      byte
		payload string
	}
	for _, c := range []struct {
		name string
		in   []byte
		want []read
		code int // of the violation, 0 for the end of the input
	}{
		{"ok short", bytesOf(0x81, "hello"), []read{{opText, "hello"}}, 0},
		{"ok empty", bytesOf(0x81, ""), []read{{opText, ""}}, 0},
		{"ok 126", bytesOf(0x81, long[:126]), []read{{opText, long[:126]}}, 0},
		{"ok long", bytesOf(0x82, long), []read{{opBinary, long}}, 0},
		{"ok fragments with a ping between", bytes.Join([][]byte{bytesOf(0x01, "a"), bytesOf(0x89, "p"), bytesOf(0x00, "b"), bytesOf(0x80, "c")}, nil), []read{{opPing, "p"}, {opText, "abc"}}, 0},
		{"ok a character in two fragments", append(bytesOf(0x01, "\xc3"), bytesOf(0x80, "\xa4")...), []read{{opText, "ä"}}, 0},
		{"ok close", bytesOf(0x88, "\x03\xe8bye"), []read{{opClose, "\x03\xe8bye"}}, 0},
		{"ok close without code", bytesOf(0x88, ""), []read{{opClose, ""}}, 0},
		{"bad half a code", bytesOf(0x88, "\x03"), nil, 1002},
		{"bad code that is never sent", bytesOf(0x88, "\x03\xed"), nil, 1002},
		{"bad reason that is not UTF-8", bytesOf(0x88, "\x03\xe8\xff"), nil, 1007},
		{"bad text that is not UTF-8", bytesOf(0x81, "\xff"), nil, 1007},
		{"bad reserved bit", bytesOf(0xc1, "x"), nil, 1002},
		{"bad opcode", bytesOf(0x83, "x"), nil, 1002},
		{"bad control opcode", bytesOf(0x8b, "x"), nil, 1002},
		{"bad mask", []byte{0x81, 0x80, 0, 0, 0, 0}, nil, 1002},
		{"bad fragment of a control frame", bytesOf(0x09, "x"), nil, 1002},
		{"bad long control frame", bytesOf(0x89, long[:126]), nil, 1002},
		{"bad length not the shortest", []byte{0x81, 126, 0, 5, 'h', 'e', 'l', 'l', 'o'}, nil, 1002},
		{"bad length with the top bit", []byte{0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, nil, 1002},
		{"bad continuation of nothing", bytesOf(0x80, "x"), nil, 1002},
		{"bad message inside a message", append(bytesOf(0x01, "x"), bytesOf(0x81, "y")...), nil, 1002},
		{"bad message too long", []byte{0x82, 127, 0, 0, 0, 0, 0x10, 0, 0, 0}, nil, 1009},
		{"bad fragments too long", append(bytesOf(0x02, long), bytesOf(0x80, long)...), nil, 1009},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := reading(c.in, 100_000)
			for i, w := range c.want {
				op, payload, err := s.read()
				if err != nil || op != w.op || string(payload) != w.payload {
					t.Fatalf("message %d: %d %.20q, %v", i+1, op, payload, err)
				}
			}
			_, _, err := s.read()
			var breach *violation
			if c.code == 0 && err != io.EOF || c.code != 0 && (!errors.As(err, &breach) || breach.code != c.code) {
				t.Errorf("the end is %v, want %d", err, c.code)
			}
		})
	}
}

// TestReadInTheMiddle ends the input at every byte: never inside a frame is that
// an orderly end.
func TestReadInTheMiddle(t *testing.T) {
	in := bytes.Join([][]byte{bytesOf(0x01, "a"), bytesOf(0x89, "ping"), bytesOf(0x80, strings.Repeat("b", 200))}, nil)
	for n := 1; n < len(in); n++ {
		s := reading(in[:n], 1000)
		var err error
		for err == nil {
			_, _, err = s.read()
		}
		between := n == 3 || n == 9
		if between && err != io.EOF || !between && err != io.ErrUnexpectedEOF {
			t.Fatalf("after %d bytes: %v", n, err)
		}
	}
}

// TestClaimedLength claims a long message and sends nothing of it.
func TestClaimedLength(t *testing.T) {
	in := []byte{0x82, 127, 0, 0, 0, 0, 0x3f, 0, 0, 0} // 1 GB
	allocated := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _, _ = reading(in, 1<<31-1).read()
		}
	}).AllocedBytesPerOp()
	if allocated > 4*readChunkBytes {
		t.Errorf("%d bytes were allocated for a promise", allocated)
	}
}

// mirror is a connection whose writes can be read again.
type mirror struct {
	net.Conn
	bytes.Buffer
}

func (m *mirror) Write(b []byte) (int, error)      { return m.Buffer.Write(b) }
func (m *mirror) Read(b []byte) (int, error)       { return m.Buffer.Read(b) }
func (m *mirror) SetWriteDeadline(time.Time) error { return nil }

func TestNothingBehindClose(t *testing.T) {
	var m mirror
	s := &socket{conn: &m, random: rand.NewChaCha8([32]byte{}), timeout: time.Second}
	s.writeClose(closeNormal)
	n := m.Len()
	if err := s.write(opText, []byte("x")); err == nil || m.Len() != n {
		t.Errorf("%d bytes behind the close frame, %v", m.Len()-n, err)
	}
}

// FuzzWrite unmasks what was written.
func FuzzWrite(f *testing.F) {
	f.Add([]byte("hello"), uint64(1))
	f.Add(bytes.Repeat([]byte("x"), 70_000), uint64(2))
	f.Fuzz(func(t *testing.T, payload []byte, seed uint64) {
		var m mirror
		s := &socket{conn: &m, random: rand.NewChaCha8([32]byte{byte(seed)}), timeout: time.Second}
		if err := s.write(opBinary, payload); err != nil {
			t.Fatal(err)
		}
		b := m.Bytes()
		if b[0] != 0x80|opBinary || b[1]&0x80 == 0 {
			t.Fatalf("the header is %x", b[:2])
		}
		b[1] &= 0x7f
		h, err := readHeader(&m)
		if err != nil || h.length != uint64(len(payload)) {
			t.Fatalf("%+v, %v", h, err)
		}
		mask := [4]byte(m.Next(4))
		got := m.Next(len(payload))
		for i := range got {
			got[i] ^= mask[i%4]
		}
		if !bytes.Equal(got, payload) || m.Len() != 0 {
			t.Fatal("the payload is another one")
		}
	})
}

// FuzzRead reads anything: it ends, and takes no more than it may.
func FuzzRead(f *testing.F) {
	f.Add(bytesOf(0x81, "hello"))
	f.Add(bytes.Join([][]byte{bytesOf(0x01, "a"), bytesOf(0x89, "p"), bytesOf(0x80, "c"), bytesOf(0x88, "\x03\xe8")}, nil))
	f.Add([]byte{0x82, 127, 0, 0, 0, 0, 0x3f, 0, 0, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		s := reading(in, 1000)
		taken := 0
		for {
			op, payload, err := s.read()
			if err != nil {
				return
			}
			taken += len(payload)
			if len(payload) > 1000 || op >= opClose && len(payload) > maxControlBytes || taken > len(in) {
				t.Fatalf("%d bytes of opcode %d", len(payload), op)
			}
			if op == opClose {
				_ = closeErrorOf(payload)
			}
		}
	})
}
