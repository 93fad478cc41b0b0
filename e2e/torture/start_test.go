package torture_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"edgegw/e2e/process"
	"edgegw/internal/gatewaytest"
)

// starts kills one kind of start at each of its calls that change files, and cuts
// the power then.
type starts struct {
	kind string
	v    *process.Volume
	r    *rand.Rand
	// prepare makes what the start finds in its folder; it may be nil.
	prepare func(t *testing.T, dir string)
	// stage tells from the folder how far the start had come.
	stage func(t *testing.T, dir string) string
	// verify looks at the folder after the fault, starts the gateway, and says what
	// was lost.
	verify func(t *testing.T, s *site) total
	// stages have to be met when there are points enough.
	stages []string
}

// enough points are so close together that each stage of a start has one.
const enough = 40

// run goes on until n starts were killed, at points that are spread evenly over all
// the calls that one makes.
func (k *starts) run(t *testing.T, n int) {
	calls := len(k.start(t, k.site(t), 0).calls)
	t.Logf("torture: %s: a start makes %d calls that change files of the data folder", k.kind, calls)
	sum, met, left := total{}, make(tally), make(tally)
	for sum.Faults < n && sum.Tries < tries(n) && !t.Failed() {
		from, to := sum.Faults*calls/n, (sum.Faults+1)*calls/n
		point := 1 + from + k.r.IntN(max(1, to-from))
		sum.Tries++
		if !t.Run("point", func(t *testing.T) { k.strike(t, point, &sum, met, left) }) {
			sum.Failed++
		}
		k.v.T = t
	}
	conclude(t, k.kind, sum, met, left)
	if !t.Failed() && sum.Faults < n {
		t.Errorf("only %d of %d starts were killed at their point", sum.Faults, sum.Tries)
	}
	if !t.Failed() && len(met) < 3 {
		t.Errorf("all points are %v", met)
	}
	for _, stage := range k.stages {
		if !t.Failed() && n >= enough && met[stage] == 0 {
			t.Errorf("no start was killed %s", stage)
		}
	}
}

// site is a gateway that has not run yet, in a folder of its own.
func (k *starts) site(t *testing.T) *site {
	k.v.T = t
	dir := filepath.Join(k.v.Path, "start")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, client: newClient()}
	s.Gateway = process.New(t, "data_dir="+dir, "argon2_memory_kib=7168", "argon2_time=1")
	if k.prepare != nil {
		k.prepare(t, dir)
	}
	k.v.Sync()
	return s
}

// start runs the gateway until it is killed at its point, or has done all that
// comes with a start, the copy of the accounts included.
func (k *starts) start(t *testing.T, s *site, point int) trail {
	t.Helper()
	var read func() trail
	s.Under, read = tracerAt(t, s.Dir, point)
	defer func() { s.Under = nil }()
	if err := s.Try(); err == nil {
		select {
		case <-s.Gone():
			_ = s.Ended()
		case <-time.After(300 * time.Millisecond):
			s.kill()
		}
	} else if s.Runs() {
		t.Fatal(err)
	}
	return read()
}

func (k *starts) strike(t *testing.T, point int, sum *total, met, left tally) {
	s := k.site(t)
	if !k.start(t, s, point).killed {
		return
	}
	sum.Faults++
	met[k.stage(t, s.Dir)]++
	k.v.Cut()
	k.v.Back()
	s.inspect()
	sum.add(k.verify(t, s))
	s.kill()
	for _, name := range leftovers(s.Dir) {
		left[name]++
	}
}

// A first start that loses power at any call that makes its files leaves a folder
// that the next start can use.
func TestFirstStart(t *testing.T) {
	t.Parallel()
	k := &starts{kind: "first_start", v: process.NewVolume(t, "ext4"), r: rand.New(rand.NewPCG(seedOf(t), 3)), stage: newestFile, verify: beginning,
		stages: []string{"with identity.db.tmp", "with history.db.tmp", "with identity.db.bak.tmp"}}
	k.run(t, number("N", 10))
}

// newestFile names what a first start was at: the last file that there is, in the
// order in which they are made.
func newestFile(_ *testing.T, dir string) string {
	for _, name := range []string{"identity.db.bak.tmp", "identity.db.bak", "jwt-secret", "jwt-secret.tmp-*", "history.db", "history.db.tmp",
		"identity.db", "identity.db.tmp"} {
		if exists(dir, name) {
			return "with " + name
		}
	}
	return "before any store"
}

// beginning uses a gateway whose first start was cut off.
func beginning(t *testing.T, s *site) total {
	s.Run()
	a, err := gatewaytest.Ask(s.client, "POST", s.URL+"/auth/login", "", map[string]string{"username": "admin", "password": process.Password})
	if err != nil || a.Status != 200 {
		t.Fatalf("login: %d %s %v", a.Status, a.Body, err)
	}
	if a, err = gatewaytest.Ask(s.client, "POST", s.URL+"/rooms/first/messages", text(a, "access_token"), map[string]int{"data": 1}); err != nil || a.Status != 201 {
		t.Fatalf("publish: %d %s %v", a.Status, a.Body, err)
	}
	return total{} // nothing was acknowledged before
}
