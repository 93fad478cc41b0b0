package clock

import (
	"bytes"
	"hash/fnv"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// System gives the sources of this machine, with the given saved floor.
//
// The wall clock counts as synchronised when the kernel says so (adjtimex, which
// reading needs no rights for). Some container sandboxes forbid the call; time
// is then the host's affair, and any wall clock after Earliest counts as
// synchronised.
func System(floor time.Time) Options {
	b := newBootTime()
	return Options{Floor: floor, Wall: time.Now, Boot: b.elapsed, BootID: b.id(bootIDFile), Synced: kernelSynced}
}

// bootIDFile holds 128 random bits that the kernel draws when it starts, as a
// UUID; random(4).
const bootIDFile = "/proc/sys/kernel/random/boot_id"

// id gives a hash of the kernel's id of this run of the machine, or 0 when there
// is none, or no time since boot that would go with it.
func (b *bootTime) id(name string) uint64 {
	if b.first == 0 { // elapsed counts from the start of the process
		return 0
	}
	id, err := os.ReadFile(name)
	id = bytes.TrimSpace(id)
	if err != nil || len(id) != len("00000000-0000-0000-0000-000000000000") {
		return 0
	}
	h := fnv.New64a()
	h.Write(id)
	return h.Sum64()
}

func kernelSynced() bool {
	var t unix.Timex
	_, err := unix.Adjtimex(&t)
	return judge(t.Status, err, time.Now())
}

func judge(status int32, err error, wall time.Time) bool {
	if err != nil {
		return wall.After(Earliest())
	}
	return status&unix.STA_UNSYNC == 0
}

// bootTime is CLOCK_BOOTTIME at the price of the runtime's clock. A system call
// for each message would cost more than all the rest of Now; the runtime reads
// CLOCK_MONOTONIC without one. The two differ by the time spent suspended, which
// is asked for once a second.
type bootTime struct {
	start     time.Time // for its monotonic reading
	first     time.Duration
	suspended atomic.Int64 // nanoseconds since start
	checked   atomic.Int64 // when, in nanoseconds since start
}

func newBootTime() *bootTime {
	return &bootTime{start: time.Now(), first: readBoot()}
}

func (b *bootTime) elapsed() time.Duration {
	running := time.Since(b.start)
	checked := b.checked.Load()
	if int64(running)-checked >= int64(time.Second) && b.checked.CompareAndSwap(checked, int64(running)) {
		boot := readBoot()
		// The runtime's clock is read again, after the kernel's: a goroutine
		// stopped in between then sees too short a suspend, which the next
		// second corrects, and never one that did not happen.
		running = time.Since(b.start)
		b.observe(boot, running)
	}
	return b.first + running + time.Duration(b.suspended.Load())
}

// observe takes what the kernel's clock is ahead as time suspended.
func (b *bootTime) observe(boot, running time.Duration) {
	s := int64(boot - b.first - running)
	for old := b.suspended.Load(); s > old; old = b.suspended.Load() {
		if b.suspended.CompareAndSwap(old, s) {
			return
		}
	}
}

// readBoot asks the kernel. Every Linux that Go supports has this clock, so that
// an error can only come from a sandbox; the runtime's clock alone is then used.
func readBoot() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
