package boltstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	// walkTime is how long a start looks for damage. What it does not reach is
	// found when it is used.
	walkTime = 500 * time.Millisecond
	// salvageTime is how long a start may take to save what is in a damaged
	// file: some hundred megabytes from a slow card. What is left over stays in
	// the file that is put aside.
	salvageTime = 45 * time.Second
	// salvageSpace is what a salvage leaves free: it has to be ended, too.
	salvageSpace = 4 << 20
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
	opts.makeSpace()
	report, err := salvage(path, tmp, opts.tooMuch())
	switch {
	case errors.Is(err, errItem), errors.Is(err, errNoState), isDamaged(err):
		// An empty one is better than none.
		opts.Logger.Error("nothing could be saved of the history", "event", "salvage_failed", "reason", err.Error())
		report = salvageReport{}
	case err != nil:
		return refuse(err, "%s is damaged, and what is sound in it cannot be saved; check the disk and its free space", path)
	}
	bad, err := setAside(path, opts.Now(), opts.MaxStoreBytes)
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

// makeSpace gives up what there is to give up when the disk has less free space
// than a copy of the file may take.
func (o *HistoryOptions) makeSpace() {
	if freeBytes(filepath.Dir(o.Path)) >= sizeOf(o.Path)+salvageSpace {
		return
	}
	o.Space.lastResort()
	_ = trimBad(o.Path, 0, 0)
}

// tooMuch says when a salvage that begins now has to come to its end.
func (o *HistoryOptions) tooMuch() func() bool {
	began, dir := o.Now(), filepath.Dir(o.Path)
	return func() bool { return o.Now().Sub(began) > salvageTime || freeBytes(dir) < salvageSpace }
}

// setAside gives the file a second name, and takes those that were set aside
// before away, the oldest first, until there are not too many and all of them
// together have no more than most bytes. On file systems without links it moves the
// file.
func setAside(path string, now time.Time, most int64) (bad string, err error) {
	if err := trimBad(path, keptBad-1, most-sizeOf(path)); err != nil {
		return "", err
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

// trimBad leaves the newest of the files that were set aside: keep of them, with
// most bytes, at most.
func trimBad(path string, keep int, most int64) error {
	old, err := filepath.Glob(escapeGlob(path) + badMark + "*")
	if err != nil {
		return err
	}
	// By when they were written last: their names have the time of a board that
	// may not have known it.
	slices.SortFunc(old, func(a, b string) int { return modified(b).Compare(modified(a)) })
	var errs []error
	for _, name := range old {
		if keep, most = keep-1, most-sizeOf(name); keep < 0 || most < 0 {
			errs = append(errs, removeIfThere(name))
			most = -1 // what is older goes too
		}
	}
	return errors.Join(errs...)
}

func modified(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// escapeGlob makes a pattern that matches the path alone.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}
