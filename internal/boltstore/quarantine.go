package boltstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

const (
	// walkTime is how long a start looks for damage. What it does not reach is
	// found when it is used.
	walkTime = 500 * time.Millisecond
	// salvageTime is how long a start may take to save what is in a damaged
	// file. What is left over stays in the file that is put aside.
	salvageTime = 8 * time.Second
	// keptBad is how many damaged files are kept.
	keptBad = 3
	badMark = ".bad-"
)

// A history in which a reader or the writer meets damage is marked with a file
// beside it: the next start salvages it before anything else.
func markOf(path string) string { return path + ".damaged" }

// foundDamage has the store end, so that the next start mends it.
func (h *History) foundDamage(err error) {
	if !h.sick.CompareAndSwap(nil, &err) {
		return
	}
	h.markDamaged()
	signal(h.wake)
}

func (h *History) markDamaged() {
	if err := os.WriteFile(markOf(h.opts.Path), nil, 0o600); err != nil {
		h.log.Error("the history is damaged, and that cannot be noted", "event", "history_damaged", "reason", err.Error())
	}
}

// checkPages looks at the file that was just opened, as long as a start may take.
func checkPages(opts *HistoryOptions) error {
	if _, err := os.Lstat(markOf(opts.Path)); err == nil {
		return refuseDamaged(opts.Path, errMarked)
	}
	began := opts.Now()
	return walkFile(opts.Path, func() bool { return opts.Now().Sub(began) > walkTime })
}

var errMarked = errors.New("damage was met while it was in use")

// quarantine puts a damaged history aside under a name of its own, and what can
// be saved of it in its place. Until the new file is whole and on disk the damaged
// one stays where it is, so that this can begin again after a power cut.
func quarantine(opts *HistoryOptions, cause error) (err error) {
	path := opts.Path
	dir, err := lockFolder(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	opts.Logger.Error("the history is damaged: it is put aside, and what is sound of it is saved", "event", "history_damaged", "reason", cause.Error())
	if err := lockAlone(path); err != nil {
		return err
	}
	tmp := path + ".tmp"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return refusePath(path, err)
	}
	began := opts.Now()
	report, err := salvage(path, tmp, func() bool { return opts.Now().Sub(began) > salvageTime })
	if err != nil {
		// An empty one is better than none.
		opts.Logger.Error("nothing could be saved of the history", "event", "salvage_failed", "reason", err.Error())
		report = salvageReport{}
	}
	bad, err := setAside(path, opts.Now())
	if err != nil {
		return refuse(err, "%s is damaged and cannot be put aside; check the disk and the folder", path)
	}
	if err := putInPlace(tmp, path); err != nil {
		return refusePath(path, err)
	}
	if err := dir.Sync(); err != nil {
		return refusePath(path, err)
	}
	if err := os.Remove(markOf(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return refusePath(path, err)
	}
	saved := fmt.Sprintf("%d messages in %d rooms were saved", report.messages, report.rooms)
	opts.Logger.Error("the history was salvaged", "event", "history_salvaged", "messages", report.messages, "rooms", report.rooms,
		"rooms_harmed", report.harmed, "left_out", report.damaged, "in_time", report.inTime, "kept_as", bad)
	if opts.Observer.Quarantined != nil {
		opts.Observer.Quarantined(saved + ", the damaged file is " + filepath.Base(bad))
	}
	return nil
}

// lockAlone makes sure that no other process has the file, which may have mended
// it meanwhile.
func lockAlone(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return refusePath(path, err)
	}
	if err = errors.Join(lockFile(file), file.Close()); err != nil {
		return refuseInUse(path, err)
	}
	return nil
}

// setAside gives the file a second name, and takes the oldest of those that were
// set aside before away. On file systems without links it moves the file.
func setAside(path string, now time.Time) (bad string, err error) {
	old, err := filepath.Glob(path + badMark + "*")
	if err != nil {
		return "", err
	}
	slices.Sort(old)
	for len(old) >= keptBad {
		if err := os.Remove(old[0]); err != nil {
			return "", err
		}
		old = old[1:]
	}
	for n := 0; ; n++ {
		bad = path + badMark + now.UTC().Format("20060102-150405")
		if n > 0 {
			bad += fmt.Sprintf(".%d", n)
		}
		switch err := os.Link(path, bad); {
		case errors.Is(err, fs.ErrExist):
		case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EOPNOTSUPP):
			return bad, os.Rename(path, bad)
		default:
			return bad, err
		}
	}
}

// putInPlace moves the new file over the damaged one, or takes that away when
// there is none.
func putInPlace(tmp, path string) error {
	err := os.Rename(tmp, path)
	if errors.Is(err, fs.ErrNotExist) {
		err = os.Remove(path)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	return err
}
