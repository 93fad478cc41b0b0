package boltstore

import (
	"errors"
	"os"
	"path/filepath"
)

// place is the file that a path named when it was opened.
type place struct {
	path string
	file os.FileInfo
}

func placeOf(path string) (place, error) {
	info, err := os.Stat(path)
	if err != nil {
		return place{}, refusePath(path, err)
	}
	return place{path, info}, nil
}

var errElsewhere = errors.New("another file stands at its path now")

// check returns an error unless the path still names the file. What is written to a
// file that was removed, or moved away with its folder, succeeds, and is gone with
// the process.
func (p place) check() error {
	now, err := os.Stat(p.path)
	if err == nil && !os.SameFile(now, p.file) {
		err = errElsewhere
	}
	if err == nil {
		return nil
	}
	return refuse(err, "%s was removed or replaced while the gateway had it open; put the folder %s back, and start again", p.path, filepath.Dir(p.path))
}
