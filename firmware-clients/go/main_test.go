package client_test

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"flag"
	mathrand "math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	client "edgegw/firmware-clients/go"
	"edgegw/internal/gatewaytest"
)

// TestMain fails when a client, a gateway or a proxy leaves a goroutine behind.
// Most tests do little but wait, so more of them run at once than there are
// processors.
func TestMain(m *testing.M) {
	atOnce := "12"
	if strconv.IntSize == 32 {
		atOnce = "3" // each store maps 256 MiB of the few addresses
	}
	if err := flag.Set("test.parallel", atOnce); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what has to come.
const patience = 15 * time.Second

// run is a client that runs, and what it was told.
type run struct {
	*client.Client
	t      testing.TB
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // once ended is closed

	mu      sync.Mutex
	events  []client.Event
	changed chan struct{} // closed at the next event
}

// start runs a client until the test ends.
func start(t testing.TB, o client.Options) *run {
	t.Helper()
	r := &run{t: t, ended: make(chan struct{}), changed: make(chan struct{})}
	o.Handle = r.handle
	c, err := client.New(o)
	if err != nil {
		t.Fatal(err)
	}
	r.Client = c
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	r.cancel = cancel
	go func() {
		defer close(r.ended)
		r.err = c.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-r.ended
	})
	return r
}

func (r *run) handle(e client.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
	close(r.changed)
	r.changed = make(chan struct{})
}

// seen is what was told so far.
func (r *run) seen() ([]client.Event, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events[:len(r.events):len(r.events)], r.changed
}

// await returns the nth event for which match reports true, the first being 1.
func await[E client.Event](r *run, nth int, match func(E) bool) E {
	r.t.Helper()
	deadline := time.After(patience)
	for {
		events, changed := r.seen()
		n := 0
		for _, e := range events {
			if e, ok := e.(E); ok && (match == nil || match(e)) {
				if n++; n == nth {
					return e
				}
			}
		}
		select {
		case <-changed:
		case <-r.ended:
			if _, again := r.seen(); again == changed {
				r.t.Fatalf("the client ended with %v before event %d %T", r.err, nth, *new(E))
			}
		case <-deadline:
			r.t.Fatalf("no event %d %T among %d: %+v", nth, *new(E), len(events), last(events, 20))
		}
	}
}

func last[T any](s []T, n int) []T { return s[max(0, len(s)-n):] }

// of returns the events of one kind so far.
func of[E client.Event](r *run) (out []E) {
	events, _ := r.seen()
	for _, e := range events {
		if e, ok := e.(E); ok {
			out = append(out, e)
		}
	}
	return out
}

// stop ends the client and returns what Run returned.
func (r *run) stop() error {
	r.cancel()
	return r.wait()
}

// wait returns what Run returned.
func (r *run) wait() error {
	r.t.Helper()
	select {
	case <-r.ended:
	case <-time.After(patience):
		r.t.Fatal("the client does not end")
	}
	return r.err
}

// publish publishes and fails the test if that goes wrong.
func (r *run) publish(room string, v any) client.Receipt {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	receipt, err := r.Publish(ctx, room, v)
	if err != nil {
		r.t.Fatalf("publishing %v: %v", v, err)
	}
	return receipt
}

// quick is randomness that keeps waits below 30 ms: nothing else reads 8 bytes.
type quick struct{}

func (quick) Read(b []byte) (int, error) {
	if len(b) == 8 {
		binary.BigEndian.PutUint64(b, mathrand.Uint64N(uint64(30*time.Millisecond)))
		return len(b), nil
	}
	return rand.Read(b)
}

// settled is Publication.Wait for tests, which do not wait for ever.
func settled(p *client.Publication) (client.Receipt, error) {
	select {
	case <-p.Done():
		return p.Wait()
	case <-time.After(patience):
		return client.Receipt{}, errors.New("neither ack nor error")
	}
}

// password is the login of an account of the test gateway.
func password(name string) client.Login {
	return client.Login{Username: name, Password: gatewaytest.Password}
}

func codeOf(err error) string {
	var e *client.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
