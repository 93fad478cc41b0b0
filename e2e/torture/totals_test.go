package torture_test

import (
	"encoding/json"
	"os"
	"sync"
	"testing"
)

// total is what one kind of fault has come to. Runs in which something was wrong
// are in it as the others are: else it could never show a loss.
type total struct {
	// Faults struck; Tries also count those that never came to their point.
	Faults int `json:"faults"`
	Tries  int `json:"tries"`
	// Acked messages and Changes of accounts were acknowledged and looked for.
	Acked   int `json:"acknowledged_messages"`
	Changes int `json:"acknowledged_changes"`
	// Lost are those of them that were gone or altered; the control arm counts the
	// faults that lost something, and wants all of them to.
	Lost int `json:"lost"`
	// Failed are the faults after which anything was wrong.
	Failed int `json:"failed"`
}

func (n *total) add(m total) {
	n.Faults += m.Faults
	n.Tries += m.Tries
	n.Acked += m.Acked
	n.Changes += m.Changes
	n.Lost += m.Lost
	n.Failed += m.Failed
}

var totals sync.Mutex

// addUp adds to the file of totals, if there is to be one, and logs.
func addUp(t *testing.T, kind string, n total) {
	t.Helper()
	t.Logf("torture: %s: %d faults in %d tries, %d acknowledged messages and %d acknowledged changes, %d lost, %d failed",
		kind, n.Faults, n.Tries, n.Acked, n.Changes, n.Lost, n.Failed)
	path := os.Getenv("EDGEGW_TORTURE_TOTALS")
	if path == "" {
		return
	}
	totals.Lock()
	defer totals.Unlock()
	all := make(map[string]total)
	if b, err := os.ReadFile(path); err == nil {
		if err := json.Unmarshal(b, &all); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	sum := all[kind]
	sum.add(n)
	all[kind] = sum
	b, err := json.MarshalIndent(all, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
