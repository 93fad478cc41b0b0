package disk_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"edgegw/e2e/process"
)

// A history that a card has damaged is mended by the next start: the rest of it
// is there, everything can be used, and the operator is told.
func TestDamagedHistory(t *testing.T) {
	s := openIn(t, t.TempDir())
	l := make(ledger)
	for n := range 300 {
		if a := s.publish(l, []string{"a", "b"}[n%2], filler(n)); a.Status != http.StatusCreated {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
	}
	if err := s.End(syscall.SIGKILL); err == nil {
		t.Error("the gateway survived a kill")
	}
	path := filepath.Join(s.Dir, "history.db")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	clear(b[len(b)/3/4096*4096:][:8*4096])
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	s.Run()
	served := 0
	for room, want := range l {
		var page struct {
			Messages []struct {
				Seq  uint64
				Data string
			}
		}
		a := s.ask("GET", "/rooms/"+room+"/messages?limit=1000&after=0", nil)
		if err := json.Unmarshal(a.Body, &page); err != nil || a.Status != http.StatusOK {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		for _, m := range page.Messages {
			if want[m.Seq] != m.Data {
				t.Errorf("%s: seq %d is altered", room, m.Seq)
			}
			served++
		}
	}
	t.Logf("%d of 300 messages are left", served)
	if served == 0 {
		t.Error("nothing was saved")
	}
	health := string(s.ask("GET", "/health", nil).Body)
	if !strings.Contains(health, "was damaged") || !strings.Contains(health, "history.db.bad-") {
		t.Errorf("health: %s", health)
	}
	if n, ok := process.Metric(string(s.ask("GET", "/metrics", nil).Body), "edgegw_quarantines_total"); !ok || n != 1 {
		t.Errorf("%v quarantines are counted", n)
	}
	if a := s.publish(make(ledger), "a", "still there"); a.Status != http.StatusCreated {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if err := s.End(syscall.SIGTERM); err != nil {
		t.Errorf("it did not stop well: %v", err)
	}
	s.Run()
	if health := string(s.ask("GET", "/health", nil).Body); strings.Contains(health, "was damaged") {
		t.Errorf("after a start that found nothing: %s", health)
	}
}
