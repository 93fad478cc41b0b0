package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// journal notes what tasks do, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) note(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func newTasks(list ...task) *tasks {
	return &tasks{list: list, logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
}

// plain is a task that is ready after a while and ends after another.
func (j *journal) plain(name string, start, stop time.Duration) task {
	return task{name: name, run: func(ctx context.Context, ready func()) error {
		j.note("start " + name)
		time.Sleep(start)
		j.note("ready " + name)
		ready()
		<-ctx.Done()
		time.Sleep(stop)
		j.note("stop " + name)
		return nil
	}}
}

func TestTasksStartAndStopInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		ts := newTasks(j.plain("a", time.Second, time.Second), j.plain("b", 2*time.Second, 0), j.plain("c", 0, 3*time.Second))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- ts.Run(ctx) }()
		time.Sleep(2500 * time.Millisecond)
		if synctest.Wait(); ts.up.Load() {
			t.Error("up before the last task is ready")
		}
		time.Sleep(time.Second)
		if synctest.Wait(); !ts.up.Load() {
			t.Error("not up when all tasks are ready")
		}
		cancel()
		if synctest.Wait(); ts.up.Load() {
			t.Error("still up when the stop has begun")
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		want := []string{"start a", "ready a", "start b", "ready b", "start c", "ready c", "stop c", "stop b", "stop a"}
		if !slices.Equal(j.lines, want) {
			t.Errorf("%v, want %v", j.lines, want)
		}
	})
}

func TestTaskThatFails(t *testing.T) {
	broken := errors.New("broken")
	fails := func(after time.Duration, told bool, err error) task {
		return task{name: "bad", run: func(_ context.Context, ready func()) error {
			if told {
				ready()
				ready() // twice does no harm
			}
			time.Sleep(after)
			return err
		}}
	}
	tests := []struct {
		name string
		bad  task
		want string
	}{
		{"bad before it is ready", fails(time.Second, false, broken), "bad: broken"},
		{"bad at once", fails(0, true, broken), "bad: broken"},
		{"bad later", fails(time.Hour, true, broken), "bad: broken"},
		{"bad, it just ends", fails(time.Hour, true, nil), "bad: ended unexpectedly"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				err := newTasks(j.plain("a", 0, time.Second), test.bad, j.plain("c", 0, 0)).Run(t.Context())
				if err == nil || err.Error() != test.want {
					t.Errorf("error %v, want %s", err, test.want)
				}
				if !slices.Contains(j.lines, "stop a") {
					t.Errorf("the others were not stopped: %v", j.lines)
				}
				if slices.Contains(j.lines, "start c") && !slices.Contains(j.lines, "stop c") {
					t.Errorf("a later task was left running: %v", j.lines)
				}
			})
		})
	}
}

func TestTaskThatFailsToStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		release := make(chan struct{})
		hangs := task{name: "hangs", run: func(ctx context.Context, ready func()) error {
			ready()
			<-release
			return nil
		}}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		began := time.Now()
		err := newTasks(hangs, j.plain("b", 0, 0)).Run(ctx)
		if err == nil || !strings.Contains(err.Error(), "hangs did not stop in 10s") {
			t.Errorf("error %v", err)
		}
		if took := time.Since(began); took != stopTimeout {
			t.Errorf("it was waited for %v", took)
		}
		close(release)
		synctest.Wait()
	})
}

func TestTaskErrorsWhileStopping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		last := task{name: "last", run: func(ctx context.Context, ready func()) error {
			ready()
			<-ctx.Done()
			return errors.New("could not put its work away")
		}}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		err := newTasks(last).Run(ctx)
		if err == nil || err.Error() != "last: could not put its work away" {
			t.Errorf("error %v", err)
		}
	})
}

// A stop that comes while tasks start stops those that were started.
func TestStopWhileStarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if err := newTasks(j.plain("a", 0, 0), j.plain("b", time.Second, 0), j.plain("c", 0, 0)).Run(ctx); err != nil {
			t.Error(err)
		}
		want := []string{"start a", "ready a", "start b", "ready b", "stop b", "stop a"}
		if !slices.Equal(j.lines, want) {
			t.Errorf("%v, want %v", j.lines, want)
		}
	})
}
