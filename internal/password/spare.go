package password

import (
	"runtime"
	"sync"
)

// spare gives every hash that runs a processor of the scheduler's beside those
// for everything else. A hash computes for longer than the runtime lets a
// goroutine be, 10 ms, and on a board with one core nobody looks at the network
// meanwhile. With one processor more it has a thread of its own, and the kernel
// shares the core: it lets a thread that was asleep go before one that computes,
// within microseconds.
//
// The number of processors is the whole process's; changing it stops the world
// for some microseconds, twice in a hash of tens of milliseconds.
type spare struct {
	base int // without any hash

	mu      sync.Mutex
	running int
}

func newSpare() *spare { return &spare{base: runtime.GOMAXPROCS(0)} }

// use runs hash.
func (s *spare) use(hash func()) {
	s.add(1)
	defer s.add(-1)
	hash()
}

func (s *spare) add(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running += n
	runtime.GOMAXPROCS(s.base + s.running)
}
