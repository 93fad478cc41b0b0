package course_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"edgegw/internal/gatewaytest"
)

// ending is a case of testdata/protocol/closes.json.
type ending struct {
	Name         string
	Unsent       bool
	Base64       string
	Code         *int
	Reason       *string
	RetryAfterMS int64 `json:"retry_after_ms"`
	Client       string
}

func endings(t *testing.T) (list []ending) {
	t.Helper()
	b, err := os.ReadFile("../../testdata/protocol/closes.json")
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(strings.NewReader(string(b)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&list); err != nil || len(list) == 0 {
		t.Fatalf("closes.json: %v", err)
	}
	return list
}

// driveFake starts the client against a gateway that is played.
func driveFake(t *testing.T, f *gatewaytest.Fake, variables ...string) *driver {
	t.Helper()
	return drive(t, append([]string{"COURSE_URL=" + f.URL, "COURSE_ROOM=lobby", "COURSE_DEVICE_KEY=" + strings.Repeat("A", 43)}, variables...)...)
}

// TestCloses ends a connection in every way of the protocol's table, and sees what
// the client does next.
func TestCloses(t *testing.T) {
	t.Parallel()
	first := &waits{}
	t.Cleanup(func() { first.wantJitter(t) }) // when all cases are through
	for _, c := range endings(t) {
		if c.Client == "own" {
			continue // the end of every test: stop
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			payload, err := base64.StdEncoding.DecodeString(c.Base64)
			if err != nil {
				t.Fatal(err)
			}
			f := gatewaytest.NewFake(t)
			f.Then(func(p *gatewaytest.Peer) {
				p.Welcome()
				p.Text(`{"type":"message","room":"lobby","seq":1,"ts":5,"user":"bob","data":7}`)
				if c.Client == "skip" {
					p.Command()
				}
				p.Send(0x88, string(payload))
				p.Drain()
			})
			f.Then(func(p *gatewaytest.Peer) {
				p.Text(gatewaytest.Hello)
				p.Text(`{"type":"subscribed","room":"lobby","epoch":"e1","seq":1,"recovered":true,"replay":0,"from":1}`)
				serve(p, 1)
			})
			d := driveFake(t, f)
			if c.Client == "skip" {
				d.publish("long", strings.Repeat("x", 300))
			}
			c.check(t, f, d, first)
		})
	}
}

// check holds what the client does against the case.
func (c *ending) check(t *testing.T, f *gatewaytest.Fake, d *driver, first *waits) {
	closed := d.await("closed", 1)
	// A browser's WebSocket takes codes from 5000 on for illegal, and says 1006.
	if c.Code != nil && closed.status() != *c.Code && !((client.platform || client.strict) && *c.Code >= 5000) {
		t.Errorf("it was closed with %v, want %d", closed.Code, *c.Code)
	}
	if c.Client == "stop" {
		d.await("stopped", 1)
		if code := d.ended(); code != 3 || closed.WaitMS != -1 {
			t.Errorf("the driver ended with %d, and %d ms to wait", code, closed.WaitMS)
		}
		want(t, f, "POST /auth/device", "GET /ws")
		return
	}
	switch most := int64(500); {
	case c.RetryAfterMS > 0 && closed.WaitMS < c.RetryAfterMS:
		t.Errorf("it waits %d ms, was told %d", closed.WaitMS, c.RetryAfterMS)
	case c.RetryAfterMS == 0 && (closed.WaitMS <= 0 || closed.WaitMS > most):
		t.Errorf("it waits %d ms, want 1 to %d", closed.WaitMS, most)
	case c.RetryAfterMS == 0:
		first.add(closed.WaitMS)
	}
	if c.RetryAfterMS > 2000 {
		d.stop() // which does not wait
		return
	}
	d.await("connected", 2)
	if q := f.Queries(); !strings.Contains(q[1], "after=1") || !strings.Contains(q[1], "epoch=e1") {
		t.Errorf("it came back with %s", q[1])
	}
	if c.Client == "skip" {
		if e := d.await("failed", 1); e.ID != "long" {
			t.Errorf("failed is %+v", e)
		}
	}
	d.stop()
	switch c.Client {
	case "refresh":
		want(t, f, "POST /auth/device", "GET /ws", "POST /auth/refresh", "GET /ws")
	case "login":
		want(t, f, "POST /auth/device", "GET /ws", "POST /auth/device", "GET /ws")
	case "reconnect", "skip":
		want(t, f, "POST /auth/device", "GET /ws", "GET /ws")
	default:
		t.Errorf("nobody knows what %q means", c.Client)
	}
}

// want compares the requests that came; GET /auth/me may be asked at any time.
func want(t *testing.T, f *gatewaytest.Fake, requests ...string) {
	t.Helper()
	asked := slices.DeleteFunc(f.Asked(), func(r string) bool { return r == "GET /auth/me" })
	if !slices.Equal(asked, requests) {
		t.Errorf("the requests were %v, want %v", asked, requests)
	}
}

// waits are the first ones of many clients, in ms: at most 500 each.
type waits struct {
	mu sync.Mutex
	ms []int64
}

func (w *waits) add(ms int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ms = append(w.ms, ms)
}

// wantJitter: those who were cut off together come back spread over the whole time.
// Of ten even ones or more, it is one in 500 that all lie in one half.
func (w *waits) wantJitter(t *testing.T) {
	t.Helper()
	if len(w.ms) < 10 {
		return // not all cases ran
	}
	if slices.Min(w.ms) > 250 || slices.Max(w.ms) <= 250 {
		t.Errorf("the waits %v lie in one half of the time there is", w.ms)
	}
}
