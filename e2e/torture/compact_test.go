package torture_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"edgegw/e2e/process"
	"edgegw/internal/adminsock"
)

// A compaction that is killed, or loses power, at any moment loses nothing: with
// traffic on the gateway, and without a gateway.
func TestCompact(t *testing.T) {
	calls := 0 // that the last whole compaction has made
	torture(t, "compact", 8, onVolume("ext4"), func(s *site, v *process.Volume) bool {
		if s.r.IntN(2) == 0 {
			return s.compactStopped(v, &calls)
		}
		return s.compactRunning(v)
	})
}

// compactRunning strikes while compactions follow each other on a gateway at work, or
// soon after one: what is written then is in the new file, which has to have its name.
func (s *site) compactRunning(v *process.Volume) (hit bool) {
	cut := s.r.IntN(2) == 0
	s.under(func() {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		done := make(chan struct{})
		most := []int{1, 1 << 20, 1 << 20}[s.r.IntN(3)]
		go func() {
			defer close(done)
			compactions(ctx, s.Dir, most)
		}()
		stage := "after one"
		if most == 1 {
			<-done
			time.Sleep(s.moment() / 4)
			hit = true
		} else {
			time.Sleep(s.moment())
			hit = s.awaitCompaction()
			stage = compactStage(s.Dir)
		}
		if cut {
			v.Cut()
			stage += ", the power"
		}
		s.kill()
		cancel()
		<-done
		if hit {
			s.struck("running, " + stage)
		}
	})
	if cut {
		v.Back()
	}
	return hit
}

// awaitCompaction waits until a compaction is at one of the files, and a moment more.
func (s *site) awaitCompaction() bool {
	name := []string{"identity.db.tmp", "identity.db.bak.tmp", "history.db.tmp"}[s.r.IntN(3)]
	for deadline := time.Now().Add(time.Second); !exists(s.Dir, name); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	time.Sleep(time.Duration(s.r.IntN(5000)) * time.Microsecond)
	return true
}

// compactions has the gateway compact its stores, so often or until it is gone.
func compactions(ctx context.Context, dir string, most int) {
	for range most {
		client, err := adminsock.Dial(ctx, dir)
		if err == nil {
			_, err = client.Compact(ctx)
		}
		if err != nil {
			return
		}
	}
}

// compactStage tells which file a compaction is at.
func compactStage(dir string) string {
	for _, name := range []string{"identity.db.bak.tmp", "identity.db.tmp", "history.db.tmp"} {
		if exists(dir, name) {
			return "with " + name
		}
	}
	return "between the files"
}

// compactStopped kills "edgegw compact" on the files of a gateway that does not run,
// at one of its calls. How many of them there are grows with the files, and is learned
// from a compaction that was not killed.
func (s *site) compactStopped(v *process.Volume, calls *int) bool {
	s.under(func() {
		time.Sleep(s.moment())
		s.kill()
	})
	point := 0
	if *calls > 0 {
		point = 1 + s.r.IntN(*calls*5/4)
	}
	under, read := tracerAt(s.t, s.Dir, point)
	cmd := process.Command("compact", "--data-dir", s.Dir)
	cmd.Path, cmd.Args = under[0], slices.Concat(under, cmd.Args)
	out, err := cmd.CombinedOutput()
	met := read()
	if !met.killed {
		if *calls = len(met.calls); err != nil {
			s.t.Errorf("compact: %v\n%s", err, out)
		}
		return false
	}
	renamed := strings.Count(strings.Join(met.calls, "\n"), "renameat")
	stage := fmt.Sprintf("stopped, %s, %d in place", compactStage(s.Dir), renamed)
	if s.r.IntN(2) == 0 {
		v.Cut()
		v.Back()
		stage += ", the power"
	}
	s.struck(stage)
	return true
}
