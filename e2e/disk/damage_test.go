package disk_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

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
	served := s.kept(l)
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
	s.Stop()
	s.Run()
	if health := string(s.ask("GET", "/health", nil).Body); strings.Contains(health, "was damaged") {
		t.Errorf("after a start that found nothing: %s", health)
	}
}

// kept counts the messages of the ledger that are served, none of them altered.
func (s *site) kept(l ledger) (served int) {
	s.t.Helper()
	for room, want := range l {
		for after := uint64(0); ; {
			var page struct {
				Messages []struct {
					Seq  uint64
					Data string
				}
			}
			a := s.ask("GET", fmt.Sprintf("/rooms/%s/messages?limit=1000&after=%d", room, after), nil)
			if err := json.Unmarshal(a.Body, &page); err != nil || a.Status != http.StatusOK {
				s.t.Fatalf("%d %s", a.Status, a.Body)
			}
			for _, m := range page.Messages {
				if want[m.Seq] != m.Data {
					s.t.Errorf("%s: seq %d is altered", room, m.Seq)
				}
				served, after = served+1, m.Seq
			}
			if len(page.Messages) == 0 {
				break
			}
		}
	}
	return served
}

// A damaged history on a full disk: the reserve is given up for what can be saved of
// it, the numbers of the rooms go on, and what is left over stays in the file that
// was put aside.
func TestDamagedHistoryOnAFullDisk(t *testing.T) {
	d := mount(t, 40)
	s := open(t, d)
	l := make(ledger)
	for n := range 2400 {
		if a := s.publish(l, []string{"a", "b"}[n%2], filler(n)); a.Status != http.StatusCreated {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
	}
	if err := s.End(syscall.SIGKILL); err == nil {
		t.Error("the gateway survived a kill")
	}
	path := filepath.Join(s.Dir, "history.db")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt(make([]byte, 4*4096), info.Size()/2/4096*4096); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	d.fill()
	s.Run()
	served := s.kept(l)
	t.Logf("of a history of %.1f MB on a full disk %d of 2400 messages are left", float64(info.Size())/1e6, served)
	if bad, _ := filepath.Glob(path + ".bad-*"); len(bad) != 1 || served == 0 {
		t.Errorf("%d messages, aside are %v", served, bad)
	}
	d.free()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		a := s.publish(make(ledger), "a", "goes on")
		if a.Status == http.StatusCreated {
			if seq := a.JSON()["seq"]; seq != float64(1201) {
				t.Errorf("the next message has number %v", seq)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
	}
}
