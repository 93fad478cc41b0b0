package torture_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"edgegw/e2e/process"
	"edgegw/internal/gatewaytest"
)

func folder(t testing.TB) (string, *volume) { return t.TempDir(), nil }

func onVolume(kind string) func(testing.TB) (string, *volume) {
	return func(t testing.TB) (string, *volume) {
		v := newVolume(t, kind)
		return v.path, v
	}
}

// under has the load at work while strike does its worst, at a time of its own
// choice. Strike has to leave no process.
func (s *site) under(strike func()) {
	s.t.Helper()
	stop := make(chan struct{})
	done := s.load(stop)
	strike()
	close(stop)
	if err := <-done; err != nil {
		s.t.Fatalf("%v\n%s", err, tail(s.Logged()))
	}
}

// moment is how long the load goes on before a fault.
func (s *site) moment() time.Duration { return time.Duration(1+s.r.IntN(250)) * time.Millisecond }

// A process that is killed loses nothing.
func TestKill(t *testing.T) {
	torture(t, "kill", 25, folder, func(s *site, _ *volume) {
		s.under(func() {
			time.Sleep(s.moment())
			s.kill()
		})
	})
}

func (s *site) kill() {
	s.t.Helper()
	if s.Runs() {
		if err := s.End(syscall.SIGKILL); err == nil {
			s.t.Fatal("the gateway survived a kill")
		}
	}
}

// A power cut takes back nothing that was acknowledged, on both file systems.
func TestPower(t *testing.T) { torture(t, "power", 40, onVolume("ext4"), cutPower) }

func TestPowerXFS(t *testing.T) { torture(t, "power_xfs", 8, onVolume("xfs"), cutPower) }

func cutPower(s *site, v *volume) {
	s.under(func() {
		time.Sleep(s.moment())
		v.cut()
		s.kill()
	})
	v.back()
}

// writes are the system calls that a store changes its files with.
const writes = "pwrite64,write,fdatasync,fsync,ftruncate,fallocate,renameat,renameat2,unlinkat,linkat,openat,mkdirat"

// syncs are those that matter to a power cut most.
const syncs = "pwrite64,fdatasync,fsync,ftruncate,fallocate,renameat,renameat2"

// straced runs the gateway under strace, which does something at chosen calls.
func (s *site) straced(calls, inject string) {
	// Without --seccomp-bpf, with which strace 6.1 forgets to send signals. setpriv
	// has the gateway end with strace, and the signals that Go's scheduler sends
	// to its threads would be stops of their own.
	s.Under = []string{"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + calls, "-e", "inject=" + calls + ":" + inject,
		"--", "env", "GODEBUG=asyncpreemptoff=1", "setpriv", "--pdeathsig", "KILL"}
}

// stricken runs the gateway under strace with the load on it, for so long at most,
// and reports whether it ended by itself, and how.
func (s *site) stricken(calls, inject string, most time.Duration) (ended bool, how error) {
	s.t.Helper()
	s.kill()
	s.straced(calls, inject)
	defer func() { s.Under = nil }()
	if err := s.Try(); err != nil {
		if s.Runs() {
			s.t.Fatal(err)
		}
		s.hits++
		return true, err
	}
	s.under(func() {
		select {
		case <-s.Gone():
			ended, how = true, s.Ended()
			s.hits++
		case <-time.After(most):
			s.kill()
		}
	})
	return ended, how
}

// A process that is killed at any system call loses nothing, during its start too.
func TestSystemCalls(t *testing.T) {
	torture(t, "syscall", 25, folder, func(s *site, _ *volume) {
		calls := []string{writes, syncs, syncs}[s.r.IntN(3)]
		s.stricken(calls, fmt.Sprintf("signal=KILL:when=%d", 1+s.r.IntN(30)), time.Second)
	})
}

// A disk that answers with an error ends the process, which says so, and loses nothing.
func TestEIO(t *testing.T) {
	torture(t, "eio", 6, folder, func(s *site, _ *volume) {
		before := strings.Count(s.Logged(), "store_failed")
		ended, how := s.stricken("pwrite64,fdatasync", fmt.Sprintf("error=EIO:when=%d", 1+s.r.IntN(40)), 2*time.Second)
		var exit *exec.ExitError
		if failed := strings.Count(s.Logged(), "store_failed") > before; failed && !ended {
			s.t.Error("its store has failed, and it goes on")
		}
		if ended && errors.As(how, &exit) && exit.ExitCode() != 1 {
			s.t.Errorf("it ended with %v\n%s", how, tail(s.Logged()))
		}
	})
}

