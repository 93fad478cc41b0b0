package wsedge_test

import (
	"sync"
	"testing"
	"time"

	"edgegw/internal/hub"
)

// places is how many handshakes a gateway lets in that has not measured yet how
// many it serves.
const places = 400

// crowd dials as often as there are places, and returns when nobody gets any
// further than to the look at the token. The returned function lets them go on
// and returns how many are connected.
func (s *site) crowd() (goOn func() int) {
	s.t.Helper()
	hold := make(chan struct{})
	s.directory.looked = func(int) { <-hold }
	var all sync.WaitGroup
	var mu sync.Mutex
	connected := 0
	for range places {
		all.Go(func() {
			if c := s.dial(); c.refused == "" {
				mu.Lock()
				connected++
				mu.Unlock()
			}
		})
	}
	for deadline := time.Now().Add(patience); s.looks() < places; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("%d tokens were looked at, want %d", s.looks(), places)
		}
	}
	return func() int {
		close(hold)
		all.Wait()
		return connected
	}
}

func (s *site) looks() int {
	s.directory.mu.Lock()
	defer s.directory.mu.Unlock()
	return s.directory.looks
}

// Who comes when there is no place is refused at once, before the token is
// looked at. Who is inside is served, and then there are places again, whatever
// became of the handshakes.
func TestGate(t *testing.T) {
	s := newSite(t)
	goOn := s.crowd()
	began := time.Now()
	for range 20 {
		if c := s.dial(); c.refused != "busy true" {
			t.Errorf("refused with %q", c.refused)
		}
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("20 refusals took %v", took)
	}
	if n := s.looks(); n != places {
		t.Errorf("%d tokens were looked at, want %d", n, places)
	}
	if n := goOn(); n != places {
		t.Errorf("%d are connected, want %d", n, places)
	}
	s.directory.set(func(d *directory) { d.looked, d.refusal = nil, errGone })
	for range 2 * places {
		if c := s.dial(); c.refused != "invalid_token false" {
			t.Fatalf("refused with %q", c.refused)
		}
	}
	s.directory.set(func(d *directory) { d.refusal = nil })
	s.hub.SetPressure(hub.PressureConnections)
	if c := s.dial(); c.refused != "unavailable true" {
		t.Errorf("under pressure refused with %q", c.refused)
	}
	s.hub.SetPressure(hub.PressureReplays)
	if c := s.dial(); c.refused != "" {
		t.Errorf("refused with %q", c.refused)
	}
}
