package wsedge

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestGuardNothingPassesAfterClose(t *testing.T) {
	for _, end := range [][]byte{guardFrame(0x88, nil), guardClose(1000, ""), guardClose(4999, "done")} {
		stream := guardJoin(guardFrame(0x81, []byte("last")), end)
		whole := guardJoin(stream, guardFrame(0x81, []byte("late")), []byte{0xFF, 0xFF, 0xFF})
		for _, chunk := range guardChunks(len(whole)) {
			g := newGuard(&guardLimits{maxMessage: guardTestLimit})
			src := &chunkReader{data: bytes.Clone(whole), chunk: chunk}
			got, err := io.ReadAll(readerFunc(func(p []byte) (int, error) { return g.read(src, p) }))
			if err != nil || !bytes.Equal(got, stream) {
				t.Fatalf("chunks of %d: read %d bytes, %v; want %d and the end", chunk, len(got), err, len(stream))
			}
			reads := src.reads
			if n, err := g.read(src, make([]byte, 9)); n != 0 || err != io.EOF || src.reads != reads {
				t.Errorf("chunks of %d: read after the end gave %d, %v and asked the socket", chunk, n, err)
			}
			if ok, v := g.inspect([]byte{0x81}); ok != 0 || v != nil {
				t.Errorf("inspect after the end gave %d, %v", ok, v)
			}
		}
	}
}

func TestGuardRead(t *testing.T) {
	text := guardFrame(0x81, []byte("hi"))
	reset := errors.New("connection reset")
	buf := make([]byte, 64)
	g := newGuard(&guardLimits{maxMessage: guardTestLimit})
	if n, err := g.read(iotest.DataErrReader(bytes.NewReader(text)), buf); n != len(text) || err != io.EOF {
		t.Errorf("data with an error: %d, %v", n, err)
	}
	if n, err := g.read(iotest.ErrReader(reset), buf); n != 0 || err != reset {
		t.Errorf("an error: %d, %v", n, err)
	}
	src := &chunkReader{data: guardJoin(text, []byte{0xFF}), chunk: 64}
	var v *violation
	if n, err := g.read(src, buf); n != len(text) || !errors.As(err, &v) || v.reason != "reserved_bits" {
		t.Errorf("an illegal frame: %d, %v", n, err)
	}
	if n, err := g.read(src, buf); n != 0 || err != error(v) || src.reads != 1 {
		t.Errorf("after an illegal frame: %d, %v, %d reads", n, err, src.reads)
	}
}

// chunkReader gives at most chunk bytes a read.
type chunkReader struct {
	data         []byte
	chunk, reads int
}

func (r *chunkReader) Read(p []byte) (int, error) {
	r.reads++
	if len(r.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.data[:min(r.chunk, len(r.data))])
	r.data = r.data[n:]
	return n, nil
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
