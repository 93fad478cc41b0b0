package torture_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// trail is what the tracer has reported of a run.
type trail struct {
	// calls are those that were counted, as "name file".
	calls []string
	// killed says that the last one was the point, and that the program died there.
	killed bool
}

// last is the call that the program was killed at.
func (t trail) last() string { return t.calls[len(t.calls)-1] }

// tracerAt is the command that a program is to be run under, which kills it at its
// call number point on files whose path begins with prefix; see tracer_test.go.
func tracerAt(t testing.TB, prefix string, point int) (under []string, read func() trail) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	report := filepath.Join(t.TempDir(), "report")
	return []string{exe, tracerWord, report, prefix, fmt.Sprint(point)}, func() trail {
		b, err := os.ReadFile(report)
		if err != nil {
			t.Fatalf("the tracer has no report: %v", err)
		}
		lines := strings.Split(strings.TrimSpace(string(b)), "\n")
		if n := len(lines) - 1; lines[n] == killedLine {
			return trail{lines[:n], true}
		}
		return trail{calls: lines}
	}
}

// killedAt starts the gateway, which is killed at a point; once it is ready it has
// the load and so long to get there.
func (s *site) killedAt(point int, most time.Duration) trail {
	s.t.Helper()
	s.kill()
	var read func() trail
	s.Under, read = tracerAt(s.t, s.Dir, point)
	defer func() { s.Under = nil }()
	if err := s.Try(); err != nil {
		if s.Runs() {
			s.t.Fatal(err)
		}
		return read()
	}
	s.under(func() {
		select {
		case <-s.Gone():
			_ = s.Ended()
		case <-time.After(most):
			s.kill()
		}
	})
	return read()
}

// tally counts where faults have struck.
type tally map[string]int

func (c tally) add(other tally) {
	for what, n := range other {
		c[what] += n
	}
}

func (c tally) String() string {
	var all []string
	for what, n := range c {
		all = append(all, fmt.Sprintf("%d× %s", n, what))
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}

// exists reports whether there is a file of that name, which may have stars, in dir.
func exists(dir, name string) bool {
	found, err := filepath.Glob(filepath.Join(dir, name))
	return err == nil && len(found) > 0
}

// leftovers are the files of dir that only the making of others needs.
func leftovers(dir string) (names []string) {
	found, _ := filepath.Glob(filepath.Join(dir, "*.tmp*"))
	for _, path := range found {
		name, _, _ := strings.Cut(filepath.Base(path), ".tmp-") // the rest is chance
		names = append(names, name)
	}
	return names
}
