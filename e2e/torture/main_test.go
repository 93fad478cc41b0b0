package torture_test

import (
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

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == tracerWord {
		os.Exit(trace(os.Args[2:]))
	}
	os.Exit(process.Main(m, filepath.Join("..", "..")))
}

// number reads a variable of the harness.
func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv("EDGEGW_TORTURE_" + name)); err == nil {
		return n
	}
	return otherwise
}

// A fault strikes a site, and reports whether it did, or only came too late.
type fault func(s *site, v *process.Volume) bool

// lane is one site after the other, with n faults in all.
type lane struct {
	t     *testing.T
	r     *rand.Rand
	dir   func(t testing.TB) (dir string, v *process.Volume)
	fault fault
	sum   total
	met   tally
	left  tally
}

// roundsOfLife is how many faults one data folder goes through.
const roundsOfLife = 25

// tries is how often n faults are tried at most: fewer than half of them may miss.
func tries(n int) int { return 2*n + 2 }

// torture makes n faults of a kind, in EDGEGW_TORTURE_LANES lanes side by side.
func torture(t *testing.T, kind string, otherwise int, dir func(testing.TB) (string, *process.Volume), fault fault) {
	t.Parallel()
	n, lanes := number("N", otherwise), number("LANES", 1)
	seed := seedOf(t)
	var mu sync.Mutex
	var sum total
	met, left := make(tally), make(tally)
	t.Run("lanes", func(t *testing.T) {
		for i := range lanes {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				l := &lane{t: t, r: rand.New(rand.NewPCG(seed, uint64(i))), dir: dir, fault: fault, met: make(tally), left: make(tally)}
				defer func() { // also when it has failed
					mu.Lock()
					defer mu.Unlock()
					sum.add(l.sum)
					met.add(l.met)
					left.add(l.left)
				}()
				l.run(n/lanes + min(1, n%lanes))
			})
		}
	})
	conclude(t, kind, sum, met, left)
	if !t.Failed() && sum.Acked+sum.Changes == 0 {
		t.Error("nothing was acknowledged: nothing was tried")
	}
}

// conclude logs and adds up what a kind has come to.
func conclude(t *testing.T, kind string, sum total, met, left tally) {
	t.Helper()
	if len(met) > 0 {
		t.Logf("torture: %s: struck at %v", kind, met)
	}
	if len(left) > 0 {
		t.Logf("torture: %s: left behind after the next start: %v", kind, left)
	}
	addUp(t, kind, sum)
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
				v.T = t
				defer func() { v.T = l.t }()
			}
			l.live(t, folder, v, rounds)
		})
	}
}

func (l *lane) live(t *testing.T, folder string, v *process.Volume, rounds int) {
	s := newSite(t, folder, l.r)
	defer func() {
		l.sum.Acked += s.compared()
		l.sum.Changes += s.clerk.compared
		l.sum.Lost += s.lost
		l.met.add(s.met)
		if t.Failed() {
			l.sum.Failed++
			t.Logf("the last fault struck at %v", s.last)
		}
		if s.Runs() {
			_ = s.End(9)
		}
		if !t.Failed() {
			_ = os.RemoveAll(s.Dir)
		}
	}()
	for made, tried := 0, 0; made < rounds; tried++ {
		if tried == tries(rounds) {
			t.Fatalf("only %d of %d faults struck", made, tried)
		}
		l.sum.Tries++
		if l.fault(s, v) {
			made++
			l.sum.Faults++
		}
		s.clean = false
		if s.inspect(); t.Failed() {
			return
		}
		s.Run()
		if err := s.verify(); err != nil {
			t.Fatalf("after fault %d: %v\n%s", made, err, tail(s.Logged()))
		}
		for _, name := range leftovers(s.Dir) {
			l.left[name]++
		}
	}
}

func tail(log string) string { return log[max(0, len(log)-4000):] }
