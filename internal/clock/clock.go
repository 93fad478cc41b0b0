// Package clock keeps logical time: a clock that never runs backwards, not even
// across restarts of a board without a battery-backed clock. It is the only
// place that asks the system for the time.
//
// Logical time starts at the later of the saved floor and the wall clock, runs
// on with the time since boot and follows the wall clock forward, never back; a
// large step only when it is saved. Beside it goes the time that ages are measured
// by, which no step moves at once. Storing the two is the caller's work; so is
// deciding what to do with a time that is not to be trusted.
package clock

import (
	"sync/atomic"
	"time"
)

// State says how much the time is worth.
type State string

// The states. A gateway moves from none or floor to synced, never back.
const (
	// StateNone: no time source has vouched for the time; it may be 1970.
	StateNone State = "none"
	// StateFloor: it is at least as late as when the gateway last ran.
	StateFloor State = "floor"
	// StateSynced: the kernel's clock is, or was in this run, synchronised.
	StateSynced State = "synced"
)

// Level gives the state as a number for graphs: 0 none, 1 floor, 2 synced.
func (s State) Level() int64 {
	switch s {
	case StateFloor:
		return 1
	case StateSynced:
		return 2
	}
	return 0
}

// Earliest is a time before every release of edgegw. A clock or a saved floor
// before it was never set.
func Earliest() time.Time { return time.Unix(1_767_225_600, 0).UTC() } // 2026-01-01

// Options are the sources of a Clock. System gives those of the machine.
type Options struct {
	// Floor is the time that was saved last; the zero time when there is
	// none.
	Floor time.Time
	// Age is the time that ages were measured by when Floor was saved; the
	// zero time is Floor.
	Age time.Time
	// MaxStep is how far the wall clock may step ahead without waiting for
	// Tend; 0 for any step, which is for a process that tends no clock.
	MaxStep time.Duration
	// Wall is the wall clock. It may jump.
	Wall func() time.Time
	// Boot is the time since boot. It never jumps and counts suspends.
	Boot func() time.Duration
	// BootID names this run of the machine, or is 0 when that is not known.
	// Readings of Boot can be compared only under the same BootID.
	BootID uint64
	// Synced reports whether the wall clock is synchronised now.
	Synced func() bool
}

// mostOff is how far logical time may be off a synchronised wall clock and still be
// trusted.
const mostOff = time.Minute

// Clock is logical time. Its methods are safe for concurrent use.
type Clock struct {
	// Fixed after construction.
	wall     func() time.Time
	boot     func() time.Duration
	bootID   uint64
	isSynced func() bool
	maxStep  time.Duration

	// offset is logical time (Unix nanoseconds) less the time since boot. It
	// only grows: together with a boot time that does not run back this is
	// what makes Now monotone without a lock.
	offset atomic.Int64
	synced atomic.Bool
	// floored says that the time is at least what was saved once.
	floored atomic.Bool
	// told says that the time is what somebody has Set.
	told atomic.Bool
	// age is to AgeTime what offset is to Now, and never ahead of it.
	age atomic.Int64

	wait wait // owned by who calls Tend
}

// New starts logical time at the later of the floor and the wall clock. All
// sources of o must be set.
func New(o Options) *Clock {
	c := &Clock{wall: o.Wall, boot: o.Boot, bootID: o.BootID, isSynced: o.Synced, maxStep: o.MaxStep}
	c.floored.Store(!o.Floor.Before(Earliest()))
	start := o.Wall().UnixNano()
	// The zero time has no defined UnixNano, so that it must not be asked.
	if !o.Floor.IsZero() {
		start = max(start, o.Floor.UnixNano())
	}
	boot := o.Boot()
	c.offset.Store(start - int64(boot))
	c.age.Store(min(start, ageOf(o, start)) - int64(boot))
	c.wait = wait{since: boot, lag: c.lag()}
	return c
}

// Now is the logical time, in UTC. A call that begins after another has ended
// never returns an earlier time.
func (c *Clock) Now() time.Time { return time.Unix(0, c.nanos()).UTC() }

// NowMS is the logical time in Unix milliseconds.
func (c *Clock) NowMS() int64 { return c.nanos() / int64(time.Millisecond) }

// Since is the logical time that has passed since t.
func (c *Clock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// Boot is time that no calendar can falsify: the run of the machine and how long
// it has lasted. Logical time follows a wall clock that jumps ahead, so that
// everything with an expiry ends at once; what was noted in the same run shows by
// its age here that it is young, and may live on. It outlasts restarts of the
// process, not of the machine.
//
// An id of 0 is a run that nobody can name: it equals no other, not even 0. A
// moment that was noted under the same id and lies ahead of elapsed is none to
// trust either; containers can be given a time since boot of their own.
func (c *Clock) Boot() (id uint64, elapsed time.Duration) { return c.bootID, c.boot() }

func (c *Clock) nanos() int64 {
	// The wall is read first. The other way round, a goroutine that is
	// stopped between the two readings would take its pause for a step of
	// the wall and push logical time ahead for good.
	wall := c.wall().UnixNano()
	boot := int64(c.boot())
	offset := c.offset.Load()
	for wall-boot > offset {
		if c.maxStep > 0 && wall-boot-offset > int64(c.maxStep) {
			break // Tend has to save it first
		}
		if c.offset.CompareAndSwap(offset, wall-boot) {
			return wall
		}
		offset = c.offset.Load()
	}
	return boot + offset
}

// State says how much the time is worth. Once the wall clock was seen
// synchronised the state stays synced: the time since boot carries on from
// there, so that a lost time server does not make it wrong.
func (c *Clock) State() State {
	switch {
	case c.Trusted():
		return StateSynced
	case c.floored.Load():
		return StateFloor
	}
	return StateNone
}

// Trusted reports whether somebody who knows the time has vouched for it.
func (c *Clock) Trusted() bool {
	if c.synced.Load() {
		return true
	}
	// After a boot in a wrong future the wall clock comes back and logical time
	// does not: by that, everything would be years old.
	if c.isSynced() && c.agrees() {
		c.synced.Store(true)
		return true
	}
	return false
}

// agrees reports whether logical time is that of the wall clock.
func (c *Clock) agrees() bool {
	return c.Now().Sub(c.wall()).Abs() <= mostOff
}

// Floor is the time to save, so that the next start does not fall behind it.
func (c *Clock) Floor() time.Time { return c.Now() }
