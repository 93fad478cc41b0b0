// Package spare lends long computations a processor of the Go scheduler's beside
// those for everything else.
//
// The runtime lets a goroutine compute for 10 ms, and keeps its processor for it
// in a system call such as fdatasync until a monitor takes it away, which may
// last as long. On a board with one core nobody looks at the network meanwhile.
// With one processor more the computation has a thread of its own, and the kernel
// shares the core: it lets a thread that was asleep go before one that computes.
//
// A processor more all the time would cost every message something, since idle
// ones look for work. It is no priority: with a core for each thread nothing
// changes.
package spare

import (
	"runtime"
	"sync"
)

// Processors is the process's number of processors. There is one in a process.
type Processors struct {
	base int // without any computation

	mu      sync.Mutex
	running int
}

// New takes the present number for that without any computation.
func New() *Processors { return &Processors{base: runtime.GOMAXPROCS(0)} }

// Use runs compute with a processor more. Each change of the number stops the
// world, for some microseconds: a computation should last for a millisecond at
// least.
func (p *Processors) Use(compute func()) {
	p.add(1)
	defer p.add(-1)
	compute()
}

func (p *Processors) add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running += n
	runtime.GOMAXPROCS(p.base + p.running)
}
