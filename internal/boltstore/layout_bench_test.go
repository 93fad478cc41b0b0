package boltstore_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// BenchmarkLayout compares ways to lay out history in a bbolt file. It is the
// measurement behind docs/decisions/0002-history-layout.md:
//
//	go test -run '^$' -bench Layout -benchtime 1500x ./internal/boltstore
//
// One iteration is one synced commit. Records have 200 bytes; the file holds
// 50,000 of them before the clock starts.
func BenchmarkLayout(b *testing.B) {
	layouts := []struct {
		name string
		make func() layout
	}{
		{"room_buckets", func() layout { return &roomBuckets{} }},
		{"log_only", func() layout { return &logOnly{} }},
		{"log_fill_1000", func() layout { return &logFill{every: 1000} }},
		{"log_fill_5000", func() layout { return &logFill{every: 5000} }},
		{"log_fill_5000_time_index", func() layout { return &logFill{every: 5000, index: true} }},
		{"log_of_commits_fill_5000", func() layout { return &logFill{every: 5000, log: logOnly{blob: true}} }},
	}
	loads := []struct{ rooms, batch int }{{1, 1}, {1, 10}, {10, 10}, {100, 10}, {64, 64}}
	for _, load := range loads {
		for _, l := range layouts {
			b.Run(fmt.Sprintf("rooms=%d/batch=%d/%s", load.rooms, load.batch, l.name), func(b *testing.B) {
				benchLayout(b, l.make(), load.rooms, load.batch)
			})
		}
	}
}

func benchLayout(b *testing.B, l layout, rooms, batch int) {
	db, err := bolt.Open(filepath.Join(b.TempDir(), "layout.db"), 0o600,
		&bolt.Options{FreelistType: bolt.FreelistMapType, InitialMmapSize: 1 << 30})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	feed := newFeed(rooms)
	db.NoSync = true
	for range 50_000 / 64 {
		commit(b, db, l, feed.next(64))
	}
	db.NoSync = false
	if err := db.Sync(); err != nil {
		b.Fatal(err)
	}
	before := writtenBytes(b)
	b.ResetTimer()
	for range b.N {
		commit(b, db, l, feed.next(batch))
	}
	b.StopTimer()
	messages := float64(b.N * batch)
	b.ReportMetric(messages/b.Elapsed().Seconds(), "msgs/s")
	b.ReportMetric(float64(writtenBytes(b)-before)/messages, "B/msg")
	b.ReportMetric(0, "ns/op")
}

func commit(b *testing.B, db *bolt.DB, l layout, recs []layoutRecord) {
	if err := db.Update(func(tx *bolt.Tx) error { return l.put(tx, recs) }); err != nil {
		b.Fatal(err)
	}
}

type layoutRecord struct {
	room  int
	seq   uint64
	value []byte
}

// layoutFeed deals records to rooms in turn, as devices that publish at one
// rate do.
type layoutFeed struct {
	seqs  []uint64
	turn  int
	value []byte
}

func newFeed(rooms int) *layoutFeed {
	return &layoutFeed{seqs: make([]uint64, rooms), value: make([]byte, 200)}
}

func (f *layoutFeed) next(n int) []layoutRecord {
	recs := make([]layoutRecord, n)
	for i := range recs {
		room := f.turn % len(f.seqs)
		f.turn++
		f.seqs[room]++
		recs[i] = layoutRecord{room, f.seqs[room], f.value}
	}
	return recs
}

type layout interface {
	put(tx *bolt.Tx, recs []layoutRecord) error
}

// roomBuckets is a bucket of messages per room.
type roomBuckets struct{}

func (*roomBuckets) put(tx *bolt.Tx, recs []layoutRecord) error {
	all, err := tx.CreateBucketIfNotExists([]byte("messages"))
	if err != nil {
		return err
	}
	for _, r := range recs {
		bk, err := all.CreateBucketIfNotExists(fmt.Appendf(nil, "room-%04d", r.room))
		if err != nil {
			return err
		}
		bk.FillPercent = 1
		if err := bk.Put(binary.BigEndian.AppendUint64(nil, r.seq), r.value); err != nil {
			return err
		}
	}
	return nil
}

// logOnly is the append-only log: a record a key or, as blob, a commit a key.
type logOnly struct {
	blob bool
	n    uint64
}

func (l *logOnly) put(tx *bolt.Tx, recs []layoutRecord) error {
	bk, err := tx.CreateBucketIfNotExists([]byte("log"))
	if err != nil {
		return err
	}
	bk.FillPercent = 1
	if l.blob {
		l.n++
		var v []byte
		for _, r := range recs {
			v = append(v, r.value...)
		}
		return bk.Put(binary.BigEndian.AppendUint64(nil, l.n), v)
	}
	for _, r := range recs {
		l.n++
		if err := bk.Put(binary.BigEndian.AppendUint64(nil, l.n), r.value); err != nil {
			return err
		}
	}
	return nil
}

// logFill appends to the log and moves it into the rooms' buckets now and then;
// index keeps every 32nd message of a room in a bucket of (room, time) besides.
type logFill struct {
	every int
	index bool
	log   logOnly
	rooms roomBuckets
	tail  []layoutRecord
}

func (l *logFill) put(tx *bolt.Tx, recs []layoutRecord) error {
	l.tail = append(l.tail, recs...)
	if len(l.tail) < l.every {
		return l.log.put(tx, recs)
	}
	if err := l.rooms.put(tx, l.tail); err != nil {
		return err
	}
	heads, err := tx.CreateBucketIfNotExists([]byte("rooms"))
	if err != nil {
		return err
	}
	for _, r := range l.tail {
		if err := heads.Put(fmt.Appendf(nil, "room-%04d", r.room), r.value[:60]); err != nil {
			return err
		}
		if l.index && r.seq%32 == 0 {
			idx, err := tx.CreateBucketIfNotExists([]byte("times"))
			if err != nil {
				return err
			}
			key := binary.BigEndian.AppendUint64(fmt.Appendf(nil, "room-%04d", r.room), r.seq)
			if err := idx.Put(key, key[len(key)-8:]); err != nil {
				return err
			}
		}
	}
	l.tail = l.tail[:0]
	if tx.Bucket([]byte("log")) == nil {
		return nil
	}
	return tx.DeleteBucket([]byte("log"))
}

// writtenBytes is what this process sent towards the disk so far.
func writtenBytes(tb testing.TB) int64 {
	data, err := os.ReadFile("/proc/self/io")
	if err != nil {
		tb.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "\nwrite_bytes: ")
	n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}
