package boltstore

import (
	"encoding/binary"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
	"edgegw/internal/storetest"
)

// historyV1 is a file that the store of schema version 1 left at a crash: in
// plant.1, limited to 90 messages, 100 by ann and bob and, after a crash before,
// 20 by ann, with 4 more by bob in the log; in alarms 5 without ids; in late one.
func historyV1(t *testing.T) string {
	t.Helper()
	return rewrite(t, filepath.Join(t.TempDir(), "history.db"), unzipped(t, "testdata/history-v1.db.gz"))
}

// siteV1 is where it was written, some minutes later.
func siteV1(later time.Duration) *storetest.Site {
	site := storetest.NewSite()
	site.Change(func(s *gateway.RoomSettings) { s.MaxMessages = 90 })
	site.Advance(131*time.Second + later)
	return site
}

func checkHistoryV1(t *testing.T, h *History) {
	t.Helper()
	const first, second = "1.4EPL46GBJIUR", "2.R2Q2RHU3SVJD"
	for _, room := range []struct {
		id            gateway.RoomID
		seq, oldest   gateway.Seq
		first, second gateway.Seq // where the epochs ended
	}{{"plant.1", 124, 35, 100, 124}, {"alarms", 5, 1, 5, 5}, {"late", 1, 1, 0, 1}, {"unused", 0, 1, 0, 0}} {
		head, _ := h.Head(room.id)
		all := storetest.All(t, h, room.id)
		if head.Seq != room.seq || head.Oldest != room.oldest || len(all) != int(room.seq-room.oldest)+1 {
			t.Errorf("%s is at %+v with %d messages", room.id, head, len(all))
		}
		want := []gateway.PastEpoch{{Epoch: first, End: room.first}, {Epoch: second, End: room.second}}
		if room.id == "late" { // version 1 did not keep what was before a room's first message
			want = want[1:]
		}
		got, err := h.Past(room.id)
		if room.id == "unused" { // nor of what class such a room has been meanwhile
			want, got = nil, slices.DeleteFunc(got, func(p gateway.PastEpoch) bool { return p.Epoch != first && p.Epoch != second })
		}
		if err != nil || len(got) != len(want) || len(want) > 0 && !cmp.Equal(got, want) {
			t.Errorf("Past(%s) = %+v, %v; want %+v", room.id, got, err, want)
		}
		for _, m := range all {
			if m.ID != "" {
				storetest.CheckFound(t, h, room.id, m)
			}
		}
	}
	found, err := h.Find("plant.1", "bob", "log-3")
	if found.Seq != 124 || found.TS != 1_700_000_130_000 || err != nil {
		t.Errorf("what was in the log: %+v, %v", found, err)
	}
	storetest.CheckNotFound(t, h, "plant.1", "bob", "lost")
	storetest.CheckNotFound(t, h, "alarms", "ann", "")
}

func TestHistoryMigrationFromV1(t *testing.T) {
	path := historyV1(t)
	h := openTest(t, siteV1(time.Minute), path, nil)
	checkHistoryV1(t, h)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if got := schemaOf(t, path); got != 2 {
		t.Errorf("schema version %d", got)
	}
	if got := schemaOf(t, path+".v1"); got != 1 {
		t.Errorf("kept is schema version %d", got)
	}
	site := siteV1(time.Minute)
	h = openTest(t, site, path, nil)
	checkHistoryV1(t, h)
	if err := DropOld(path); err != nil || sizeOf(path+".v1") != 0 || sizeOf(path) == 0 {
		t.Errorf("DropOld: %v, %d bytes are left", err, sizeOf(path+".v1"))
	}
	if err := errors.Join(h.Delete("plant.1"), h.NewEpoch("late"), h.PutSettings("r", gateway.RoomSettings{})); err != nil {
		t.Error(err)
	}
	h.settle(t)
	checkDisk(t, h)
}

// TestFailedHistoryMigrationLeavesV1 has the step fail behind its last write.
func TestFailedHistoryMigrationLeavesV1(t *testing.T) {
	path := historyV1(t)
	failing := historySchema()
	failing.steps = []func(*bolt.Tx) error{func(tx *bolt.Tx) error { return errors.Join(addIDs(tx), errors.New("no")) }}
	if _, err := openStore(storeFile{path: path, schema: failing, mapBytes: 1 << 20}); gateway.CodeOf(err) != gateway.CodeUnavailable {
		t.Errorf("openStore = %v", err)
	}
	if got := schemaOf(t, path); got != 1 {
		t.Errorf("schema version %d", got)
	}
	checkHistoryV1(t, openTest(t, siteV1(0), path, nil))
}

// TestHistoryMigrationIsBounded has a room with more messages than are looked at,
// one of them damaged.
func TestHistoryMigrationIsBounded(t *testing.T) {
	const n = migratedMessages + 50
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	sent := publishIDs(t, h, site, "r", "ann", n)
	h.settle(t)
	path := h.copyFile(t)
	edit(t, path, func(tx *bolt.Tx) error { // back to version 1
		for _, name := range [][]byte{bucketIDs, bucketGarbage, bucketSettings} {
			if err := tx.DeleteBucket(name); err != nil {
				return err
			}
		}
		if err := harm(t, tx, seqKey(n-10), bucketMessages, []byte("r")); err != nil {
			return err
		}
		return tx.Bucket(bucketMeta).Put(keySchema, binary.BigEndian.AppendUint32(nil, 1))
	})
	h = openTest(t, site, path, nil)
	found := 0
	for _, m := range sent {
		f, err := h.Find("r", "ann", m.ID)
		if err != nil || f.Seq != 0 && f.Seq != m.Seq {
			t.Errorf("%s: found %+v, %v", m.ID, f, err)
		}
		if f.Seq != 0 {
			found++
		}
	}
	if found != migratedMessages {
		t.Errorf("%d ids are found, want %d", found, migratedMessages)
	}
}
