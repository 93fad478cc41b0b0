package boltstore

import (
	"fmt"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
	"edgegw/internal/storetest"
)

// TestStoreStaysUnderItsCap writes several times the cap into two rooms, a
// quiet old one first.
func TestStoreStaysUnderItsCap(t *testing.T) {
	const most = 16 << 20
	site := storetest.NewSite()
	h := openTest(t, site, "", func(o *HistoryOptions) { o.MaxStoreBytes = most })
	h.db.NoSync = true // only pages are looked at here
	for range 100 {
		storetest.Publish(t, h, site, "quiet", "old")
	}
	payload := strings.Repeat("x", 1000)
	for i := range 50_000 {
		site.Advance(time.Millisecond)
		storetest.Publish(t, h, site, gateway.RoomID(fmt.Sprint("busy-", i%2)), payload)
		if i%50 == 0 {
			h.flush(t)
			for h.purge {
				if err := h.purgeSome(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	h.settle(t)
	if used := h.SizeBytes(); used > most {
		t.Errorf("the file grew to %d bytes under a cap of %d", used, most)
	}
	if quiet, _ := h.Head("quiet"); quiet.Seq != 100 || quiet.Oldest != 101 {
		t.Errorf("the quiet room is at %+v", quiet)
	}
	a, b := storetest.All(t, h, "busy-0"), storetest.All(t, h, "busy-1")
	if n := len(a) + len(b); n < 8_000 || n > 13_000 {
		t.Errorf("%d messages of 1,000 bytes are kept under a cap of 16 MiB", n)
	}
	if d := a[0].TS - b[0].TS; d < -64 || d > 64 {
		t.Errorf("one room keeps messages that are %d ms older than the other's", d)
	}
	checkDisk(t, h)
}

// TestPurgeIsBounded lowers a limit far below what is stored.
func TestPurgeIsBounded(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	h.db.NoSync = true
	for range 4*purgeBatch + 100 {
		storetest.Publish(t, h, site, "r", "x")
	}
	h.settle(t)
	site.Change(func(s *gateway.RoomSettings) { s.MaxMessages = 50 })
	h.sweep()
	rounds := 0
	for before := h.rooms["r"].disk.count; h.purge; rounds++ {
		if err := h.purgeSome(); err != nil {
			t.Fatal(err)
		}
		after := h.rooms["r"].disk.count
		if before-after > purgeBatch {
			t.Fatalf("one transaction deleted %d messages", before-after)
		}
		before = after
	}
	if rounds < 4 || len(storetest.All(t, h, "r")) != 50 {
		t.Errorf("%d rounds left %d messages", rounds, len(storetest.All(t, h, "r")))
	}
	checkDisk(t, h)
}

// TestWriterPurgesInTheBackground has nothing but the writer's own ticks once
// all is on disk.
func TestWriterPurgesInTheBackground(t *testing.T) {
	site := storetest.NewSite()
	site.Change(func(s *gateway.RoomSettings) { s.MaxAge = time.Hour })
	h := openTest(t, site, "", func(o *HistoryOptions) { o.RetentionEvery, o.fillRecords = time.Millisecond, 10 })
	running(t, h)
	for range 25 {
		storetest.Publish(t, h, site, "r", "x")
	}
	await(t, func() bool { return h.view("r", true).head.Seq == 25 })
	site.Advance(2 * time.Hour)
	await(t, func() bool { return h.view("r", true).head.Oldest == 26 })
}

func await(t *testing.T, ok func() bool) {
	t.Helper()
	for range 10_000 {
		if ok() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("it did not happen within 10 s")
}

// TestFillMovesTheLog looks at the log and the tail around the fill's limits.
func TestFillMovesTheLog(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", func(o *HistoryOptions) { o.fillRecords = 10 })
	for n := 1; n <= 35; n++ {
		storetest.Publish(t, h, site, gateway.RoomID(fmt.Sprint("room-", n%2)), "x")
		h.flush(t)
		want := n % 10
		if got := logged(t, h); got != want || h.tail.records != want || inTails(h) != want {
			t.Fatalf("after %d: %d in the log, %d counted, %d in memory; want %d", n, got, h.tail.records, inTails(h), want)
		}
	}
	checkDisk(t, h)
	h = openTest(t, site, "", nil)
	for range 9 { // of more than 128 KiB each
		storetest.Publish(t, h, site, "large", strings.Repeat("x", fillBytes/8))
		h.flush(t)
	}
	if got := logged(t, h); got != 1 {
		t.Errorf("%d in the log; want a fill at %d bytes", got, fillBytes)
	}
	checkDisk(t, h)
}

func logged(t testing.TB, h *History) (n int) {
	err := h.db.View(func(tx *bolt.Tx) error {
		n = tx.Bucket(bucketLog).Stats().KeyN
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func inTails(h *History) (n int) {
	for _, r := range h.rooms {
		n += len(r.tail)
	}
	return n
}

// checkDisk compares the stored heads with what the buckets hold, and has bbolt
// check its pages.
func checkDisk(t testing.TB, h *History) {
	t.Helper()
	err := h.db.View(func(tx *bolt.Tx) error {
		for err := range tx.Check() {
			t.Error(err)
		}
		for id, r := range h.rooms {
			disk, ok := readRoomDisk(id, tx.Bucket(bucketRooms).Get([]byte(id)), new([]byte))
			made := scanRoomDisk(tx, id)
			if made.count == 0 {
				made.first, made.firstTS, made.filled, made.ts = disk.filled+1, disk.firstTS, disk.filled, disk.ts
			}
			made.generation, made.epoch = disk.generation, disk.epoch
			if !ok || disk != r.disk || disk != made {
				t.Errorf("room %s: stored %+v\nin memory %+v\nin the bucket %+v", id, disk, r.disk, made)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
