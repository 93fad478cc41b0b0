package client

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

const welcome = `{"type":"welcome","protocol":1,"user":"ann","role":"member","room":"lobby","connection":"c","server_time":1,"clock":"none","expires_in":900,"ping_interval":25,"max_message_bytes":1000}`

// alone runs one connection in time that is not real. The other side does what it
// is told, and then nothing until the client has closed. It returns how the
// connection ended and after how long.
func alone(t *testing.T, c *Client, wrap func(net.Conn) net.Conn, gateway func(net.Conn)) (took time.Duration, err error) {
	t.Helper()
	near, far := net.Pipe()
	near = wrap(near)
	go func() { _, _ = io.Copy(io.Discard, far) }() // what the client sends
	go gateway(far)
	l := newLink(c, "token")
	began := time.Now()
	in := &pulse{r: near, left: 1 << 20, alive: l.touch}
	err = l.run(t.Context(), &socket{conn: near, r: bufio.NewReader(in), random: c.opts.Random, max: 1000, timeout: c.opts.Timeout})
	_ = far.Close()
	return time.Since(began), err
}

func plain(c net.Conn) net.Conn { return c }

func device(t *testing.T) *Client {
	t.Helper()
	c, err := New(Options{URL: "http://gateway.local", Login: Login{DeviceKey: "k"}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestPace: from a refusal on, a client sends no faster than it was told, and no
// slower for as long as the connection lives.
func TestPace(t *testing.T) {
	for _, s := range []struct {
		name string
		told []time.Duration
		want time.Duration
	}{
		{"ok told", []time.Duration{25 * time.Millisecond}, 25 * time.Millisecond},
		{"ok told of next to nothing", []time.Duration{time.Millisecond}, time.Millisecond},
		{"ok told another time", []time.Duration{time.Millisecond, 25 * time.Millisecond, time.Millisecond}, 25 * time.Millisecond},
		{"ok not told", []time.Duration{0}, leastQuiet},
		{"ok not told the second time", []time.Duration{25 * time.Millisecond, 0}, 25 * time.Millisecond},
		{"bad told of an hour", []time.Duration{time.Hour}, mostPace},
	} {
		t.Run(s.name, func(t *testing.T) {
			l := newLink(device(t), "token")
			for _, told := range s.told {
				l.slowDownLocked(told)
			}
			if l.state.pace != s.want {
				t.Errorf("the pace is %v, want %v", l.state.pace, s.want)
			}
		})
	}
}

// TestStable resets the count of tries once a connection was open for 30 s.
func TestStable(t *testing.T) {
	for _, s := range []struct {
		open time.Duration
		left int
	}{{29 * time.Second, 5}, {30 * time.Second, 0}} {
		synctest.Test(t, func(t *testing.T) {
			c := device(t)
			c.backoff.tries = 5
			_, err := alone(t, c, plain, func(conn net.Conn) {
				_, _ = conn.Write(bytesOf(0x81, welcome))
				time.Sleep(s.open)
				_, _ = conn.Write(bytesOf(0x88, "\x0f\xa2slow_consumer"))
			})
			var closed *CloseError
			if !errors.As(err, &closed) || closed.Code != 4002 || c.backoff.tries != s.left {
				t.Errorf("open for %v: %d tries count, %v", s.open, c.backoff.tries, err)
			}
		})
	}
}

// TestSilence takes a gateway for gone after ping_interval and 10 s without a
// sign of life, and after Timeout without a welcome.
func TestSilence(t *testing.T) {
	for _, s := range []struct {
		name    string
		gateway func(net.Conn)
		after   time.Duration
	}{
		{"no welcome", func(net.Conn) {}, 10 * time.Second},
		{"nothing behind the welcome", func(conn net.Conn) { _, _ = conn.Write(bytesOf(0x81, welcome)) }, 35 * time.Second},
		{"nothing behind a ping", func(conn net.Conn) {
			_, _ = conn.Write(bytesOf(0x81, welcome))
			for range 10 {
				time.Sleep(25 * time.Second)
				_, _ = conn.Write(bytesOf(0x89, ""))
			}
		}, 285 * time.Second},
		{"a frame that never ends", func(conn net.Conn) {
			_, _ = conn.Write(bytesOf(0x81, welcome))
			_, _ = conn.Write([]byte{0x81, 100, 'x'})
		}, 35 * time.Second},
	} {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				took, err := alone(t, device(t), plain, s.gateway)
				if !errors.Is(err, errSilent) || took < s.after || took > s.after+time.Second {
					t.Errorf("ended after %v with %v, want %v", took, err, s.after)
				}
			})
		})
	}
}

// TestBusyApplication has the application stop for longer than the gateway may be
// silent. That says nothing about the gateway, and nothing is lost.
func TestBusyApplication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := New(Options{URL: "http://gateway.local", Login: Login{DeviceKey: "k"}, Queue: 4})
		if err != nil {
			t.Fatal(err)
		}
		messages := make(chan int)
		go func() {
			time.Sleep(10 * time.Minute)
			n := 0
			for e := range c.events {
				if _, ok := e.(Message); ok {
					n++
				}
			}
			messages <- n
		}()
		took, err := alone(t, c, plain, func(conn net.Conn) {
			_, _ = conn.Write(bytesOf(0x81, welcome))
			_, _ = conn.Write(bytesOf(0x81, `{"type":"subscribed","room":"lobby","epoch":"e","seq":0}`))
			for i := range 100 { // a pipe holds nothing: all of it waits for the application
				m := fmt.Sprintf(`{"type":"message","room":"lobby","seq":%d,"ts":1,"user":"bob","data":1}`, i+1)
				_, _ = conn.Write(bytesOf(0x81, m))
			}
			_, _ = conn.Write(bytesOf(0x88, "\x0f\xa2slow_consumer"))
		})
		close(c.events)
		var closed *CloseError
		if n := <-messages; n != 100 || !errors.As(err, &closed) || took < 10*time.Minute {
			t.Errorf("%d messages in %v, then %v", n, took, err)
		}
	})
}

// mute is a connection that can be read and not written to.
type mute struct{ net.Conn }

var errMute = errors.New("mute")

func (m mute) Write([]byte) (int, error) { return 0, errMute }

// TestWriteFails ends the sending side first: the reader still comes to the close
// frame that says why, if there is one.
func TestWriteFails(t *testing.T) {
	for _, says := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			took, err := alone(t, device(t), func(c net.Conn) net.Conn { return mute{c} }, func(conn net.Conn) {
				_, _ = conn.Write(bytesOf(0x81, welcome))
				_, _ = conn.Write(bytesOf(0x89, "")) // its answer fails
				time.Sleep(goodbye / 2)
				if says {
					_, _ = conn.Write(bytesOf(0x88, "\x11\x96account_disabled"))
				}
			})
			var closed *CloseError
			if says && (!errors.As(err, &closed) || closed.Code != 4502) || !says && (!errors.Is(err, errMute) || took > goodbye) {
				t.Errorf("ended after %v with %v", took, err)
			}
		})
	}
}
