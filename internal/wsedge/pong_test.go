package wsedge_test

import (
	"context"
	"testing"
	"time"

	"edgegw/internal/hub"
)

// What a pong tells of the way to the peer reaches the hub.
func TestPongTellsRTT(t *testing.T) {
	s := newSite(t, func(o *hub.Options) { o.Limits.PingInterval = 200 * time.Millisecond })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.hub.Run(ctx)
	}()
	defer func() { cancel(); <-done }()
	c := s.dial()
	for c.next() != "" { // the ping is the first frame without payload
	}
	const delay = 30 * time.Millisecond
	time.Sleep(delay)
	if got := s.hub.Connections()[0].RTT; got != 0 {
		t.Errorf("before the pong the ping took %v", got)
	}
	if _, err := c.Write([]byte{0x8A, 0x80, 1, 2, 3, 4}); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(patience)
	for s.hub.Connections()[0].RTT == 0 {
		if time.Now().After(deadline) {
			t.Fatal("the hub was not told of the pong")
		}
		time.Sleep(time.Millisecond)
	}
	if got := s.hub.Connections()[0].RTT; got < delay || got > patience {
		t.Errorf("the ping took %v", got)
	}
}
