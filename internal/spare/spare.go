// Package spare lends long computations a processor of the Go scheduler's beside
// those for everything else, on a thread that goes last.
//
// The runtime lets a goroutine compute for 10 ms, and keeps its processor for it
// in a system call such as fdatasync until a monitor takes it away, which may
// last as long. On a board with one core nobody looks at the network meanwhile.
// With one processor more the computation has a thread of its own, and the kernel
// shares the core: the thread's nice value says that whatever else the process
// has to do goes before.
//
// A processor more all the time would cost every message something, since idle
// ones look for work. With a core for each thread nothing changes.
package spare

import (
	"runtime"
	"sync"
	"syscall"
)

// niceness leaves a computation a tenth of a core that everything else wants
// too: messages go before it, and it still ends.
const niceness = 10

// Processors is the process's number of processors. There is one in a process.
type Processors struct {
	base int // without any computation

	mu      sync.Mutex
	running int
}

// New takes the present number for that without any computation.
func New() *Processors { return &Processors{base: runtime.GOMAXPROCS(0)} }

// Use runs compute with a processor more. Each change of the number stops the
// world for some microseconds, and each call makes a thread: a computation should
// last for a millisecond at least. A panic in compute ends the process.
func (p *Processors) Use(compute func()) {
	p.add(1)
	defer p.add(-1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Never unlocked: the thread ends with the goroutine, since only a
		// privileged process may take a nice value back.
		runtime.LockOSThread()
		// Where it is refused the computation is as urgent as all else.
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, syscall.Gettid(), niceness)
		compute()
	}()
	<-done
}

func (p *Processors) add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running += n
	runtime.GOMAXPROCS(p.base + p.running)
}
