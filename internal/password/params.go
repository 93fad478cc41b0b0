package password

import "fmt"

// Limits of the Argon2id parameters and of a stored string. Below them a hash
// is not worth its name; above them one stored or imported string could take
// the memory or the time of the whole board.
const (
	MinMemoryKiB = 7 << 10
	MaxMemoryKiB = 64 << 10
	MinTime      = 1
	MaxTime      = 10
	MinThreads   = 1
	MaxThreads   = 4
	// MaxPHCBytes is the longest stored string that is looked at, wrapped
	// legacy hashes included.
	MaxPHCBytes = 256

	minSaltBytes, maxSaltBytes = 8, 64
	minHashBytes, maxHashBytes = 16, 64
	newSaltBytes, newHashBytes = 16, 32
)

// Params is the cost of one hash (RFC 9106 section 3.1).
type Params struct {
	// MemoryKiB is the memory of one hash, MinMemoryKiB to MaxMemoryKiB.
	MemoryKiB uint32
	// Time is the number of passes, MinTime to MaxTime.
	Time uint32
	// Threads is the degree of parallelism, MinThreads to MaxThreads.
	Threads uint8
}

// Check returns an error that names the limit which p breaks.
func (p Params) Check() error {
	switch {
	case p.MemoryKiB < MinMemoryKiB || p.MemoryKiB > MaxMemoryKiB:
		return fmt.Errorf("argon2 memory of %d KiB is outside %d to %d KiB", p.MemoryKiB, MinMemoryKiB, MaxMemoryKiB)
	case p.Time < MinTime || p.Time > MaxTime:
		return fmt.Errorf("argon2 time of %d is outside %d to %d", p.Time, MinTime, MaxTime)
	case p.Threads < MinThreads || p.Threads > MaxThreads:
		return fmt.Errorf("argon2 threads of %d are outside %d to %d", p.Threads, MinThreads, MaxThreads)
	}
	return nil
}

// weakerThan reports whether guessing at p is cheaper than at q: less memory, or
// less memory times passes. More memory with fewer passes is no weakness as long
// as the product holds, so such a hash is left alone.
func (p Params) weakerThan(q Params) bool {
	return p.MemoryKiB < q.MemoryKiB || p.MemoryKiB*p.Time < q.MemoryKiB*q.Time
}
