package torture_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"edgegw/e2e/process"
)

func TestMain(m *testing.M) { os.Exit(process.Main(m, filepath.Join("..", ".."))) }

// number reads a variable of the harness.
func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv("EDGEGW_TORTURE_" + name)); err == nil {
		return n
	}
	return otherwise
}

// total is what one kind of fault has come to.
type total struct {
	// Faults were made.
	Faults int `json:"faults"`
	// Hits are those that came at a chosen system call.
	Hits int `json:"at_a_system_call,omitempty"`
	// Acked messages and Changes of accounts were acknowledged and looked for.
	Acked   int `json:"acknowledged_messages"`
	Changes int `json:"acknowledged_changes"`
	// Lost are acknowledged messages that were gone; the control arm wants some.
	Lost int `json:"lost"`
}

var totals sync.Mutex

// addUp adds to the file of totals, if there is to be one, and logs.
func addUp(t *testing.T, kind string, n total) {
	t.Helper()
	t.Logf("torture: %s: %d faults (%d at a system call), %d acknowledged messages and %d acknowledged changes, %d lost", kind, n.Faults, n.Hits, n.Acked, n.Changes, n.Lost)
	path := os.Getenv("EDGEGW_TORTURE_TOTALS")
	if path == "" || t.Failed() && kind != "control" {
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
	all[kind] = total{sum.Faults + n.Faults, sum.Hits + n.Hits, sum.Acked + n.Acked, sum.Changes + n.Changes, sum.Lost + n.Lost}
	b, err := json.MarshalIndent(all, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// lane is one site after the other, with n faults in all.
type lane struct {
	t     *testing.T
	r     *rand.Rand
	dir   func(t testing.TB) (dir string, v *volume)
	fault func(s *site, v *volume)
	sum   total
}

// roundsOfLife is how many faults one data folder goes through.
const roundsOfLife = 25

// torture makes n faults of a kind, in EDGEGW_TORTURE_LANES lanes side by side.
func torture(t *testing.T, kind string, otherwise int, dir func(testing.TB) (string, *volume), fault func(*site, *volume)) {
	t.Parallel()
	n, lanes := number("N", otherwise), number("LANES", 1)
	seed := seedOf(t)
	var mu sync.Mutex
	var sum total
	t.Run("lanes", func(t *testing.T) {
		for i := range lanes {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				l := &lane{t: t, r: rand.New(rand.NewPCG(seed, uint64(i))), dir: dir, fault: fault}
				l.run(n/lanes + min(1, n%lanes))
				mu.Lock()
				defer mu.Unlock()
				sum.Faults += l.sum.Faults
				sum.Hits += l.sum.Hits
				sum.Acked += l.sum.Acked
				sum.Changes += l.sum.Changes
				sum.Lost += l.sum.Lost
			})
		}
	})
	addUp(t, kind, sum)
	if !t.Failed() && sum.Acked == 0 {
		t.Error("nothing was acknowledged: nothing was tried")
	}
}

func seedOf(t *testing.T) uint64 {
	seed := number("SEED", int(time.Now().UnixNano()))
	t.Logf("torture: EDGEGW_TORTURE_SEED=%d", seed)
	return uint64(seed)
}

func (l *lane) run(n int) {
	folder, v := l.dir(l.t)
	for n > 0 && !l.t.Failed() {
		rounds := min(n, roundsOfLife)
		n -= rounds
		l.t.Run("life", func(t *testing.T) {
			if v != nil {
				v.t = t
				defer func() { v.t = l.t }()
			}
			l.live(t, folder, v, rounds)
		})
	}
}

func (l *lane) live(t *testing.T, folder string, v *volume, rounds int) {
	s := newSite(t, folder, l.r)
	defer func() {
		l.sum.Hits += s.hits
		l.sum.Acked += s.acks()
		l.sum.Changes += s.clerk.acked
		l.sum.Lost += s.lost
		if s.Runs() {
			_ = s.End(9)
		}
		if !t.Failed() {
			_ = os.RemoveAll(s.Dir)
		}
	}()
	for round := range rounds {
		l.fault(s, v)
		s.clean = false
		l.sum.Faults++
		if s.inspect(); t.Failed() {
			return
		}
		s.Run()
		if err := s.verify(); err != nil {
			t.Fatalf("after fault %d: %v\n%s", round+1, err, tail(s.Logged()))
		}
	}
}

func tail(log string) string { return log[max(0, len(log)-4000):] }
