package password

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"golang.org/x/crypto/argon2"
)

// tuneBudget is how many times the target Tune may take in all.
const tuneBudget = 10

// Tune measures this machine and returns the parameters whose hash comes nearest
// to target without passing it, and how long that hash takes: as much memory as
// memoryKiB allows, halved until one pass is quick enough, and then as many passes
// as fit. Hashes are measured as a login after a quiet time finds the machine, on
// fresh pages, three times each.
//
// When even the least, MinMemoryKiB and one pass, takes longer than target, Tune
// returns that; the caller compares. It takes about tuneBudget times the target,
// and memoryKiB for itself. The error is ctx's, or names the argument that is out
// of bounds. Only differences of now are used.
func Tune(ctx context.Context, target time.Duration, memoryKiB uint32, threads uint8, now func() time.Time) (Params, time.Duration, error) {
	if target <= 0 || now == nil {
		return Params{}, 0, errors.New("tune: the target must be longer than 0")
	}
	most := Params{MemoryKiB: memoryKiB, Time: MinTime, Threads: threads}
	if err := most.Check(); err != nil {
		return Params{}, 0, fmt.Errorf("tune: %w", err)
	}
	password, salt := make([]byte, DefaultMinLength), random(newSaltBytes)
	t := tuner{ctx: ctx, target: target, hash: func(p Params) time.Duration {
		debug.FreeOSMemory()
		start := now()
		argon2.IDKey(password, salt, p.Time, p.MemoryKiB, p.Threads, newHashBytes)
		return now().Sub(start)
	}}
	p, took := t.tune(most)
	if err := ctx.Err(); err != nil {
		return Params{}, 0, fmt.Errorf("tune: %w", err)
	}
	return p, took, nil
}

// tuner looks for parameters.
type tuner struct {
	ctx    context.Context
	target time.Duration
	hash   func(Params) time.Duration // one hash
	spent  time.Duration              // by all hashes
}

func (t *tuner) tune(most Params) (Params, time.Duration) {
	p, took := t.memory(most)
	for took <= t.target && p.Time < MaxTime && t.spent < tuneBudget*t.target {
		// The time grows with the passes, but less than they do: the first
		// one has fresh pages to pay for as well, up to half of its time.
		if took+took/time.Duration(2*p.Time) > t.target {
			break
		}
		guess := int64(p.Time) * int64(t.target) / max(int64(took), 1)
		more := p
		more.Time = uint32(min(max(guess, int64(p.Time)+1), MaxTime))
		longer := t.median(more)
		for longer > t.target && more.Time-1 > p.Time {
			more.Time--
			longer = t.median(more)
		}
		if longer > t.target {
			break
		}
		p, took = more, longer
	}
	return p, took
}

// memory returns the most memory of which one pass is quick enough, or the least.
func (t *tuner) memory(most Params) (Params, time.Duration) {
	// The least is tried first: on a slow board, a few hashes with the most
	// would take minutes only to show that it is far too much.
	least := most
	least.MemoryKiB = MinMemoryKiB
	took := t.once(least)
	p := most
	for p.MemoryKiB > MinMemoryKiB && took*time.Duration(p.MemoryKiB)/MinMemoryKiB > 2*t.target {
		p.MemoryKiB = max(p.MemoryKiB/2, MinMemoryKiB)
	}
	for {
		took = t.median(p)
		if took <= t.target || p.MemoryKiB == MinMemoryKiB {
			return p, took
		}
		p.MemoryKiB = max(p.MemoryKiB/2, MinMemoryKiB)
	}
}

// median measures p three times; twice are enough when both are over the target,
// and one when the time is used up or ctx has ended.
func (t *tuner) median(p Params) time.Duration {
	took := []time.Duration{t.once(p)}
	for len(took) < 3 && t.spent < tuneBudget*t.target && t.ctx.Err() == nil {
		took = append(took, t.once(p))
		if len(took) == 2 && min(took[0], took[1]) > t.target {
			return min(took[0], took[1])
		}
	}
	slices.Sort(took)
	return took[len(took)/2]
}

func (t *tuner) once(p Params) time.Duration {
	if t.ctx.Err() != nil {
		return 0
	}
	d := t.hash(p)
	t.spent += d
	return d
}
