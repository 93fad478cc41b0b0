package boltstore

import (
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	bolterrors "go.etcd.io/bbolt/errors"

	"edgegw/internal/gateway"
)

// reserveFile is the name of the reserve in the data folder.
const reserveFile = "reserve"

const (
	// reserveBytes is the size of the reserve, on small disks an eighth of the
	// disk. It holds more than the queue of the history, so that what was
	// announced before the disk was full can still be stored.
	reserveBytes = 16 << 20
	reserveShare = 8
	// lastShare is the part of the reserve that is kept for a start.
	lastShare = 4
	// spaceFactor is how many reserves have to be free until messages are
	// taken again: on the edge the gateway would go to and fro.
	spaceFactor = 2
	// fullRetry is what publishers are told to wait.
	fullRetry = 5 * time.Second
)

// Space knows whether the disk of both stores is full, and keeps a reserve on it.
// When it runs out the reserve is given up: what was announced by then, logins,
// deletions and retention live on it, while new messages for stored rooms are
// refused. A part of it stays until a store could not be opened without. A nil
// Space has no reserve, and is never full.
type Space struct {
	dir  string
	log  *slog.Logger
	full atomic.Bool

	mu   sync.Mutex
	held bool
}

// OpenSpace makes the reserve in the data folder, if there is space for it.
func OpenSpace(dir string, log *slog.Logger) *Space {
	s := &Space{dir: dir, log: log}
	free, size := s.disk()
	info, err := os.Stat(s.path())
	s.held = err == nil && info.Size() >= size
	if !s.held && free >= spaceFactor*size {
		s.hold(size)
	}
	return s
}

func (s *Space) path() string { return filepath.Join(s.dir, reserveFile) }

// disk is what may still be used of the disk, and how large the reserve is, in
// bytes.
func (s *Space) disk() (free, reserve int64) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(s.dir, &st); err != nil {
		return 0, reserveBytes
	}
	block := int64(st.Bsize)
	return int64(st.Bavail) * block, min(reserveBytes, int64(st.Blocks)*block/reserveShare)
}

// freeBytes is what may still be used of the folder's disk; all there could be when
// that cannot be told.
func freeBytes(dir string) int64 {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return math.MaxInt64
	}
	return int64(st.Bavail) * int64(st.Bsize)
}

// hold takes the reserve. That it fails is no error: the next look tries again.
func (s *Space) hold(size int64) {
	file, err := os.OpenFile(s.path(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return
	}
	err = syscall.Fallocate(int(file.Fd()), 0, 0, size)
	if errors.Is(err, syscall.EOPNOTSUPP) {
		err = writeZeros(file, size)
	}
	if s.held = errors.Join(err, file.Close()) == nil; !s.held {
		_ = os.Remove(s.path()) // half of it is space that others lack
	}
}

// writeZeros does by hand what file systems do that know fallocate.
func writeZeros(file *os.File, size int64) error {
	zeros := make([]byte, 64<<10)
	for at := int64(0); at < size; at += int64(len(zeros)) {
		if _, err := file.WriteAt(zeros, at); err != nil {
			return err
		}
	}
	return nil
}

// Full reports whether messages for stored rooms are refused.
func (s *Space) Full() bool { return s != nil && s.full.Load() }

// ranOut is told that a commit found no space. It gives the reserve up, and what
// was set aside of damaged files, and reports whether there was any: the commit is
// then worth another try.
func (s *Space) ranOut() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.full.Swap(true) {
		s.log.Error("the disk is full: messages for stored rooms are refused until there is space again", "event", "disk_full")
	}
	held := s.held
	s.held = false
	_, size := s.disk()
	dropped := s.dropBad()
	return held && os.Truncate(s.path(), size/lastShare) == nil || dropped
}

func (s *Space) dropBad() (dropped bool) {
	old, _ := filepath.Glob(filepath.Join(escapeGlob(s.dir), "*.db"+badMark+"*")) // the pattern is good
	for _, name := range old {
		dropped = os.Remove(name) == nil || dropped
	}
	return dropped
}

// lastResort gives up what is left of the reserve, so that a store can be opened,
// and reports whether there was anything.
func (s *Space) lastResort() bool {
	if s == nil {
		return false
	}
	s.ranOut()
	s.mu.Lock()
	defer s.mu.Unlock()
	return os.Remove(s.path()) == nil
}

// Look takes messages again when there is space: on the disk, or in the files,
// which reuse what was deleted; reusable is how much that is, in bytes. It is to
// be called every second or so.
func (s *Space) Look(reusable int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held && !s.full.Load() {
		return
	}
	free, size := s.disk()
	if free+reusable < spaceFactor*size {
		return
	}
	if !s.held && free >= size {
		s.hold(size)
	}
	if s.full.Swap(false) {
		s.log.Info("there is space on the disk again", "event", "disk_space", "free", free, "reusable", reusable, "reserve", s.held)
	}
}

// isFull reports whether a commit failed for want of space. Nothing of it is on
// the disk then, and the file is as it was before: bbolt writes to pages that are
// in use nowhere until all of them are written.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, bolterrors.ErrMaxSizeReached)
}

// fullError is what those get whose change found no space.
func fullError(op string, cause error) error {
	return &gateway.Error{
		Code: gateway.CodeStorageFull, Message: "the gateway's disk is full and nothing was stored; free some space, then try again",
		Op: op, Err: cause, RetryAfter: fullRetry,
	}
}

var errDiskFull = errors.New("the disk is full")
