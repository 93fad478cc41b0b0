package boltstore

import (
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
	"edgegw/internal/storetest"
)

// inGarbage counts what is left of deleted rooms on disk.
func inGarbage(t testing.TB, h *History) (rooms, entries int) {
	t.Helper()
	err := h.db.View(func(tx *bolt.Tx) error {
		garbage := tx.Bucket(bucketGarbage)
		return garbage.ForEachBucket(func(number []byte) error {
			rooms++
			return garbage.Bucket(number).ForEachBucket(func(name []byte) error {
				entries += garbage.Bucket(number).Bucket(name).Stats().KeyN
				return nil
			})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return rooms, entries
}

// TestDeleteGoesInSteps follows the file from one transaction to the next: each
// touches few messages, and a crash behind any leaves the room as it was or
// deleted.
func TestDeleteGoesInSteps(t *testing.T) {
	const n = 3*purgeBatch + 50
	site := storetest.NewSite()
	var h *History
	var copies []string
	h = openTest(t, site, "", func(o *HistoryOptions) {
		o.Observer.Commit = func(time.Duration, int, int64) {
			if h != nil && h.operating() {
				copies = append(copies, h.copyFile(t))
			}
		}
	})
	h.db.NoSync = true
	sent := publishIDs(t, h, site, "r", "ann", n)
	h.flush(t)
	kept := publishIDs(t, h, site, "kept", "ann", 100)
	h.flush(t)
	logged := publishIDs(t, h, site, "r", "ann", 5)
	old, _ := h.Head("r")
	if err := h.Delete("r"); err != nil {
		t.Fatal(err)
	}
	now, _ := h.Head("r")
	if len(copies) != 3 { // the five, the fill, the deletion
		t.Fatalf("%d transactions", len(copies))
	}
	for i, path := range copies[:2] {
		before := openTest(t, site, path, nil)
		if all := storetest.All(t, before, "r"); len(all) != n+5 {
			t.Errorf("%d messages before step %d", len(all), i+2)
		}
		checkAllFound(t, before, "r", sent[n-100:])
		checkAllFound(t, before, "r", logged)
	}
	rounds := 0
	for path := copies[2]; ; path = h.copyFile(t) {
		crashed := openTest(t, site, path, nil)
		checkDeleted(t, crashed, site, now.Epoch, kept)
		if crashed.db.Close(); !h.purge {
			break
		}
		_, before := inGarbage(t, h)
		if err := h.purgeSome(); err != nil {
			t.Fatal(err)
		}
		if _, after := inGarbage(t, h); before-after > purgeBatch {
			t.Errorf("%d entries went in one transaction", before-after)
		}
		rounds++
	}
	if rooms, entries := inGarbage(t, h); rounds < 4 || rooms != 0 || entries != 0 || now.Epoch == old.Epoch {
		t.Errorf("%d rounds leave %d buckets with %d entries", rounds, rooms, entries)
	}
	h.settle(t)
	checkDisk(t, h)
}

// checkDeleted also has what is left swept.
func checkDeleted(t *testing.T, h *History, site *storetest.Site, epoch gateway.Epoch, kept []gateway.Message) {
	t.Helper()
	h.db.NoSync = true
	if head, _ := h.Head("r"); head.Seq != 0 || head.Oldest != 1 || head.Epoch == epoch {
		t.Errorf("the deleted room is at %+v after a crash", head)
	}
	checkPast(t, h, "r", gateway.PastEpoch{Epoch: epoch})
	storetest.CheckNotFound(t, h, "r", "ann", "ann-7")
	if m := publishIDs(t, h, site, "r", "ann", 1)[0]; m.Seq != 1 {
		t.Errorf("it goes on with seq %d", m.Seq)
	}
	h.settle(t)
	if all := storetest.All(t, h, "r"); len(all) != 1 {
		t.Errorf("%d messages in the deleted room", len(all))
	}
	if n := len(storetest.All(t, h, "kept")); n != len(kept) {
		t.Errorf("%d messages in the other room", n)
	}
	checkAllFound(t, h, "kept", kept)
	if rooms, _ := inGarbage(t, h); rooms != 0 {
		t.Errorf("%d buckets stay after the sweep", rooms)
	}
	checkDisk(t, h)
}

// TestPagesWhileDeleting publishes messages that name their epoch: a page holds
// those of its own only.
func TestPagesWhileDeleting(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", func(o *HistoryOptions) { o.fillRecords = 5 })
	h.db.NoSync = true
	running(t, h)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	pages := 0
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			page, err := h.Page("r", gateway.HistoryQuery{Limit: 100})
			if err != nil && gateway.CodeOf(err) != gateway.CodeUnavailable {
				t.Error(err)
			}
			for _, m := range page.Messages {
				if string(m.Payload.Bytes) != string(page.Head.Epoch) {
					t.Errorf("seq %d of epoch %s in a page of %s", m.Seq, m.Payload.Bytes, page.Head.Epoch)
				}
				pages++
			}
		}
	})
	for range 100 {
		head, _ := h.Head("r")
		for range 12 {
			storetest.Publish(t, h, site, "r", string(head.Epoch))
		}
		if err := h.Delete("r"); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	readers.Wait()
	if pages == 0 {
		t.Error("nothing was read")
	}
}

// TestViewOfAnEarlierLife reads a view after the room was deleted and filled
// anew.
func TestViewOfAnEarlierLife(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	publishIDs(t, h, site, "r", "ann", 5)
	h.settle(t)
	v := h.view("r", false)
	if !h.alive(&v) {
		t.Error("a view is of an earlier life from the start")
	}
	if err := h.NewEpoch("r"); err != nil || !h.alive(&v) {
		t.Errorf("a new epoch is not a new life (%v)", err)
	}
	if err := h.Delete("r"); err != nil {
		t.Fatal(err)
	}
	publishIDs(t, h, site, "r", "bob", 5)
	h.settle(t)
	if page, err := h.page(&v, gateway.HistoryQuery{Limit: 5}); err != nil || len(page.Messages) != 5 || h.alive(&v) {
		t.Errorf("%d messages of another life are taken for the view's (%v)", len(page.Messages), err)
	}
}
