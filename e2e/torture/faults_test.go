package torture_test

import (
	"errors"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"edgegw/e2e/process"
)

func folder(t testing.TB) (string, *process.Volume) { return t.TempDir(), nil }

func onVolume(kind string) func(testing.TB) (string, *process.Volume) {
	return func(t testing.TB) (string, *process.Volume) {
		v := process.NewVolume(t, kind)
		return v.Path, v
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
	torture(t, "kill", 15, folder, func(s *site, _ *process.Volume) bool {
		s.under(func() {
			time.Sleep(s.moment())
			s.kill()
		})
		return true
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
func TestPower(t *testing.T) { torture(t, "power", 25, onVolume("ext4"), cutPower) }

func TestPowerXFS(t *testing.T) { torture(t, "power_xfs", 6, onVolume("xfs"), cutPower) }

func cutPower(s *site, v *process.Volume) bool {
	s.under(func() {
		time.Sleep(s.moment())
		v.Cut()
		s.kill()
	})
	v.Back()
	return true
}

// A process that is killed at any call that changes its files loses nothing, during
// its start too, and also not when the power is cut at the same moment.
func TestSystemCalls(t *testing.T) {
	torture(t, "syscall", 12, onVolume("ext4"), func(s *site, v *process.Volume) bool {
		most := []int{20, 60, 200}[s.r.IntN(3)]
		met := s.killedAt(1+s.r.IntN(most), 3*time.Second)
		if s.r.IntN(2) == 0 {
			v.Cut()
			v.Back()
		}
		if met.killed {
			s.struck(met.last())
		}
		return met.killed
	})
}

// A file system that turns read-only, as they do when a card fails, ends the
// process, and nothing is lost once it can be written again.
func TestReadOnly(t *testing.T) {
	torture(t, "read_only", 4, onVolume("ext4"), func(s *site, v *process.Volume) bool {
		s.under(func() {
			time.Sleep(s.moment())
			v.Freeze()
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
		v.Back()
		return true
	})
}
