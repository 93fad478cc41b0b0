package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// stopTimeout is how long all tasks together have for their end. systemd and
// operators wait about this long.
const stopTimeout = 10 * time.Second

// task is something that runs as long as the gateway does.
type task struct {
	name string
	// run returns when ctx is done and its work is put away, or with an
	// error that ends the gateway. It calls ready once, when others may
	// rely on it.
	run func(ctx context.Context, ready func()) error
}

// tasks start in their order and stop in the reverse one.
type tasks struct {
	list   []task
	logger *slog.Logger
	up     atomic.Bool
	// ready is called when all tasks are, stopping when they are about to end;
	// nil for nobody to tell.
	ready, stopping func()
}

// running is a task that was started.
type running struct {
	task
	cancel context.CancelFunc
	ready  chan struct{}
	done   chan struct{}
	err    error // read it after done
}

// Run starts every task when the one before it is ready, and returns when all
// have ended: with nil after ctx is done, else with the error of the task that
// failed first.
func (ts *tasks) Run(ctx context.Context) error {
	failed := make(chan *running, len(ts.list))
	var started []*running
	var first *running
	for _, t := range ts.list {
		r := t.start(failed)
		started = append(started, r)
		select {
		case <-r.ready:
		case first = <-failed:
		case <-ctx.Done():
		}
		if first != nil || ctx.Err() != nil {
			break
		}
	}
	if first == nil && ctx.Err() == nil {
		ts.up.Store(true)
		ts.logger.Info("gateway is ready", "event", "ready")
		if ts.ready != nil {
			ts.ready()
		}
		select {
		case first = <-failed:
		case <-ctx.Done():
		}
	}
	ts.up.Store(false)
	ts.logger.Info("gateway stops", "event", "stopping")
	if ts.stopping != nil {
		ts.stopping()
	}
	return ts.stop(started, first)
}

func (t task) start(failed chan<- *running) *running {
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{task: t, cancel: cancel, ready: make(chan struct{}), done: make(chan struct{})}
	var told atomic.Bool
	go func() {
		defer close(r.done)
		r.err = t.run(ctx, func() {
			if !told.Swap(true) {
				close(r.ready)
			}
		})
		if ctx.Err() == nil { // it ended by itself
			if r.err == nil {
				r.err = errors.New("ended unexpectedly")
			}
			failed <- r
		}
	}()
	return r
}

func (ts *tasks) stop(started []*running, first *running) error {
	deadline := time.NewTimer(stopTimeout)
	defer deadline.Stop()
	var errs []error
	if first != nil {
		errs = append(errs, fmt.Errorf("%s: %w", first.name, first.err))
	}
	for i := len(started) - 1; i >= 0; i-- {
		r := started[i]
		r.cancel()
		select {
		case <-r.done:
			if r != first && r.err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", r.name, r.err))
			}
		case <-deadline.C:
			return errors.Join(append(errs, fmt.Errorf("%s did not stop in %s", r.name, stopTimeout))...)
		}
	}
	return errors.Join(errs...)
}
