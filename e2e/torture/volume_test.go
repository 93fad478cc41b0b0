package torture_test

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

// volume is a file system of its own in a file, whose power can be cut.
type volume struct {
	t           testing.TB
	kind, image string
	path        string // where it is mounted
	mounted     bool
}

// newVolume makes an ext4 or an xfs that lives as long as the test. ext4 is mounted
// so that nothing reaches the disk by itself within the time of a test, and so that
// it does not make up for a file that is renamed before it was synced.
func newVolume(t testing.TB, kind string) *volume {
	t.Helper()
	v := &volume{t: t, kind: kind, path: t.TempDir()}
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

func (v *volume) must(name string, args ...string) {
	v.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		v.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

func (v *volume) mount() {
	v.t.Helper()
	options := "loop"
	if v.kind == "ext4" {
		options += ",commit=1000,noauto_da_alloc"
	}
	v.must("mount", "-o", options, v.image, v.path)
	v.mounted = true
}

// unmount waits a little for processes that were killed a moment ago.
func (v *volume) unmount() {
	v.t.Helper()
	var err error
	for range 200 {
		if err = syscall.Unmount(v.path, 0); !errors.Is(err, syscall.EBUSY) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		v.t.Fatalf("umount %s: %v", v.path, err)
	}
	v.mounted = false
}

// cut takes the power away: what the file system has not handed to the disk is
// lost, its journal included (FS_IOC_SHUTDOWN with FS_SHUTDOWN_FLAGS_NOLOGFLUSH).
// Every access fails from then on.
func (v *volume) cut() {
	v.t.Helper()
	const shutdown, noLogFlush = 0x8004587D, 2
	dir, err := os.Open(v.path)
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = dir.Close() }()
	flags := uint32(noLogFlush)
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, dir.Fd(), shutdown, uintptr(unsafe.Pointer(&flags))); errno != 0 {
		v.t.Fatalf("the file system cannot be shut down: %v", errno)
	}
}

// back gives the power back, once nobody uses the volume any more.
func (v *volume) back() {
	v.t.Helper()
	v.unmount()
	v.mount()
}

// freeze has the file system become read-only under its users, as it does when the
// card fails.
func (v *volume) freeze() {
	v.t.Helper()
	// The kernel answers that the file system was broken, which is the wish.
	out, err := exec.Command("mount", "-o", "remount,abort", v.path).CombinedOutput()
	probe := filepath.Join(v.path, "probe")
	if os.WriteFile(probe, []byte{1}, 0o600) == nil {
		v.t.Fatal(fmt.Errorf("the file system can still be written: %v %s", err, out))
	}
}
