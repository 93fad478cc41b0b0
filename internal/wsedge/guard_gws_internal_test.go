package wsedge

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lxzan/gws"
)

// memoryConn is a connection whose client has sent all it will ever send.
type memoryConn struct {
	io.Reader
	bytes.Buffer // what was written to it
}

func (c *memoryConn) Read(p []byte) (int, error)         { return c.Reader.Read(p) }
func (c *memoryConn) Close() error                       { return nil }
func (c *memoryConn) LocalAddr() net.Addr                { return &net.TCPAddr{} }
func (c *memoryConn) RemoteAddr() net.Addr               { return &net.TCPAddr{} }
func (c *memoryConn) SetDeadline(t time.Time) error      { return nil }
func (c *memoryConn) SetReadDeadline(t time.Time) error  { return nil }
func (c *memoryConn) SetWriteDeadline(t time.Time) error { return nil }

// recorder writes down what gws reads, in the words of the reference.
type recorder struct {
	events []string
	end    error
}

func (r *recorder) OnOpen(*gws.Conn) {}
func (r *recorder) OnPing(_ *gws.Conn, payload []byte) {
	r.events = append(r.events, referenceEvent("control", int(gws.OpcodePing), payload))
}
func (r *recorder) OnPong(_ *gws.Conn, payload []byte) {
	r.events = append(r.events, referenceEvent("control", int(gws.OpcodePong), payload))
}
func (r *recorder) OnMessage(_ *gws.Conn, m *gws.Message) {
	r.events = append(r.events, referenceEvent("message", int(m.Opcode), m.Bytes()))
}
func (r *recorder) OnClose(_ *gws.Conn, err error) {
	r.end = err
	if c := (*gws.CloseError)(nil); errors.As(err, &c) {
		r.events = append(r.events, referenceEvent("close", int(c.Code), c.Reason))
	}
}

// readWithGWS lets gws read the stream and returns what it saw. A panic in gws
// is the caller's.
func readWithGWS(t *testing.T, src io.Reader, maxMessage int) *recorder {
	t.Helper()
	seen := &recorder{}
	request := httptest.NewRequest("GET", "/ws", nil)
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket",
		"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	} {
		request.Header.Set(name, value)
	}
	conn := &memoryConn{Reader: src}
	upgrader := gws.NewUpgrader(seen, &gws.ServerOption{ReadMaxPayloadSize: maxMessage})
	socket, err := upgrader.UpgradeFromConn(conn, bufio.NewReaderSize(conn, 256), request)
	if err != nil {
		t.Fatal(err)
	}
	socket.ReadLoop()
	return seen
}

// behindGuard is the stream as gws gets to see it.
func behindGuard(stream []byte, chunk int, limits *guardLimits) io.Reader {
	g, src := newGuard(limits), &chunkReader{data: stream, chunk: chunk}
	return readerFunc(func(p []byte) (int, error) { return g.read(src, p) })
}

// unguarded as the test binary's last argument makes the next test its own
// child, which lets gws read the killer frame as it came.
const unguarded = "unguarded"

// TestOneFrameEndsAnUnguardedProcess is why there is a guard: 14 bytes claim a
// length of 2^64-1, which becomes -1, passes gws's check of sizes and panics.
// When the first half fails, gws has learnt to refuse the frame.
func TestOneFrameEndsAnUnguardedProcess(t *testing.T) {
	killer := []byte("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04")
	if os.Args[len(os.Args)-1] == unguarded {
		readWithGWS(t, bytes.NewReader(killer), 1<<16)
		return
	}
	output, err := runSelf("-test.run=^"+t.Name()+"$", unguarded)
	exit := (*exec.ExitError)(nil)
	if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(output, "panic: runtime error: slice bounds out of range") {
		t.Errorf("without the guard the process ended with %v, want a panic; it said:\n%s", err, output)
	}
	for _, chunk := range guardChunks(len(killer)) {
		seen := readWithGWS(t, behindGuard(killer, chunk, &guardLimits{maxMessage: 1 << 16}), 1<<16)
		v := (*violation)(nil)
		if len(seen.events) > 0 || !errors.As(seen.end, &v) || v.reason != "length_top_bit" || v.code != 1002 {
			t.Errorf("chunks of %d: behind the guard gws saw %v and ended with %v", chunk, seen.events, seen.end)
		}
	}
}

