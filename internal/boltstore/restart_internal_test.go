package boltstore

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
	"edgegw/internal/storetest"
)

func TestCleanRestartGoesOn(t *testing.T) {
	site := storetest.NewSite()
	path := ""
	var before gateway.RoomHead
	for run := range 3 {
		resets := 0
		h := openTest(t, site, path, func(o *HistoryOptions) {
			o.fillRecords = 8
			o.Observer.EpochResets = func(n int) { resets += n }
		})
		path = h.opts.Path
		if head, _ := h.Head("r"); run > 0 && head != before || resets != 0 {
			t.Fatalf("run %d starts at %+v with %d resets; the last ended at %+v", run, head, resets, before)
		}
		stop := running(t, h)
		for range 13 { // one fill, and a tail
			m := storetest.Publish(t, h, site, "r", "x")
			await(t, func() bool { return h.view("r", true).head.Seq == m.Seq })
		}
		before, _ = h.Head("r")
		if err := errors.Join(stop(), h.Close()); err != nil {
			t.Fatal(err)
		}
		edit(t, path, func(tx *bolt.Tx) error {
			if n := tx.Bucket(bucketLog).Stats().KeyN; n != 0 {
				t.Errorf("a clean stop left %d records in the log", n)
			}
			return nil
		})
		site.Advance(-time.Hour) // the clock may run back; ts may not
	}
	if before.Seq != 39 || before.TS != gateway.Timestamp(site.Now().Add(3*time.Hour).UnixMilli()) {
		t.Errorf("the last head is %+v", before)
	}
}

func TestUncleanRestartBeginsNewEpoch(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", func(o *HistoryOptions) { o.fillRecords = 10 })
	for range 14 { // 10 of them filled, 4 in the log
		storetest.Publish(t, h, site, "r", "x")
		h.flush(t)
	}
	storetest.Publish(t, h, site, "filled", "x")
	h.settle(t)
	storetest.Publish(t, h, site, "logged", "x")
	h.flush(t)
	lost := storetest.Publish(t, h, site, "r", "announced and never stored")
	before, _ := h.Head("r")
	unused, _ := h.Head("unused")

	resets := 0
	after := openTest(t, site, h.copyFile(t), func(o *HistoryOptions) {
		o.Observer.EpochResets = func(n int) { resets += n }
	})
	head, _ := after.Head("r")
	if head.Epoch == before.Epoch || head.Seq != lost.Seq-1 || head.Oldest != 1 || head.TS != before.TS {
		t.Errorf("the head went from %+v to %+v", before, head)
	}
	if n := len(storetest.All(t, after, "r")); n != 14 {
		t.Errorf("%d of 14 messages are left", n)
	}
	if resets != 3 {
		t.Errorf("%d rooms began a new epoch; want 3", resets)
	}
	if again, _ := after.Head("unused"); again.Epoch == unused.Epoch {
		t.Errorf("the epoch %q of an unused room was given twice", again.Epoch)
	}
	storetest.Publish(t, after, site, "r", "y")
	if now, _ := after.Head("r"); now.Epoch != head.Epoch || now.Seq != 15 {
		t.Errorf("the head went on to %+v", now)
	}
}

// TestEpochsAreRemembered crashes with and without messages in between: each
// ended epoch is kept with the seq it durably ended at.
func TestEpochsAreRemembered(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	var want []string
	for run := range 20 {
		epoch := h.epoch
		if run != 13 { // a run without messages has an epoch too
			storetest.Publish(t, h, site, "r", "x")
		}
		head, _ := h.Head("r")
		want = append(want, fmt.Sprint(epoch, "@", head.Seq))
		h.settle(t)
		crashed := h
		h = openTest(t, site, h.copyFile(t), nil)
		crashed.db.Close()
	}
	storetest.Publish(t, h, site, "r", "x")
	h.settle(t)
	var got []string
	err := h.db.View(func(tx *bolt.Tx) error {
		for _, p := range readEpochs(tx, "r") {
			got = append(got, fmt.Sprint(p.epoch, "@", p.end))
		}
		return nil
	})
	if want = want[len(want)-maxEpochs:]; err != nil || strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("remembered %v\nwant       %v", got, want)
	}
}

func TestClosingWithoutRunIsNoCleanStopOnceSomethingWaits(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	path, first := h.opts.Path, h.epoch
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	h = openTest(t, site, path, nil)
	if h.epoch != first {
		t.Errorf("closing an untouched store changed the epoch")
	}
	storetest.Publish(t, h, site, "r", "announced")
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if h = openTest(t, site, path, nil); h.epoch == first {
		t.Errorf("a lost announced message left the epoch as it was")
	}
}

// TestFailureIsNoCleanStop has a commit fail once: even when the next would
// succeed, what was announced may be missing.
func TestFailureIsNoCleanStop(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	storetest.Publish(t, h, site, "r", "announced")
	h.take(true)
	_ = h.fail(errors.New("no space left on device"))
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if after := openTest(t, site, h.opts.Path, nil); after.epoch == h.epoch {
		t.Errorf("epoch %q goes on after a failed commit", h.epoch)
	}
}

func TestStoppedStoreTakesNothing(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	stop := running(t, h)
	storetest.Publish(t, h, site, "r", "x")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	err := h.Append(storetest.Next(t, h, site, "r", "y"))
	if gateway.CodeOf(err) != gateway.CodeUnavailable {
		t.Errorf("Append after Run = %v", err)
	}
	if n := len(storetest.All(t, h, "r")); n != 1 {
		t.Errorf("%d messages", n)
	}
}

func TestLongLivedHeadsSurviveTheirMessages(t *testing.T) {
	site := storetest.NewSite()
	site.Change(func(s *gateway.RoomSettings) { s.MaxAge = time.Hour })
	h := openTest(t, site, "", nil)
	for range 5 {
		storetest.Publish(t, h, site, "r", "x")
	}
	h.settle(t)
	site.Advance(2 * time.Hour)
	h.settle(t)
	before, _ := h.Head("r")
	path := h.opts.Path
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	h = openTest(t, site, path, nil)
	if head, _ := h.Head("r"); head != before || head.Seq != 5 || head.Oldest != 6 {
		t.Errorf("the head went from %+v to %+v", before, head)
	}
}
