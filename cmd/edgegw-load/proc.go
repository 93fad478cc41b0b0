package main

import (
	"bytes"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// memoryEvery is how often a server's memory is looked at for its peak.
const memoryEvery = 50 * time.Millisecond

// cpuOf is the CPU time that a process has used, in nanoseconds, with that of the
// threads that have ended: the process's own CPU clock, by the number that the
// kernel gives to another process's (clock_getcpuclockid(3)). /proc/PID/stat
// counts in steps of 10 ms, too coarse for short runs.
func cpuOf(pid int) (int64, error) {
	const sched = 2 // what the scheduler has counted (CPUCLOCK_SCHED)
	var t syscall.Timespec
	_, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, uintptr(^pid<<3|sched), uintptr(unsafe.Pointer(&t)), 0)
	if errno != 0 {
		return 0, fmt.Errorf("the CPU clock of process %d: %w", pid, errno)
	}
	return t.Nano(), nil
}

// ownCPU is the CPU time that this process has used, in nanoseconds.
func ownCPU() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// memory is what a process holds, in bytes.
type memory struct {
	rss  uint64 // resident in all, the binary's pages too
	anon uint64 // resident and its own: heap and stacks
	pss  uint64 // rss, with shared pages divided among those who share them
}

func memoryOf(pid int) (memory, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return memory{}, err
	}
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return memory{}, err
	}
	return memory{
		rss:  field(status, "VmRSS:") << 10,
		anon: field(status, "RssAnon:") << 10,
		pss:  field(rollup, "\nPss:") << 10,
	}, nil
}

// watchMemory follows the server's memory until stop, and keeps the most that it
// held, in bytes.
func (b *bench) watchMemory() (peak *atomic.Uint64, stop func()) {
	peak = new(atomic.Uint64)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for ticker := time.NewTicker(memoryEvery); ; {
			if mem, err := memoryOf(b.opt.pid); err == nil {
				peak.Store(max(peak.Load(), mem.rss))
			}
			select {
			case <-ticker.C:
			case <-done:
				ticker.Stop()
				return
			}
		}
	}()
	return peak, func() { close(done); <-ended }
}

// writtenBy is the number of bytes that a process has caused to be sent to the
// storage layer (write_bytes in proc(5)). A file system in memory counts none.
func writtenBy(pid int) (uint64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return 0, err
	}
	return field(b, "\nwrite_bytes:"), nil
}

// field reads the number behind the first key in a /proc file.
func field(b []byte, key string) uint64 {
	_, rest, _ := bytes.Cut(b, []byte(key))
	return number(bytes.TrimLeft(rest, " \t"))
}
