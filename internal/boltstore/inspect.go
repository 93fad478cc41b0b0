package boltstore

import (
	"errors"
	"fmt"
	"os"
	"strings"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

// Inspection is what a look at all of a file has found.
type Inspection struct {
	// Kind is "identity" or "history", "" when even that cannot be told.
	Kind string
	// Schema is the file's version.
	Schema uint32
	// Values were looked at, Damaged of them, and of the pages, fail their sums
	// or are not where they belong.
	Values, Damaged int
	// Problems says what is wrong, in words; at most 20.
	Problems []string
}

const mostProblems = 20

// What becomes of damage, which an operator wants to know before anything else. The
// first is true of a file that a gateway uses; others stay as they are.
const (
	nextStart = "the next start puts the file aside and keeps what its checksums vouch for"
	forgotten = "sent once more, its message is stored once more"
	leftOut   = "it is left out, and clients are told of a gap"
)

func (i *Inspection) problem(format string, args ...any) {
	i.Damaged++
	if len(i.Problems) < mostProblems {
		i.Problems = append(i.Problems, fmt.Sprintf(format, args...))
	}
}

// Inspect looks at all of a file that nobody writes: its pages, the sum of each
// value, and each room's head against its messages. It changes nothing. It returns
// an error when the file cannot be read at all.
func Inspect(path string) (i Inspection, err error) {
	file, err := os.Open(path)
	if err != nil {
		return i, refusePath(path, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return i, refusePath(path, err)
	}
	if !info.Mode().IsRegular() {
		return i, refuse(nil, "%s is not a regular file", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		i.problem("others may read it (mode %04o); chmod 600 it", info.Mode().Perm())
	}
	meta, _, err := newestMeta(file)
	if err != nil {
		i.problem("it has no valid meta page: it is no edgegw store, or it is damaged, and %s", nextStart)
		return i, nil
	}
	if want := int64(meta.pages * meta.pageSize); info.Size() < want {
		i.problem("it is cut short, %d of %d bytes: %s", info.Size(), want, nextStart)
	}
	r := &pageReader{file: file, pageSize: meta.pageSize, pages: meta.pages, seen: make(map[uint64]bool)}
	i.tree(r, meta.root)
	if r.damaged == 0 && !r.freeAreFree(meta.freelist) {
		i.problem("the list of free pages is damaged: %s", nextStart)
	}
	return i, nil
}

// Inspect is the function of the same name for the file that is open. Pages that
// become free are not used again meanwhile.
func (h *History) Inspect() (Inspection, error) {
	h.opening.RLock()
	defer h.opening.RUnlock()
	return inspectOpen(h.db)
}

// Inspect is the function of the same name for the file that is open.
func (s *Identity) Inspect() (Inspection, error) {
	s.opening.RLock()
	defer s.opening.RUnlock()
	return inspectOpen(s.db)
}

func inspectOpen(db *bolt.DB) (i Inspection, err error) {
	path := db.Path()
	err = guard(path, func() error {
		return db.View(func(tx *bolt.Tx) (err error) {
			file, err := os.Open(path)
			if err != nil {
				return refusePath(path, err)
			}
			size := uint64(db.Info().PageSize)
			r := &pageReader{file: file, pageSize: size, pages: uint64(tx.Size()) / size, seen: make(map[uint64]bool)}
			i.tree(r, uint64(tx.Cursor().Bucket().Root()))
			return file.Close()
		})
	})
	return i, err
}

func (i *Inspection) tree(r *pageReader, root uint64) {
	tops := make(map[string][]byte)
	_ = r.tree(root, func(key, value []byte, bucket bool) error {
		if bucket {
			tops[string(key)] = value
		}
		return nil
	})
	i.meta(r, tops[string(bucketMeta)])
	delete(tops, string(bucketMeta))
	switch i.Kind {
	case "identity":
		i.identity(r, tops)
	case "history":
		i.history(r, tops)
	default:
		i.problem("it does not say what it is: it is no edgegw store, or it is damaged, and %s", nextStart)
	}
	if r.damaged > 0 {
		i.problem("%d pages or entries do not hold together: %s", r.damaged, nextStart)
	}
}

// each goes through a bucket.
func (i *Inspection) each(r *pageReader, top []byte, fn func(key, value []byte, bucket bool)) {
	if top == nil {
		return
	}
	_ = r.bucket(top, func(key, value []byte, bucket bool) error {
		if !bucket {
			i.Values++
		}
		fn(key, value, bucket)
		return nil
	})
}

func (i *Inspection) meta(r *pageReader, top []byte) {
	var scratch []byte
	i.each(r, top, func(key, value []byte, _ bool) {
		switch string(key) {
		case string(keyKind):
			i.Kind = string(value)
		case string(keySchema):
			if len(value) == 4 {
				i.Schema = uint32(value[2])<<8 | uint32(value[3])
			}
		default:
			if _, ok := openSum(value, key, uint64(binMeta), &scratch); !ok {
				i.problem("its own note %q fails its sum: %s", key, nextStart)
			}
		}
	})
}

func (i *Inspection) identity(r *pageReader, tops map[string][]byte) {
	var scratch []byte
	for b := binAccounts; b < bins; b++ {
		i.each(r, tops[string(buckets[b])], func(key, value []byte, _ bool) {
			if soundValue(b, key, value, &scratch) {
				return
			}
			if b == binAccounts {
				i.problem("account %q fails its sum: the next start takes it from the copy or a backup, or leaves it out", key)
			} else {
				i.problem("a record of %s fails its sum: the next start leaves it out", buckets[b])
			}
		})
	}
	for _, b := range []bin{binAccounts, binKeys} {
		if tops[string(buckets[b])] == nil && (b == binAccounts || i.Schema > 1) {
			i.problem("%s is missing: the next start takes it from the copy or a backup", buckets[b])
		}
	}
}

func (i *Inspection) history(r *pageReader, tops map[string][]byte) {
	var scratch []byte
	heads := make(map[string]roomDisk)
	i.each(r, tops[string(bucketRooms)], func(key, value []byte, _ bool) {
		disk, ok := readRoomDisk(gateway.RoomID(key), value, &scratch)
		if heads[string(key)] = disk; !ok {
			i.problem("the head of room %s fails its sum: the next start makes it anew from the messages", key)
			delete(heads, string(key))
		}
	})
	for _, name := range [][]byte{bucketEpochs, bucketSettings} {
		i.each(r, tops[string(name)], func(key, value []byte, _ bool) {
			if _, ok := openSum(value, key, 0, &scratch); !ok {
				i.problem("%s of room %s fail their sum: the room goes on without", name, key)
			}
		})
	}
	i.each(r, tops[string(bucketLog)], func(_, value []byte, _ bool) {
		if _, ok := decodeLogEntry(value, &scratch); !ok {
			i.problem("a message in the log fails its sum: %s", leftOut)
		}
	})
	i.each(r, tops[string(bucketIDs)], func(room, value []byte, _ bool) {
		i.each(r, value, func(key, value []byte, _ bool) {
			if len(key) < 9 {
				i.problem("an id of room %s is damaged: %s", room, forgotten)
				return
			}
			place := string(room) + "\x00" + string(key[:len(key)-9])
			if _, ok := openSum(value, place, uint64(keySeq(key[len(key)-8:])), &scratch); !ok {
				i.problem("an id of room %s fails its sum: %s", room, forgotten)
			}
		})
	})
	i.each(r, tops[string(bucketMessages)], func(room, value []byte, _ bool) {
		i.messages(r, string(room), value, heads)
	})
	i.each(r, tops[string(bucketGarbage)], func(_, value []byte, bucket bool) {
		if bucket { // its pages count, what stands in them is gone
			_ = r.bucket(value, func(_, _ []byte, _ bool) error { return nil })
		}
	})
}

func (i *Inspection) messages(r *pageReader, room string, bucket []byte, heads map[string]roomDisk) {
	var scratch []byte
	var count int64
	var last gateway.Seq
	i.each(r, bucket, func(key, value []byte, _ bool) {
		count++
		last = max(last, keySeq(key))
		if _, ok := decodeMessage(gateway.RoomID(room), keySeq(key), value, &scratch, ""); !ok {
			i.problem("message %d of room %s fails its sum: %s", keySeq(key), strings.ToValidUTF8(room, "?"), leftOut)
		}
	})
	disk, ok := heads[room]
	switch {
	case !ok:
		i.problem("room %s has messages and no head", strings.ToValidUTF8(room, "?"))
	case disk.count != count || disk.filled < last:
		i.problem("room %s has %d messages up to %d; its head says %d up to %d", strings.ToValidUTF8(room, "?"), count, last, disk.count, disk.filled)
	}
}
