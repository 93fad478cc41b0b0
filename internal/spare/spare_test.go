package spare_test

import (
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"edgegw/internal/spare"
)

func TestEachComputationHasAProcessor(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	p := spare.New()
	var inside, done sync.WaitGroup
	leave := make(chan struct{})
	for range 3 {
		inside.Add(1)
		done.Go(func() {
			p.Use(func() { inside.Done(); <-leave })
		})
	}
	inside.Wait()
	if n := runtime.GOMAXPROCS(0); n != before+3 {
		t.Errorf("with three computations %d processors, before %d", n, before)
	}
	close(leave)
	done.Wait()
	if n := runtime.GOMAXPROCS(0); n != before {
		t.Errorf("afterwards %d processors, before %d", n, before)
	}
}

// What the package is for: on one processor a goroutine that waits comes late
// beside one that computes, and with a spare one it does not.
func TestOthersGoOn(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	p := spare.New()
	during := func(run func(func())) (wakeups int) {
		computed := make(chan struct{})
		go func() {
			defer close(computed)
			run(func() {
				for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); {
				}
			})
		}()
		for {
			select {
			case <-computed:
				return wakeups
			default:
				time.Sleep(time.Millisecond)
				wakeups++
			}
		}
	}
	alone := during(func(compute func()) { compute() })
	aside := during(p.Use)
	t.Logf("%d and %d times", alone, aside)
	if aside < 2*alone {
		t.Errorf("beside a computation others ran %d times, with a spare processor %d times", alone, aside)
	}
}

// The computation is nice, whoever called it is not, and its thread does not
// come back for others.
func TestTheComputationGoesLast(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	priority := func() int {
		n, err := syscall.Getpriority(syscall.PRIO_PROCESS, syscall.Gettid())
		if err != nil {
			t.Error(err)
		}
		return n
	}
	before := priority()
	p := spare.New()
	for range 20 {
		inside := 0
		p.Use(func() { inside = priority() })
		if inside >= before {
			t.Fatalf("the priority is %d inside and %d outside", inside, before)
		}
	}
	for range 100 {
		var n int
		var done sync.WaitGroup
		done.Go(func() { n = priority() })
		done.Wait()
		if n != before {
			t.Fatalf("afterwards a goroutine has the priority %d, before %d", n, before)
		}
	}
}
