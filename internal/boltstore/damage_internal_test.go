package boltstore

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
	"edgegw/internal/storetest"
)

// harm flips a bit of a stored value, through bbolt itself so that all pages
// stay sound.
func harm(t testing.TB, tx *bolt.Tx, key []byte, names ...[]byte) error {
	bucket := tx.Bucket(names[0])
	for _, name := range names[1:] {
		bucket = bucket.Bucket(name)
	}
	value := append([]byte(nil), bucket.Get(key)...)
	if len(value) == 0 {
		t.Fatalf("nothing at %x", key)
	}
	value[len(value)/2] ^= 4
	return bucket.Put(key, value)
}

func TestDamagedMessagesAreLeftOut(t *testing.T) {
	site := storetest.NewSite()
	damaged := 0
	h := openTest(t, site, "", func(o *HistoryOptions) { o.Observer.Damaged = func(n int) { damaged += n } })
	start := gateway.Timestamp(site.Now().UnixMilli())
	for i := range 20 {
		storetest.Publish(t, h, site, "r", fmt.Sprint(i))
		site.Advance(time.Millisecond)
	}
	h.settle(t)
	err := h.db.Update(func(tx *bolt.Tx) error {
		for _, seq := range []gateway.Seq{1, 9, 10, 11, 20} {
			if err := harm(t, tx, seqKey(seq), bucketMessages, []byte("r")); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		query gateway.HistoryQuery
		want  []gateway.Seq
	}{
		{gateway.HistoryQuery{Limit: 5, OldestFirst: true}, []gateway.Seq{2, 3, 4, 5, 6}},
		{gateway.HistoryQuery{Limit: 4, After: 7, OldestFirst: true}, []gateway.Seq{8, 12, 13, 14}},
		{gateway.HistoryQuery{Limit: 4}, []gateway.Seq{16, 17, 18, 19}},
		{gateway.HistoryQuery{Limit: 3, Before: 13}, []gateway.Seq{7, 8, 12}},
		{gateway.HistoryQuery{Limit: 2, From: start + 9, OldestFirst: true}, []gateway.Seq{12, 13}},
		{gateway.HistoryQuery{Limit: 2, To: start + 9}, []gateway.Seq{7, 8}},
		{gateway.HistoryQuery{Limit: 9, After: 8, Before: 12}, nil},
	}
	for _, test := range tests {
		page, err := h.Page("r", test.query)
		if err != nil {
			t.Fatal(err)
		}
		var got []gateway.Seq
		for _, m := range page.Messages {
			got = append(got, m.Seq)
		}
		if fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%+v: %v; want %v", test.query, got, test.want)
		}
	}
	if damaged == 0 {
		t.Error("nobody was told")
	}
}

// TestMessageUnderAnotherKey moves a sound value to another seq and room.
func TestMessageUnderAnotherKey(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	for _, room := range []gateway.RoomID{"a", "b"} {
		for range 3 {
			storetest.Publish(t, h, site, room, string(room))
		}
	}
	h.settle(t)
	err := h.db.Update(func(tx *bolt.Tx) error {
		a, b := tx.Bucket(bucketMessages).Bucket([]byte("a")), tx.Bucket(bucketMessages).Bucket([]byte("b"))
		if err := a.Put(seqKey(2), append([]byte(nil), b.Get(seqKey(2))...)); err != nil {
			return err
		}
		return a.Put(seqKey(3), append([]byte(nil), a.Get(seqKey(1))...))
	})
	if err != nil {
		t.Fatal(err)
	}
	if all := storetest.All(t, h, "a"); len(all) != 1 || all[0].Seq != 1 {
		t.Errorf("served %+v", all)
	}
}

func TestDamagedLogEntriesAreLeftOut(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	for i := range 5 {
		storetest.Publish(t, h, site, "r", fmt.Sprint(i))
	}
	h.flush(t)
	path := h.copyFile(t)
	edit(t, path, func(tx *bolt.Tx) error { return harm(t, tx, seqKey(3), bucketLog) })
	damaged := 0
	after := openTest(t, site, path, func(o *HistoryOptions) { o.Observer.Damaged = func(n int) { damaged += n } })
	if all := storetest.All(t, after, "r"); len(all) != 4 || all[2].Seq != 4 || damaged != 1 {
		t.Errorf("%d messages are left and %d were told of", len(all), damaged)
	}
	storetest.Publish(t, after, site, "r", "on")
	after.settle(t)
	if all := storetest.All(t, after, "r"); len(all) != 5 || all[4].Seq != 6 {
		t.Errorf("%d messages after one more", len(all))
	}
}

// TestDamagedHeadIsMadeAnew keeps one flipped bit from stopping the gateway, and
// from giving a seq twice in an epoch.
func TestDamagedHeadIsMadeAnew(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	for range 10 {
		storetest.Publish(t, h, site, "r", "x")
		storetest.Publish(t, h, site, "other", "x")
	}
	h.settle(t)
	before, _ := h.Head("r")
	path := h.opts.Path
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	edit(t, path, func(tx *bolt.Tx) error { return harm(t, tx, []byte("r"), bucketRooms) })
	h = openTest(t, site, path, nil)
	head, _ := h.Head("r")
	if head.Seq != 10 || head.Oldest != 1 || head.TS != before.TS || head.Epoch == before.Epoch {
		t.Errorf("the head went from %+v to %+v", before, head)
	}
	storetest.Publish(t, h, site, "r", "y")
	h.settle(t)
	if n := len(storetest.All(t, h, "r")); n != 11 {
		t.Errorf("%d messages", n)
	}
}

// TestDamagedFreelist has bbolt give up while it opens the file, with the lock in
// its hands.
func TestDamagedFreelist(t *testing.T) {
	o := newOriginal(t)
	path := filepath.Join(t.TempDir(), "history.db")
	if err := os.WriteFile(path, o.bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	meta, _, err := newestMeta(file)
	if err != nil {
		t.Fatal(err)
	}
	var kind [2]byte
	binary.NativeEndian.PutUint16(kind[:], leafPage)
	if _, err := file.WriteAt(kind[:], int64(meta.freelist*meta.pageSize)+8); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	m := &mutant{original: o, t: t, site: storetest.NewSite(), path: path}
	h := m.open()
	if kept := m.checkMessages(h); m.saved == "" || kept != 3200 {
		t.Errorf("%d of 3200 messages were saved (%q)", kept, m.saved)
	}
	m.goOn(h)
}

// A key that has grown a byte, as one flipped bit of its length does, hides one
// message, not those behind it, and goes with its neighbours.
func TestDamagedKey(t *testing.T) {
	for _, at := range []gateway.Seq{1, 10, 20} {
		site := storetest.NewSite()
		h := openTest(t, site, "", nil)
		for i := range 20 {
			storetest.Publish(t, h, site, "r", fmt.Sprint(i+1))
		}
		h.settle(t)
		err := h.db.Update(func(tx *bolt.Tx) error {
			bucket := tx.Bucket(bucketMessages).Bucket([]byte("r"))
			value := append([]byte(nil), bucket.Get(seqKey(at))...)
			if err := bucket.Delete(seqKey(at)); err != nil {
				return err
			}
			disk := scanRoomDisk(tx, "r")
			if err := bucket.Put(append(seqKey(at), value[0]), value[1:]); err != nil {
				return err
			}
			if again := scanRoomDisk(tx, "r"); again.filled != disk.filled || again.ts != disk.ts {
				t.Errorf("the head is made anew as %+v, as %+v without the key", again, disk)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range []gateway.HistoryQuery{{Limit: 100, OldestFirst: true}, {Limit: 100}, {Limit: 100, Before: 21}, {Limit: 100, After: 0, OldestFirst: true}} {
			page, err := h.Page("r", q)
			if err != nil || len(page.Messages) != 19 {
				t.Errorf("key %d, query %+v: %d messages, %v", at, q, len(page.Messages), err)
			}
		}
		set := site.Settings("r")
		set.MaxMessages = 2
		if err := h.PutSettings("r", set); err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			storetest.Publish(t, h, site, "r", fmt.Sprint("more ", i))
		}
		h.settle(t)
		keys := 0
		_ = h.db.View(func(tx *bolt.Tx) error {
			return tx.Bucket(bucketMessages).Bucket([]byte("r")).ForEach(func(_, _ []byte) error { keys++; return nil })
		})
		if head, err := h.Head("r"); keys != 2 || head.Seq != 24 || head.Oldest != 23 || err != nil {
			t.Errorf("key %d: %d are kept, head %+v, %v", at, keys, head, err)
		}
	}
}
