package disk_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"edgegw/e2e/process"
	"edgegw/internal/gatewaytest"
)

// ledger is what was acknowledged: by room and seq.
type ledger map[string]map[uint64]string

// publish returns the status; what is acknowledged is in the ledger.
func (s *site) publish(l ledger, room, content string) gatewaytest.Answer {
	s.t.Helper()
	a := s.ask("POST", "/rooms/"+room+"/messages", map[string]string{"data": content, "id": content[:min(len(content), 16)]})
	if a.Status == http.StatusCreated {
		var ack struct{ Seq uint64 }
		if err := json.Unmarshal(a.Body, &ack); err != nil || ack.Seq == 0 {
			s.t.Fatalf("%s %v", a.Body, err)
		}
		if l[room] == nil {
			l[room] = make(map[uint64]string)
		}
		if other, ok := l[room][ack.Seq]; ok {
			s.t.Fatalf("seq %d of %s was given to %.16s and to %.16s", ack.Seq, room, other, content)
		}
		l[room][ack.Seq] = content
	}
	return a
}

// check compares the whole ledger with the history.
func (s *site) check(l ledger) {
	s.t.Helper()
	for room, want := range l {
		have := make(map[uint64]string)
		for after := uint64(0); ; {
			var page struct {
				Messages []struct {
					Seq  uint64
					Data string
				}
			}
			a := s.ask("GET", fmt.Sprintf("/rooms/%s/messages?limit=500&after=%d", room, after), nil)
			if err := json.Unmarshal(a.Body, &page); err != nil || a.Status != http.StatusOK {
				s.t.Fatalf("%d %s", a.Status, a.Body)
			}
			if len(page.Messages) == 0 {
				break
			}
			for _, m := range page.Messages {
				if _, ok := have[m.Seq]; ok {
					s.t.Errorf("%s: seq %d is there twice", room, m.Seq)
				}
				have[m.Seq], after = m.Data, m.Seq
			}
		}
		lost := 0
		for seq, content := range want {
			if have[seq] != content {
				lost++
			}
		}
		if lost > 0 {
			s.t.Errorf("%s: %d of %d acknowledged messages are lost or altered", room, lost, len(want))
		}
	}
}

func filler(n int) string { return fmt.Sprintf("%016d", n) + strings.Repeat("x", 4000) }

// fillUp publishes until the gateway says that its disk is full.
func (s *site) fillUp(l ledger, from int) (n int) {
	s.t.Helper()
	for n = from; n < from+20_000; n++ {
		a := s.publish(l, []string{"a", "fs"}[n%2], filler(n))
		switch a.Status {
		case http.StatusCreated:
			continue
		case http.StatusServiceUnavailable:
			if a.Code() != "storage_full" || a.Header.Get("Retry-After") == "" {
				s.t.Fatalf("the full disk was told with %s, Retry-After %q", a.Body, a.Header.Get("Retry-After"))
			}
			return n
		}
		s.t.Fatalf("publishing: %d %s", a.Status, a.Body)
	}
	s.t.Fatal("the disk does not get full")
	return 0
}

// On a full disk what needs no disk goes on, what does is refused with a clear
// word and before anybody sees it, nothing acknowledged is ever lost, and all of
// it ends by itself.
func TestFullDisk(t *testing.T) {
	d := mount(t, 24)
	s := open(t, d)
	l := make(ledger)
	for n := range 100 {
		if a := s.publish(l, "old", filler(n)); a.Status != http.StatusCreated {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
	}
	live, volatile := s.connect("a"), s.connect("mem")
	d.fill()
	n := s.fillUp(l, 1000)
	t.Logf("full after %d messages of 4 KiB", n-1000)

	if h := s.ask("GET", "/health", nil); h.Status != http.StatusOK || !strings.Contains(string(h.Body), `"degraded"`) || !strings.Contains(string(h.Body), "full") {
		t.Errorf("health: %d %s", h.Status, h.Body)
	}
	s.check(l)
	if a := s.ask("POST", "/auth/login", map[string]string{"username": "admin", "password": process.Password}); a.Status != http.StatusOK {
		t.Errorf("login: %d %s", a.Status, a.Body)
	}
	live.Send(`{"type":"message","id":"refused","data":1}`)
	expect(t, live, `"code":"storage_full"`, `"id":"refused"`)
	volatile.Send(`{"type":"message","id":"taken","data":1}`)
	expect(t, volatile, `"type":"ack"`, `"memory"`)
	if a := s.ask("POST", "/rooms/mem/messages", map[string]int{"data": 2}); a.Status != http.StatusCreated {
		t.Errorf("a room of class memory: %d %s", a.Status, a.Body)
	}

	// It can be started on a full disk, and loses nothing by that.
	if err := s.End(syscall.SIGKILL); err == nil {
		t.Error("the gateway survived a kill")
	}
	d.fill()
	s.Run()
	s.check(l)
	n = s.fillUp(l, n)

	// Deleting works.
	if a := s.ask("DELETE", "/rooms/old", nil); a.Status != http.StatusNoContent {
		t.Errorf("delete: %d %s", a.Status, a.Body)
	}
	delete(l, "old")

	d.free()
	began := time.Now()
	for s.publish(l, "a", filler(n)).Status != http.StatusCreated {
		if n++; time.Since(began) > 5*time.Second {
			t.Fatalf("5 s after there was space again: %s", s.publish(l, "a", filler(n)).Body)
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Logf("taken again %v after there was space", time.Since(began).Round(10*time.Millisecond))
	if h := s.ask("GET", "/health", nil); strings.Contains(string(h.Body), "full") {
		t.Errorf("health: %s", h.Body)
	}
	s.check(l)
	s.Stop()
	s.Run()
	s.check(l)
}

// expect reads until a frame has all the parts.
func expect(t *testing.T, s *gatewaytest.Socket, parts ...string) {
	t.Helper()
	for {
		f, err := s.Read()
		if err != nil {
			t.Fatalf("waiting for %v: %v", parts, err)
		}
		found := true
		for _, part := range parts {
			found = found && strings.Contains(string(f.Payload), part)
		}
		if found {
			return
		}
	}
}
