package token

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// disk is what a file of keys needs of the file system to appear whole or not at
// all. Tests put one in its place that fails.
type disk struct {
	// write makes a new file and sees to it that its bytes are on the disk.
	write func(path string, content []byte, like fs.FileInfo) error
	// link gives a file a second name, which nothing may have yet.
	link func(from, to string) error
	// rename gives a file another name, whatever had that name before.
	rename func(from, to string) error
	// sync sees to it that the names in a folder are on the disk.
	sync func(folder string) error
}

func osDisk() disk {
	return disk{write: writeSynced, link: os.Link, rename: os.Rename, sync: syncDir}
}

// placeNew makes the file, mode 0600. It never replaces another: the error is
// fs.ErrExist then.
func placeNew(d disk, path string, content []byte) error {
	switch _, err := os.Lstat(path); {
	case err == nil:
		return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	tmp := tempName(path)
	defer os.Remove(tmp)
	if err := d.write(tmp, content, nil); err != nil {
		return err
	}
	// A link fails where a rename would replace the file that another process
	// made meanwhile. File systems without links get the rename.
	switch err := d.link(tmp, path); {
	case errors.Is(err, fs.ErrExist):
		return err
	case err != nil:
		if err := d.rename(tmp, path); err != nil {
			return err
		}
	}
	return d.sync(filepath.Dir(path))
}

// replace puts content in the place of the file whose owner and mode like has.
// Until the rename the old file is there, and after it the new one.
func replace(d disk, path string, content []byte, like fs.FileInfo) error {
	tmp := tempName(path)
	defer os.Remove(tmp)
	if err := d.write(tmp, content, like); err != nil {
		return err
	}
	if err := d.rename(tmp, path); err != nil {
		return err
	}
	return d.sync(filepath.Dir(path))
}

// tempName is in the same folder, for a rename cannot leave its file system, and
// random, so that two processes never write into the same file.
func tempName(path string) string { return path + ".tmp-" + rand.Text() }

// SweepTemp removes what a process that was killed has left of making the file at
// path, secrets among it. The caller sees to it that no other process makes it now.
func SweepTemp(path string) error {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), filepath.Base(path)+".tmp-") {
			errs = append(errs, os.Remove(filepath.Join(filepath.Dir(path), e.Name())))
		}
	}
	return errors.Join(errs...)
}

func writeSynced(path string, content []byte, like fs.FileInfo) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if like != nil {
		err = errors.Join(err, keepOwner(f, like))
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// keepOwner gives f the owner and mode of another file, as far as this user may.
// Whoever can replace a file can do without being its former owner. But when the
// group cannot be kept, its rights go: they would fall to another group.
func keepOwner(f *os.File, like fs.FileInfo) error {
	mode := like.Mode().Perm()
	st, ok := like.Sys().(*syscall.Stat_t)
	if !ok || f.Chown(int(st.Uid), int(st.Gid)) != nil && f.Chown(-1, int(st.Gid)) != nil {
		mode &^= 0o070
	}
	return f.Chmod(mode)
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
