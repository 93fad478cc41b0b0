package main

import (
	"os"
	"runtime"
	"testing"
	"time"
)

// The time of a thread that has ended stays: a server's long commits run on
// threads of their own.
func TestCPUOfEndedThreads(t *testing.T) {
	before, err := cpuOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	const each = 30 * time.Millisecond
	for range 3 {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			runtime.LockOSThread() // never unlocked: the thread ends as well
			for start := ownCPU(); ownCPU()-start < int64(each); {
			}
		}()
		<-ended
	}
	time.Sleep(10 * time.Millisecond) // until the last thread is gone
	after, err := cpuOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if used := time.Duration(after - before); used < 3*each {
		t.Errorf("three threads used %v each, and the process %v", each, used)
	}
}

func TestCPUOfNobody(t *testing.T) {
	if used, err := cpuOf(1 << 22); err == nil { // above the kernel's largest id
		t.Errorf("a process that there is not has used %d ns", used)
	}
}
