package torture_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"edgegw/e2e/process"
	"edgegw/internal/gatewaytest"
)

// promised is how old a change may be and not be in the copy of the accounts: a
// second after it the copy is made, and 10 s after the last one.
const promised = 12 * time.Second

// copies is a gateway whose account store is destroyed after each fault, so that
// its copy is what counts.
type copies struct {
	*site
	v *process.Volume
	n int
	// firm are accounts that a copy has brought back, or that are old enough to be
	// in it; fresh are the others.
	firm, fresh map[string]bool
	sum         total
}

// A power cut while the copy of the accounts is written leaves a sound copy, with
// every account that is old enough.
func TestCopies(t *testing.T) {
	t.Parallel()
	n, met, left := number("N", 4), make(tally), make(tally)
	v := process.NewVolume(t, "ext4")
	c := newCopies(t, v, rand.New(rand.NewPCG(seedOf(t), 5)), met)
	for c.sum.Faults < n && c.sum.Tries < tries(n) && !t.Failed() {
		c.sum.Tries++
		if !t.Run("cut", func(t *testing.T) {
			v.T, c.t = t, t
			c.round(t)
			for _, name := range leftovers(c.Dir) {
				left[name]++
			}
		}) {
			c.sum.Failed++
		}
	}
	v.T, c.t = t, t
	conclude(t, "copies", c.sum, met, left)
	if !t.Failed() && c.sum.Faults < n {
		t.Errorf("only %d of %d tries struck", c.sum.Faults, c.sum.Tries)
	}
}

func newCopies(t *testing.T, v *process.Volume, r *rand.Rand, met tally) *copies {
	c := &copies{v: v, firm: make(map[string]bool), fresh: make(map[string]bool)}
	c.site = &site{t: t, r: r, client: newClient(), met: met}
	dir := filepath.Join(v.Path, "copies")
	c.Gateway = process.New(t, "data_dir="+dir, "argon2_memory_kib=7168", "argon2_time=1")
	c.Run()
	c.secret = c.Key()
	for deadline := time.Now().Add(process.Patience); !exists(dir, "identity.db.bak"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("there is no copy of the accounts")
		}
	}
	c.kill()
	return c
}

// round makes accounts, cuts the power about when the copy is made, destroys the
// store and looks what the copy has. Half of the cuts come at a call that writes
// the copy, the others 0.9 to 1.6 s after the first account. After some of them the
// gateway runs for a while before the store is destroyed, and has to make up for it.
func (c *copies) round(t *testing.T) {
	if c.r.IntN(2) == 0 {
		if !c.cutAtCall() {
			return
		}
	} else {
		c.cutAtTime()
	}
	c.sum.Faults++
	if c.sum.Faults%4 == 2 {
		c.rest(t)
	}
	c.lose(t)
}

// work makes some accounts, and returns when the first was acknowledged.
func (c *copies) work() (first time.Time) {
	for range 1 + c.r.IntN(4) {
		c.n++
		name := fmt.Sprint("c-", c.n)
		a, err := gatewaytest.Ask(c.client, "POST", c.URL+"/devices", c.admin(), map[string]string{"name": name})
		if err != nil || a.Status != 201 {
			break // it may have been killed by now
		}
		c.fresh[name] = true
		if first.IsZero() {
			first = time.Now()
		}
	}
	return first
}

func (c *copies) cutAtTime() {
	c.Run()
	first := c.work()
	time.Sleep(time.Until(first.Add(time.Duration(900+c.r.IntN(700)) * time.Millisecond)))
	stage := "before the copy"
	if info, err := os.Stat(filepath.Join(c.Dir, "identity.db.bak")); err == nil && info.ModTime().After(first) {
		stage = "after the copy"
	}
	if exists(c.Dir, "identity.db.bak.tmp") {
		stage = "in the copy"
	}
	c.v.Cut()
	c.kill()
	c.v.Back()
	c.met[stage]++
}

// cutAtCall kills the gateway at a call on the copy and cuts the power then.
func (c *copies) cutAtCall() bool {
	// The first two take away what was left of another, the last syncs the folder.
	const first, last = 3, 8
	under, read := tracerAt(c.t, filepath.Join(c.Dir, "identity.db.bak"), first+c.r.IntN(1+last-first))
	c.Under = under
	defer func() { c.Under = nil }()
	if err := c.Try(); err == nil {
		c.work()
		select {
		case <-c.Gone():
			_ = c.Ended()
		case <-time.After(4 * time.Second):
			c.kill()
		}
	} else if c.Runs() {
		c.t.Fatal(err)
	}
	c.v.Cut()
	c.v.Back()
	met := read()
	if met.killed {
		c.met[met.last()]++
	}
	return met.killed
}

// rest runs the gateway for so long that its copy has to be of today.
func (c *copies) rest(t *testing.T) {
	c.Run()
	time.Sleep(promised)
	c.v.Cut()
	c.kill()
	c.v.Back()
	maps.Copy(c.firm, c.fresh)
	c.met["a rest before the loss"]++
}

// lose destroys the store, and compares what the copy brings back.
func (c *copies) lose(t *testing.T) {
	path := filepath.Join(c.Dir, "identity.db")
	if out, err := process.Command("check", path+".bak").CombinedOutput(); err != nil {
		t.Fatalf("the copy is bad: %v %s", err, out)
	}
	info, err := os.Stat(path)
	if err == nil {
		err = os.WriteFile(path, make([]byte, info.Size()), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.Run()
	defer c.kill()
	there, err := c.devices()
	if err != nil {
		t.Fatal(err)
	}
	for name := range c.firm {
		c.sum.Changes++
		if !there[name] {
			c.sum.Lost++
			t.Errorf("the copy has not brought %s back; %d are there", name, len(there))
		}
	}
	// What is there now is in the copy, and stays.
	c.firm, c.fresh = there, make(map[string]bool)
}

func (c *copies) devices() (map[string]bool, error) {
	a, err := gatewaytest.Ask(c.client, "GET", c.URL+"/devices", c.admin(), nil)
	list, ok := a.JSON()["devices"].([]any)
	if err != nil || !ok {
		return nil, errors.Join(fmt.Errorf("devices: %d %s", a.Status, a.Body), err)
	}
	there := make(map[string]bool, len(list))
	for _, one := range list {
		device, _ := one.(map[string]any)
		name, _ := device["name"].(string)
		there[name] = true
	}
	return there, nil
}
