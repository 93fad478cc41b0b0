package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// Volume is a file system of its own in a file, whose power can be cut.
type Volume struct {
	// T is the test that uses it now.
	T           testing.TB
	kind, image string
	// Path is where it is mounted.
	Path    string
	mounted bool
}

// NewVolume makes an ext4 or an xfs that lives as long as the test. ext4 is mounted
// so that nothing reaches the disk by itself within the time of a test, and so that
// it does not make up for a file that is renamed before it was synced.
func NewVolume(t testing.TB, kind string) *Volume {
	t.Helper()
	v := &Volume{T: t, kind: kind, Path: t.TempDir()}
	dir := t.TempDir()
	if made, err := os.MkdirTemp("/dev/shm", "edgegw-torture-"); err == nil {
		dir = made // in memory: what counts is what the file system has handed on
		t.Cleanup(func() { _ = os.RemoveAll(made) })
	}
	v.image = filepath.Join(dir, "disk.img")
	if kind == "xfs" {
		v.must("truncate", "-s", "320M", v.image)
		v.must("mkfs.xfs", "-q", "-f", v.image)
	} else {
		v.must("truncate", "-s", "256M", v.image)
		v.must("mkfs.ext4", "-q", "-m", "0", "-F", v.image)
	}
	v.mount()
	t.Cleanup(func() {
		if v.mounted {
			v.unmount()
		}
	})
	return v
}

func (v *Volume) must(name string, args ...string) {
	v.T.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		v.T.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

func (v *Volume) mount() {
	v.T.Helper()
	options := "loop"
	if v.kind == "ext4" {
		options += ",commit=1000,noauto_da_alloc"
	}
	v.must("mount", "-o", options, v.image, v.Path)
	v.mounted = true
}

// Sync hands everything on to the disk.
func (v *Volume) Sync() {
	v.T.Helper()
	v.must("sync", "-f", v.Path)
}

// unmount waits a little for processes that were killed a moment ago.
func (v *Volume) unmount() {
	v.T.Helper()
	var err error
	for range 200 {
		if err = syscall.Unmount(v.Path, 0); !errors.Is(err, syscall.EBUSY) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		v.T.Fatalf("umount %s: %v", v.Path, err)
	}
	v.mounted = false
}

// Cut takes the power away: what the file system has not handed to the disk is
// lost, its journal included (FS_IOC_SHUTDOWN with FS_SHUTDOWN_FLAGS_NOLOGFLUSH).
// Every access fails from then on.
func (v *Volume) Cut() {
	v.T.Helper()
	const shutdown, noLogFlush = 0x8004587D, 2
	dir, err := os.Open(v.Path)
	if err != nil {
		v.T.Fatal(err)
	}
	defer func() { _ = dir.Close() }()
	flags := uint32(noLogFlush)
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, dir.Fd(), shutdown, uintptr(unsafe.Pointer(&flags))); errno != 0 {
		v.T.Fatalf("the file system cannot be shut down: %v", errno)
	}
}

// Back gives the power back, once nobody uses the volume any more.
func (v *Volume) Back() {
	v.T.Helper()
	v.unmount()
	v.mount()
}

// Freeze has the file system become read-only under its users, as it does when the
// card fails.
func (v *Volume) Freeze() {
	v.T.Helper()
	// The kernel answers that the file system was broken, which is the wish.
	out, err := exec.Command("mount", "-o", "remount,abort", v.Path).CombinedOutput()
	probe := filepath.Join(v.Path, "probe")
	if os.WriteFile(probe, []byte{1}, 0o600) == nil {
		v.T.Fatal(fmt.Errorf("the file system can still be written: %v %s", err, out))
	}
}