// runSelf runs this test binary as a child and returns what it printed.
func runSelf(args ...string) (string, error) {
	output, err := exec.Command(os.Args[0], args...).CombinedOutput()
	if errors.Is(err, syscall.ENOEXEC) {
		// A binary under an emulator that the kernel does not know.
		under := strings.Fields(cmp.Or(os.Getenv("EDGEGW_UNDER"), "qemu-arm-static -cpu arm1176"))
		output, err = exec.Command(under[0], append(append(under[1:], os.Args[0]), args...)...).CombinedOutput()
	}
	return string(output), err
}

// TestLengthsThatTruncate shows the other half on 32-bit boards: a length of
// 2^32 or 2^63 becomes 0 there, and gws takes the payload for frames.
func TestLengthsThatTruncate(t *testing.T) {
	smuggled := guardFrame(0x89, []byte("smuggled"))
	ping := referenceEvent("control", int(gws.OpcodePing), []byte("smuggled"))
	for _, length := range []uint64{1 << 32, 1 << 63} {
		frame := []byte{0x82, 0xFF, byte(length >> 56), 0, 0, byte(length >> 32), 0, 0, 0, 0, 1, 2, 3, 4}
		stream := guardJoin(frame, smuggled)
		if strconv.IntSize == 32 {
			if seen := readWithGWS(t, bytes.NewReader(stream), 1<<16); !slices.Contains(seen.events, ping) {
				t.Errorf("gws alone saw %v in a frame of %d bytes; has it learnt?", seen.events, length)
			}
		}
		for _, chunk := range guardChunks(len(stream)) {
			seen := readWithGWS(t, behindGuard(stream, chunk, &guardLimits{maxMessage: 1 << 16}), 1<<16)
			if v := (*violation)(nil); len(seen.events) > 0 || !errors.As(seen.end, &v) {
				t.Errorf("length %d: behind the guard gws saw %v and ended with %v", length, seen.events, seen.end)
			}
		}
	}
}

// TestGWSAcceptsWhatPasses lets gws read random streams behind the guard. It
// must see the very frames that the reference sees, never panic, and never find
// anything to object to: then the guard leaves it no illegal frame, and no byte
// too few or too many.
func TestGWSAcceptsWhatPasses(t *testing.T) {
	rnd := rand.New(rand.NewPCG(14, 64))
	ends := map[string]int{}
	for i := range 800 {
		script := make([]byte, rnd.IntN(120))
		for i := range script {
			script[i] = byte(rnd.Uint32())
		}
		tail := make([]byte, rnd.IntN(30)*rnd.IntN(2))
		for i := range tail {
			tail[i] = byte(rnd.Uint32())
		}
		trial := guardTrial{stream: append(scriptedStream(script), tail...), maxMessage: 200 << rnd.IntN(12)}
		if end := compareWithGWS(t, trial, 1+rnd.IntN(5000)); end != "" {
			ends[end]++
		}
		if t.Failed() {
			t.Fatalf("in trial %d", i)
		}
	}
	for _, end := range []string{"close", "cut", "violation"} {
		if ends[end] < 50 {
			t.Errorf("%d trials ended with a %s, too few: %v", ends[end], end, ends)
		}
	}
}

func compareWithGWS(t *testing.T, trial guardTrial, chunk int) (end string) {
	t.Helper()
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("gws panicked behind the guard: %v", p)
		}
	}()
	ref := reference{limits: *trial.limits(), stream: trial.stream}
	ref.walk()
	seen := readWithGWS(t, behindGuard(bytes.Clone(trial.stream), chunk, trial.limits()), int(trial.maxMessage))
	if !slices.Equal(seen.events, ref.events) {
		t.Errorf("gws saw\n%s\nwant\n%s", strings.Join(seen.events, "\n"), strings.Join(ref.events, "\n"))
	}
	v, c := (*violation)(nil), (*gws.CloseError)(nil)
	switch {
	case errors.As(seen.end, &v):
		end = "violation"
	case errors.As(seen.end, &c):
		end = "close"
	case seen.end == io.EOF, seen.end == io.ErrUnexpectedEOF:
		end = "cut"
	default:
		t.Errorf("gws objected to what the guard had passed: %v", seen.end)
	}
	want := map[bool]string{true: "violation"}[ref.reason != ""]
	if ref.closed {
		want = "close"
	}
	if want != "" && end != want {
		t.Errorf("gws ended with %s (%v), want %s", end, seen.end, fmt.Sprint(want, " ", ref.reason))
	}
	return end
}
