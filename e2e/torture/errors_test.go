package torture_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"edgegw/e2e/process"
)

// straced runs the gateway under strace, which does something at chosen calls on
// some of its files, and notes it in the file that is returned. strace counts each
// call of each thread apart, which does for errors: they strike somewhere.
func (s *site) straced(calls, inject string, files ...string) (notes string) {
	s.t.Helper()
	notes = filepath.Join(s.t.TempDir(), "strace")
	// Without --seccomp-bpf, with which strace 6.1 forgets to send signals. setpriv
	// has the gateway end with strace, and the signals that Go's scheduler sends
	// to its threads would be stops of their own.
	s.Under = []string{"strace", "-f", "-q", "-y", "-s", "0", "-o", notes, "-E", "GODEBUG=asyncpreemptoff=1",
		"-e", "trace=" + calls, "-e", "inject=" + calls + ":" + inject}
	for _, name := range files {
		s.Under = append(s.Under, "-P", filepath.Join(s.Dir, name))
	}
	s.Under = append(s.Under, "--", "setpriv", "--pdeathsig", "KILL")
	return notes
}

// tampering matches strace's note of a call on a file that it has tampered with.
var tampering = regexp.MustCompile(`(\w+)\(\d+<([^>]*)>.*\((?:INJECTED|DELAYED)\)`)

// tampered lists the calls that strace has tampered with, as "name file".
func tampered(t testing.TB, notes string) (list []string) {
	t.Helper()
	b, err := os.ReadFile(notes)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range tampering.FindAllStringSubmatch(string(b), -1) {
		list = append(list, m[1]+" "+filepath.Base(m[2]))
	}
	return list
}

// stricken is what came of a run under strace.
type stricken struct {
	calls []string // that strace has tampered with
	ended bool     // by itself
	how   error
	log   string
}

// strike runs the gateway under strace with the load on it. For so long at most
// strace has to meet what it waits for; the gateway has so long again to end of it.
func (s *site) strike(calls, inject string, most time.Duration, files ...string) (run stricken) {
	s.t.Helper()
	s.kill()
	before := len(s.Logged())
	notes := s.straced(calls, inject, files...)
	defer func() {
		s.Under = nil
		run.calls, run.log = tampered(s.t, notes), s.Logged()[before:]
		s.struck(run.calls...)
	}()
	if err := s.Try(); err != nil {
		if s.Runs() {
			s.t.Fatal(err)
		}
		run.ended, run.how = true, err
		return run
	}
	s.under(func() {
		deadline := time.After(most)
		for range 2 {
			select {
			case <-s.Gone():
				run.ended, run.how = true, s.Ended()
				return
			case <-deadline:
				if len(tampered(s.t, notes)) == 0 {
					s.kill()
					return
				}
				deadline = time.After(most)
			}
		}
		s.kill()
	})
	return run
}

// A disk that answers with an error ends the process, which says so, and loses
// nothing. Only the copy of the accounts can be done without. One store has all of
// the errors: else the other would end the process for it.
func TestEIO(t *testing.T) {
	torture(t, "eio", 6, folder, func(s *site, _ *process.Volume) bool {
		file := []string{"identity.db", "history.db", "identity.db.bak.tmp"}[s.r.IntN(3)]
		call, when := []string{"write", "fsync"}[s.r.IntN(2)], 1 // how the copy is made
		if file != "identity.db.bak.tmp" {
			call, when = []string{"pwrite64", "fdatasync"}[s.r.IntN(2)], 1+s.r.IntN(12)
		}
		run := s.strike(call, fmt.Sprintf("error=EIO:when=%d", when), 2*time.Second, file)
		if len(run.calls) > 0 && run.ended != (file != "identity.db.bak.tmp") {
			s.t.Errorf("%s has failed; it has ended: %v\n%s", run.calls[0], run.ended, tail(run.log))
		}
		var exit *exec.ExitError
		if run.ended && (!errors.As(run.how, &exit) || exit.ExitCode() != 1) {
			s.t.Errorf("it ended with %v\n%s", run.how, tail(run.log))
		}
		return len(run.calls) > 0
	})
}

// A full disk that comes at any call on a store loses nothing either. e2e/disk has a
// real one.
func TestENOSPC(t *testing.T) {
	torture(t, "enospc", 6, folder, func(s *site, _ *process.Volume) bool {
		calls := []string{"pwrite64", "pwrite64,ftruncate,fallocate,write", "fdatasync"}[s.r.IntN(3)]
		first := 1 + s.r.IntN(25)
		run := s.strike(calls, fmt.Sprintf("error=ENOSPC:when=%d..%d", first, first+s.r.IntN(30)), time.Second,
			"identity.db", "identity.db.bak.tmp", "history.db", "reserve")
		// A start may find too little. After a sync that failed nobody knows what is
		// on the disk, and to end is right, too.
		began := !strings.Contains(run.log, `"event":"ready"`) && strings.Contains(run.log, "disk is full")
		unknown := calls == "fdatasync" && strings.Contains(run.log, "a sync failed")
		if run.ended && !began && !unknown {
			s.t.Errorf("a full disk has ended it: %v\n%s", run.how, tail(run.log))
		}
		return len(run.calls) > 0
	})
}

// A slow disk delays what waits for it.
func TestSlowDisk(t *testing.T) {
	torture(t, "slow", 3, folder, func(s *site, _ *process.Volume) bool {
		run := s.strike("fdatasync", fmt.Sprintf("delay_enter=%d", 20_000+s.r.IntN(150_000)), 750*time.Millisecond,
			"identity.db", "history.db")
		return len(run.calls) > 0
	})
}
