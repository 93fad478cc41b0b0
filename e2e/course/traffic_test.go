package course_test

import (
	"fmt"
	"testing"
	"time"
)

// TestTraffic counts what a client sends and receives: a device on a radio or a
// metered link pays for each byte. Its figures are those of the clients' READMEs,
// and are without TLS and TCP.
func TestTraffic(t *testing.T) {
	t.Parallel()
	s := open(t, "ping_interval=1s")
	d := s.drive()
	d.await("subscribed", 1)
	d.publish("first", 1)
	d.await("ack", 1)
	d.await("message", 1)
	up, down := s.proxy.Traffic()
	t.Logf("from nothing to the first ack: %d bytes sent, %d received", up, down)
	if up+down > 4096 {
		t.Errorf("%d bytes to log in, connect and publish once are too many", up+down)
	}

	const messages = 20
	for n := range messages {
		d.publish(fmt.Sprintf("m%02d", n), 12345678)
		d.await("ack", n+2)
		d.await("message", n+2)
	}
	busyUp, busyDown := s.proxy.Traffic()
	t.Logf("a publication of 8 bytes, its ack and its own message back: %d bytes sent, %d received", (busyUp-up)/messages, (busyDown-down)/messages)

	const rest = 5 // seconds, and so pings
	time.Sleep(rest * time.Second)
	idleUp, idleDown := s.proxy.Traffic()
	t.Logf("each ping_interval at rest: %d bytes sent, %d received", (idleUp-busyUp)/rest, (idleDown-busyDown)/rest)
	if most := (rest + 1) * 64; idleUp-busyUp > most || idleDown-busyDown > most {
		t.Errorf("at rest it sent %d and received %d bytes in %d s, want %d at most", idleUp-busyUp, idleDown-busyDown, rest, most)
	}
	d.stop()
}
