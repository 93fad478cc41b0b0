package torture_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

// The tracer is this test's own binary in a process of its own. It counts the calls
// by which a program changes files of one folder, over all threads, and kills the
// program right before a chosen one. strace counts each call of each thread apart,
// so that with it the same number is another point in every run, or none.

// tracerWord as the first argument makes the test's binary a tracer.
const tracerWord = "trace-for-torture"

// changes says which arguments of a call name files.
type changes struct {
	name string
	// fd says that the first argument is a file that is open; else the arguments
	// at paths are names.
	fd    bool
	paths []int
}

// changing are the calls that change a file, or bring it to the disk.
var changing = map[uint64]changes{
	syscall.SYS_PWRITE64:  {name: "pwrite64", fd: true},
	syscall.SYS_WRITE:     {name: "write", fd: true},
	syscall.SYS_FDATASYNC: {name: "fdatasync", fd: true},
	syscall.SYS_FSYNC:     {name: "fsync", fd: true},
	syscall.SYS_FTRUNCATE: {name: "ftruncate", fd: true},
	syscall.SYS_FALLOCATE: {name: "fallocate", fd: true},
	syscall.SYS_OPENAT:    {name: "openat", paths: []int{1}},
	syscall.SYS_MKDIRAT:   {name: "mkdirat", paths: []int{1}},
	syscall.SYS_UNLINKAT:  {name: "unlinkat", paths: []int{1}},
	syscall.SYS_RENAMEAT:  {name: "renameat", paths: []int{1, 3}},
	syscall.SYS_LINKAT:    {name: "linkat", paths: []int{1, 3}},
}

// tracer is one traced program.
type tracer struct {
	prefix      string
	point, seen int
	report      *os.File
	root        int
}

// trace is the tracer's main: REPORT PREFIX POINT PROGRAM ARGUMENT... Point 0 kills
// nothing. It ends as the program does.
func trace(args []string) int {
	runtime.LockOSThread() // to the kernel a tracer is a thread
	report, err := os.OpenFile(args[0], os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return failed(err)
	}
	point, err := strconv.Atoi(args[2])
	if err != nil {
		return failed(err)
	}
	// The signals that Go's scheduler sends to its threads would be stops of their own.
	cmd := exec.Command(args[3], args[4:]...)
	cmd.Env = append(os.Environ(), "GODEBUG=asyncpreemptoff=1")
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = os.Stdout, os.Stderr, &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		return failed(err)
	}
	t := &tracer{prefix: args[1], point: point, report: report, root: cmd.Process.Pid}
	status, err := t.run()
	if err != nil {
		return failed(err)
	}
	if status.Signaled() {
		_ = syscall.Kill(os.Getpid(), status.Signal())
	}
	return status.ExitStatus()
}

func failed(err error) int {
	fmt.Fprintln(os.Stderr, "tracer:", err)
	return 3
}

// run follows the program to its end.
func (t *tracer) run() (status syscall.WaitStatus, err error) {
	if _, err := syscall.Wait4(t.root, &status, 0, nil); err != nil { // it stops at its exec
		return status, err
	}
	const exitKill = 0x100000 // PTRACE_O_EXITKILL: it dies with the tracer
	options := syscall.PTRACE_O_TRACESYSGOOD | syscall.PTRACE_O_TRACECLONE | syscall.PTRACE_O_TRACEFORK | syscall.PTRACE_O_TRACEVFORK | exitKill
	if err := errors.Join(syscall.PtraceSetOptions(t.root, options), syscall.PtraceSyscall(t.root, 0)); err != nil {
		return status, err
	}
	for {
		tid, err := syscall.Wait4(-1, &status, syscall.WALL, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return status, err
		case status.Stopped():
			t.stopped(tid, status.StopSignal())
		case tid == t.root:
			return status, nil
		}
	}
}

// stopped has a thread go on that has stopped for a call or a signal.
func (t *tracer) stopped(tid int, signal syscall.Signal) {
	switch signal {
	case syscall.SIGTRAP | 0x80:
		signal = 0
		if t.call(tid) {
			_ = syscall.Kill(t.root, syscall.SIGKILL)
			return
		}
	case syscall.SIGTRAP, syscall.SIGSTOP: // a thread has begun
		signal = 0
	}
	_ = syscall.PtraceSyscall(tid, int(signal)) // it may be dead already
}

// callInfo is the kernel's struct ptrace_syscall_info, at the entry of a call.
type callInfo struct {
	op     uint8
	_      [3]uint8
	_      uint32
	_, _   uint64
	number uint64
	args   [6]uint64
}

// call counts a call, if it is one of those, and reports whether it is the point.
func (t *tracer) call(tid int) bool {
	const getInfo, entry = 0x420e, 1
	var info callInfo
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PTRACE, getInfo, uintptr(tid), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	what, ok := changing[info.number]
	if errno != 0 || info.op != entry || !ok {
		return false
	}
	if info.number == syscall.SYS_OPENAT && info.args[2]&(syscall.O_CREAT|syscall.O_TRUNC) == 0 {
		return false
	}
	path, ok := t.concerned(tid, what, &info)
	if !ok {
		return false
	}
	t.seen++
	fmt.Fprintln(t.report, what.name, filepath.Base(path))
	if t.seen != t.point {
		return false
	}
	fmt.Fprintln(t.report, killedLine)
	return true
}

// killedLine ends the report of a program that was killed at its point.
const killedLine = "killed"

// concerned finds the path that a call is about, when it begins with the prefix, or is
// the folder of it, which is synced after a file of it was renamed.
func (t *tracer) concerned(tid int, what changes, info *callInfo) (path string, ok bool) {
	if what.fd {
		path, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", tid, int32(info.args[0])))
		return path, err == nil && (strings.HasPrefix(path, t.prefix) || path == filepath.Dir(t.prefix))
	}
	for _, i := range what.paths {
		if path := textOf(tid, info.args[i]); strings.HasPrefix(path, t.prefix) {
			return path, true
		}
	}
	return "", false
}

// textOf reads a name out of the program's memory.
func textOf(tid int, address uint64) string {
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", tid))
	if err != nil {
		return ""
	}
	defer func() { _ = memory.Close() }()
	b := make([]byte, 512)
	n, _ := memory.ReadAt(b, int64(address)) // it may end at the end of a page
	text, _, _ := bytes.Cut(b[:n], []byte{0})
	return string(text)
}
