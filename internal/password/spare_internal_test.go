package password

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"
)

func TestEachHashHasAProcessor(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	s := newSpare()
	var inside sync.WaitGroup
	leave := make(chan struct{})
	var done sync.WaitGroup
	for range 3 {
		inside.Add(1)
		done.Go(func() {
			s.use(func() { inside.Done(); <-leave })
		})
	}
	inside.Wait()
	if n := runtime.GOMAXPROCS(0); n != before+3 {
		t.Errorf("with three hashes %d processors, before %d", n, before)
	}
	close(leave)
	done.Wait()
	if n := runtime.GOMAXPROCS(0); n != before {
		t.Errorf("afterwards %d processors, before %d", n, before)
	}
}

// The hash of a login takes the processor, and gives it back.
func TestHashUsesTheSpareProcessor(t *testing.T) {
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	h, err := New(Options{Params: Params{MemoryKiB: 8 << 10, Time: 10, Threads: 1}, Concurrency: 1, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := h.Hash(context.Background(), "a password that is long enough")
		done <- err
	}()
	most := 1
	for {
		select {
		case err := <-done:
			if err != nil || most != 2 || runtime.GOMAXPROCS(0) != 1 {
				t.Errorf("%v; most %d processors, in the end %d", err, most, runtime.GOMAXPROCS(0))
			}
			return
		default:
			most = max(most, runtime.GOMAXPROCS(0))
			time.Sleep(time.Millisecond)
		}
	}
}
