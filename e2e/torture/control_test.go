package torture_test

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"edgegw/e2e/process"
)

// Without syncing something has to be lost: the harness sees it when there is
// something to see.
func TestControl(t *testing.T) {
	t.Parallel()
	n, sum := number("CONTROL", 2), total{}
	v := process.NewVolume(t, "ext4")
	r := rand.New(rand.NewPCG(seedOf(t), 2))
	for i := range n {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			v.T = t
			sum.add(control(t, v, r))
		})
	}
	v.T = t
	addUp(t, "control", sum)
	if sum.Lost < n {
		t.Errorf("only %d of %d power cuts without a sync were noticed", sum.Lost, n)
	}
}

func control(t *testing.T, v *process.Volume, r *rand.Rand) (sum total) {
	s := newSite(t, v.Path, r)
	if err := s.End(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	syscall.Sync()
	s.straced("fdatasync,fsync,sync_file_range,msync", "retval=0", "", "identity.db", "identity.db.bak.tmp", "history.db")
	s.Run()
	s.under(func() {
		time.Sleep(500 * time.Millisecond)
		v.Cut()
		s.kill()
	})
	s.Under = nil
	v.Back()
	s.clean = false
	sum.Faults, sum.Tries = 1, 1
	err := s.Try()
	if err == nil {
		err = s.verify()
	}
	if err != nil {
		sum.Lost = 1
		t.Logf("lost, as it has to be: %.300v", err)
	}
	sum.Acked, sum.Changes = s.compared(), s.clerk.compared
	s.kill()
	return sum
}