// A full disk that comes at any system call loses nothing either. e2e/disk has a
// real one.
func TestENOSPC(t *testing.T) {
	torture(t, "enospc", 6, folder, func(s *site, _ *volume) {
		first := 1 + s.r.IntN(40)
		ended, how := s.stricken("pwrite64,ftruncate,fallocate", fmt.Sprintf("error=ENOSPC:when=%d..%d", first, first+s.r.IntN(30)), time.Second)
		if ended && !strings.Contains(s.Logged(), "disk is full") {
			s.t.Errorf("a full disk has ended it: %v\n%s", how, tail(s.Logged()))
		}
	})
}

// A slow disk delays what waits for it.
func TestSlowDisk(t *testing.T) {
	torture(t, "slow", 4, folder, func(s *site, _ *volume) {
		s.stricken("fdatasync", fmt.Sprintf("delay_enter=%d", 20_000+s.r.IntN(150_000)), 1500*time.Millisecond)
	})
}

// A file system that turns read-only, as they do when a card fails, ends the
// process, and nothing is lost once it can be written again.
func TestReadOnly(t *testing.T) {
	torture(t, "read_only", 5, onVolume("ext4"), func(s *site, v *volume) {
		s.under(func() {
			time.Sleep(s.moment())
			v.freeze()
			select {
			case <-s.Gone():
				var exit *exec.ExitError
				if how := s.Ended(); !errors.As(how, &exit) || exit.ExitCode() != 1 {
					s.t.Errorf("it ended with %v", how)
				}
			case <-time.After(10 * time.Second):
				s.t.Error("it goes on on a disk that cannot be written")
				s.kill()
			}
		})
		v.back()
	})
}

// A first start that loses power at any system call leaves a folder that the next
// start can use.
func TestFirstStart(t *testing.T) {
	t.Parallel()
	n, sum := number("N", 15), total{}
	v := newVolume(t, "ext4")
	for i := range n {
		point := i + 1
		if n < 60 {
			point = 1 + i*60/n
		}
		t.Run(fmt.Sprint(point), func(t *testing.T) {
			v.t = t
			defer func() { v.t = nil }()
			firstStart(t, v, point)
		})
		sum.Faults++
		sum.Changes++
	}
	v.t = t
	sum.Acked = sum.Faults
	addUp(t, "first_start", sum)
}

func firstStart(t *testing.T, v *volume, point int) {
	s := &site{t: t, client: nil}
	s.Gateway = process.New(t, "data_dir="+v.path+fmt.Sprint("/first-", point), "argon2_memory_kib=7168", "argon2_time=1")
	s.Dir = v.path + fmt.Sprint("/first-", point)
	s.straced(writes, fmt.Sprintf("signal=KILL:when=%d", point))
	err := s.Try()
	if err != nil && s.Runs() {
		t.Fatal(err)
	}
	v.cut()
	s.kill()
	s.Under = nil
	v.back()
	s.inspect()
	s.Run()
	defer s.kill()
	client := newClient()
	a, err := gatewaytest.Ask(client, "POST", s.URL+"/auth/login", "", map[string]string{"username": "admin", "password": process.Password})
	if err != nil || a.Status != 200 {
		t.Fatalf("login: %d %s %v", a.Status, a.Body, err)
	}
	if a, err = gatewaytest.Ask(client, "POST", s.URL+"/rooms/first/messages", text(a, "access_token"), map[string]int{"data": 1}); err != nil || a.Status != 201 {
		t.Fatalf("publish: %d %s %v", a.Status, a.Body, err)
	}
}

// Without syncing something has to be lost: the harness sees it when there is
// something to see.
func TestControl(t *testing.T) {
	t.Parallel()
	n, sum := number("CONTROL", 3), total{}
	v := newVolume(t, "ext4")
	r := rand.New(rand.NewPCG(seedOf(t), 2))
	for i := range n {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			v.t = t
			s := newSite(t, v.path, r)
			if err := s.End(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			syscall.Sync()
			s.straced("fdatasync,fsync,sync_file_range,msync", "retval=0")
			s.Run()
			s.under(func() {
				time.Sleep(500 * time.Millisecond)
				v.cut()
				s.kill()
			})
			s.Under = nil
			v.back()
			s.clean = false
			sum.Faults++
			err := s.Try()
			if err == nil {
				err = s.verify()
			}
			if err != nil {
				sum.Lost++
				t.Logf("lost, as it has to be: %.300v", err)
			}
			sum.Acked += s.acks()
			sum.Changes += s.clerk.acked
			s.kill()
		})
	}
	v.t = t
	addUp(t, "control", sum)
	if sum.Lost < n {
		t.Errorf("only %d of %d power cuts without a sync were noticed", sum.Lost, n)
	}
}
