package boltstore

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"edgegw/internal/gateway"
)

// refuse makes the error of a store that cannot be used. The operator sees the
// message and the cause.
func refuse(cause error, format string, args ...any) *gateway.Error {
	e := gateway.Errorf(gateway.CodeUnavailable, format, args...)
	e.Op = "boltstore"
	if cause != nil {
		e.Err = fmt.Errorf("%s (%w)", e.Message, cause)
	}
	return e
}

func refuseInUse(path string, cause error) *gateway.Error {
	e := refuse(cause, "%s is in use by another process; stop it first, or give this one another data_dir", path)
	e.Code = gateway.CodeConflict
	return e
}

// damage is the cause of every refusal of a file that is damaged, and not merely
// in the wrong place.
type damage struct{ error }

func (d damage) Unwrap() error { return d.error }

func isDamaged(err error) bool { return errors.As(err, new(damage)) }

func refuseDamaged(path string, cause error) *gateway.Error {
	return refuse(damage{cause}, "%s is damaged; keep a copy of it, then restore a backup, or move it away to start with an empty one", path)
}

// refusePath says why a file could not be opened or made.
func refusePath(path string, cause error) *gateway.Error {
	dir := filepath.Dir(path)
	switch {
	case errors.Is(cause, fs.ErrNotExist):
		return refuse(cause, "the folder %s does not exist; create it, or choose another data_dir", dir)
	case errors.Is(cause, fs.ErrPermission):
		return refuse(cause, "no permission to read and write %s; give the folder and the file to the user that runs the gateway", path)
	}
	return refuse(cause, "%s cannot be opened; check the disk and the folder", path)
}
