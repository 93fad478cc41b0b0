package boltstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

// The bucket that both files have, and its keys.
var (
	bucketMeta = []byte("meta")
	keyKind    = []byte("kind")
	keySchema  = []byte("schema")
)

// schema is what a file holds and how it came to be so.
type schema struct {
	// kind tells the two files apart, should someone swap them.
	kind string
	// first makes schema version 1 in an empty file.
	first func(*bolt.Tx) error
	// steps holds the migrations: steps[i] brings version i+1 to i+2. Each
	// runs in one transaction of its own.
	steps []func(*bolt.Tx) error
}

func (s schema) version() uint32 { return uint32(1 + len(s.steps)) }

// create fills an empty file. New files take the same steps as old ones, so
// that there is one way to arrive at the current version.
func (s schema) create(tx *bolt.Tx) error {
	meta, err := tx.CreateBucket(bucketMeta)
	if err != nil {
		return err
	}
	if err := meta.Put(keyKind, []byte(s.kind)); err != nil {
		return err
	}
	if err := s.first(tx); err != nil {
		return err
	}
	for _, step := range s.steps {
		if err := step(tx); err != nil {
			return err
		}
	}
	return putSchema(tx, s.version())
}

var errNoKind = errors.New("what it says of itself is missing")

// looksLikeOurs reports whether a file that does not say what it is has a bucket
// that only our files have.
func looksLikeOurs(tx *bolt.Tx) bool {
	for _, name := range append([][]byte{bucketLog, bucketMessages, bucketRooms, bucketEpochs, bucketIDs}, buckets[binAccounts:]...) {
		if tx.Bucket(name) != nil {
			return true
		}
	}
	return tx.Bucket(bucketMeta) != nil
}

func putSchema(tx *bolt.Tx, version uint32) error {
	return tx.Bucket(bucketMeta).Put(keySchema, binary.BigEndian.AppendUint32(nil, version))
}

// upgrade refuses a file of another kind or of a newer version, and runs the
// steps that an older one lacks.
func (s schema) upgrade(db *bolt.DB, path string) (err error) {
	var have uint32
	err = db.View(func(tx *bolt.Tx) (err error) {
		have, err = s.read(tx, path)
		return err
	})
	if err != nil || have == s.version() {
		return err
	}
	if err := keepOld(db, path, have); err != nil {
		return refuse(err, "%s has schema version %d and could not be copied before it is brought to version %d; free as much space as it takes", path, have, s.version())
	}
	for ; have < s.version(); have++ {
		err := db.Update(func(tx *bolt.Tx) error {
			if err := s.steps[have-1](tx); err != nil {
				return err
			}
			return putSchema(tx, have+1)
		})
		if err != nil {
			return refuse(err, "%s could not be brought to schema version %d; the file as it was is %s", path, have+1, oldName(path, have))
		}
	}
	return nil
}

// oldName is where a file is kept as it was before its migration.
func oldName(path string, version uint32) string { return fmt.Sprintf("%s.v%d", path, version) }

// keepOld copies the file before its migration: whoever has to go back to the
// edgegw of before needs it. A start that was cut off copies again.
func keepOld(db *bolt.DB, path string, version uint32) error {
	tmp := oldName(path, version) + ".tmp"
	if err := removeIfThere(tmp); err != nil {
		return err
	}
	err := db.View(func(tx *bolt.Tx) error { return tx.CopyFile(tmp, 0o600) })
	if err == nil {
		err = errors.Join(syncFile(tmp), os.Rename(tmp, oldName(path, version)), syncDir(filepath.Dir(path)))
	}
	return err
}

// DropOld removes what a migration before this start has kept of the file at path.
func DropOld(path string) error {
	old, err := filepath.Glob(escapeGlob(path) + ".v[0-9]*")
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range old {
		errs = append(errs, removeIfThere(name))
	}
	return errors.Join(errs...)
}

// newerSchemas is how many versions ahead a file may be of a newer edgegw: one that
// is further ahead says so by a flipped bit.
const newerSchemas = 100

func (s schema) read(tx *bolt.Tx, path string) (uint32, error) {
	meta := tx.Bucket(bucketMeta)
	if meta == nil || meta.Get(keyKind) == nil || len(meta.Get(keySchema)) != 4 {
		if looksLikeOurs(tx) {
			return 0, refuseDamaged(path, errNoKind)
		}
		return 0, refuse(nil, "%s is no edgegw store; move it away, or choose another data_dir", path)
	}
	switch kind := string(meta.Get(keyKind)); kind {
	case s.kind:
	case identitySchema().kind, historySchema().kind:
		return 0, refuse(nil, "%s is the %s store, not the %s store; put the files back under their own names", path, kind, s.kind)
	default:
		return 0, refuseDamaged(path, fmt.Errorf("it says that it is the %q store", kind))
	}
	have := binary.BigEndian.Uint32(meta.Get(keySchema))
	if have < 1 || have > s.version()+newerSchemas {
		return 0, refuseDamaged(path, fmt.Errorf("it says that its schema version is %d", have))
	}
	if have > s.version() {
		return 0, refuse(nil, "%s has schema version %d and this edgegw knows up to %d; run the newer edgegw, or restore an older backup",
			path, have, s.version())
	}
	return have, nil
}

// SchemaVersions names the versions that both files have once they are open.
func SchemaVersions() int64 {
	return int64(identitySchema().version())<<16 | int64(historySchema().version())
}
