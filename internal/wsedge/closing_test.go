package wsedge_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"edgegw/internal/hub"
)

// message is longer than what the kernel takes of it at once.
var message = `"` + strings.Repeat("x", 50_000) + `"`

// A peer that closes while frames are still on their way to it gets them whole,
// and its close frame answered behind them.
func TestCloseBehindWaitingFrames(t *testing.T) {
	s := newSite(t)
	// Small, so that messages wait in the gateway, and not so small that TCP
	// takes its time.
	c := s.dialSmall(64 << 10)
	for range 16 {
		s.publish(message)
	}
	waiting := s.awaitQueue(4 * len(message))
	if _, err := c.Write(closeFrame); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond) // the gateway's reader has seen it, and its writer is stuck
	read, got := 0, c.next()
	for ; strings.HasPrefix(got, `{"type":"message"`); got = c.next() {
		if !strings.HasSuffix(got, `xxxxx"}`) {
			t.Fatalf("behind %d bytes came a message without its end: %.80q", read, got[len(got)-80:])
		}
		read += len(got)
	}
	if got != "closed 1000 " {
		t.Errorf("behind the messages came %.80q, not the answer to the close frame", got)
	}
	if read < waiting-len(message) {
		t.Errorf("%d bytes came, of which %d were waiting", read, waiting)
	}
	if got := c.next(); got != "gone" {
		t.Errorf("behind the close frame came %.80q", got)
	}
}

// A peer that closes and does not read is not waited for longer than any other
// that does not read, and one that is gone is not waited for at all.
func TestCloseOfStuckPeer(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(*net.TCPConn) error
	}{
		{"bad reads nothing", func(*net.TCPConn) error { return nil }},
		{"bad reads nothing and sends no more", (*net.TCPConn).CloseWrite},
		{"bad is gone", (*net.TCPConn).Close},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t, func(o *hub.Options) { o.Limits.WriteTimeout = 300 * time.Millisecond })
			c := s.dialSmall(4 << 10)
			for range 16 {
				s.publish(message)
			}
			s.awaitQueue(4 * len(message))
			if _, err := c.Write(closeFrame); err != nil {
				t.Fatal(err)
			}
			if err := test.end(c.Conn.(*net.TCPConn)); err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
				if sessions, _ := s.hub.Live(); sessions == 0 {
					return
				}
				if time.Now().After(deadline) {
					t.Fatal("the session is still there")
				}
			}
		})
	}
}

// closeFrame closes with 1000.
var closeFrame = []byte{0x88, 0x82, 1, 2, 3, 4, 0x03 ^ 1, 0xE8 ^ 2}

// dialSmall connects with a receive buffer of that size and reads what comes first.
func (s *site) dialSmall(buffer int) *client {
	s.t.Helper()
	c := s.dial()
	if err := c.Conn.(*net.TCPConn).SetReadBuffer(buffer); err != nil {
		s.t.Fatal(err)
	}
	for _, first := range []string{"welcome", "subscribed"} {
		if got := c.next(); !strings.HasPrefix(got, `{"type":"`+first) {
			s.t.Fatalf("%.80q came, not %s", got, first)
		}
	}
	return c
}

// awaitQueue waits until so many bytes wait for the only connection, and returns
// how many they are.
func (s *site) awaitQueue(bytes int) int {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if all := s.hub.Connections(); len(all) == 1 && all[0].QueueBytes >= bytes {
			return all[0].QueueBytes
		}
		if time.Now().After(deadline) {
			s.t.Fatal("nothing waits")
		}
	}
}
