package boltstore

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
	"edgegw/internal/storetest"
)

func checkPast(t *testing.T, h *History, room gateway.RoomID, want ...gateway.PastEpoch) {
	t.Helper()
	if len(want) > maxEpochs {
		want = want[len(want)-maxEpochs:]
	}
	got, err := h.Past(room)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Fatalf("Past(%s): %v (-want +got):\n%s", room, err, diff)
	}
}

// TestPastAfterCrashes has rooms of every kind: used all the time, once, late,
// never. Each has had every epoch of the store, and each epoch ended where it is
// durable, whatever was announced.
func TestPastAfterCrashes(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	rooms := []gateway.RoomID{"busy", "once", "late", "never", "changed"}
	want := make(map[gateway.RoomID][]gateway.PastEpoch)
	for run := range 20 {
		storetest.Publish(t, h, site, "busy", "x")
		if run == 2 {
			storetest.Publish(t, h, site, "once", "x")
		}
		if run > 8 && run%2 == 0 {
			storetest.Publish(t, h, site, "late", "x")
		}
		h.flush(t)
		if run == 5 || run == 12 {
			storetest.Publish(t, h, site, "changed", "x")
			head, _ := h.Head("changed")
			if err := h.NewEpoch("changed"); err != nil {
				t.Fatal(err)
			}
			want["changed"] = append(want["changed"], gateway.PastEpoch{Epoch: head.Epoch, End: head.Seq})
		}
		if run%3 == 0 {
			h.settle(t)
		}
		for _, room := range rooms {
			head, _ := h.Head(room)
			want[room] = append(want[room], gateway.PastEpoch{Epoch: head.Epoch, End: head.Seq})
			// What follows was announced, and is lost.
			storetest.Publish(t, h, site, room, "lost")
		}
		crashed := h
		h = openTest(t, site, h.copyFile(t), nil)
		crashed.db.Close()
		for range 2 { // before and after a fill enters the generation
			for _, room := range rooms {
				checkPast(t, h, room, want[room]...)
			}
			if run%7 != 0 {
				break
			}
			storetest.Publish(t, h, site, "busy", "x")
			h.settle(t)
		}
	}
	path := h.opts.Path
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	h = openTest(t, site, path, nil)
	for _, room := range rooms { // a clean stop ends no epoch
		checkPast(t, h, room, want[room]...)
	}
}

// TestDamagedHeadRemembersNothing has a room whose newest message is gone, so
// that seqs begin anew: neither an epoch nor an id may speak of the old ones.
func TestDamagedHeadRemembersNothing(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	for range 3 {
		publishIDs(t, h, site, "r", "ann", 10)
		h = openTest(t, site, (func() string { h.flush(t); return h.copyFile(t) })(), nil)
	}
	publishIDs(t, h, site, "r", "ann", 10)
	h.settle(t)
	site.Change(func(s *gateway.RoomSettings) { s.MaxBytes = 1 })
	h.settle(t)
	if past, err := h.Past("r"); len(past) != 3 || err != nil {
		t.Fatalf("Past = %+v, %v", past, err)
	}
	path := h.copyFile(t)
	edit(t, path, func(tx *bolt.Tx) error { return harm(t, tx, []byte("r"), bucketRooms) })
	h = openTest(t, site, path, nil)
	checkPast(t, h, "r")
	// The seqs come to where ann's old ones were.
	checkAllFound(t, h, "r", publishIDs(t, h, site, "r", "bob", 50))
	h.settle(t)
	checkPast(t, h, "r")
	epoch := h.epoch
	h = openTest(t, site, h.copyFile(t), nil)
	checkPast(t, h, "r", gateway.PastEpoch{Epoch: epoch, End: 50})
	storetest.CheckNotFound(t, h, "r", "ann", "ann-5")
	storetest.CheckNotFound(t, h, "r", "ann", "ann-35")
	m := storetest.PublishAs(t, h, site, "r", "ann", "new")
	storetest.CheckFound(t, h, "r", m)
}

// TestDamagedEpochsReadAsNone keeps the epochs that stand elsewhere.
func TestDamagedEpochsReadAsNone(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	storetest.Publish(t, h, site, "r", "x")
	if err := errors.Join(h.NewEpoch("r"), h.NewEpoch("r")); err != nil {
		t.Fatal(err)
	}
	head, _ := h.Head("r")
	path := h.copyFile(t)
	edit(t, path, func(tx *bolt.Tx) error { return harm(t, tx, []byte("r"), bucketEpochs) })
	h = openTest(t, site, path, nil)
	checkPast(t, h, "r", gateway.PastEpoch{Epoch: head.Epoch, End: 1})
}

func TestNewEpochIsDurable(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	stop := running(t, h)
	for _, room := range []gateway.RoomID{"used", "unused"} {
		if room == "used" {
			publishIDs(t, h, site, room, "ann", 5)
		}
		before, _ := h.Head(room)
		if err := h.NewEpoch(room); err != nil {
			t.Fatal(err)
		}
		after, _ := h.Head(room)
		crashed := openTest(t, site, h.copyFile(t), nil)
		checkPast(t, crashed, room, gateway.PastEpoch{Epoch: before.Epoch, End: before.Seq},
			gateway.PastEpoch{Epoch: after.Epoch, End: before.Seq})
		if n := len(storetest.All(t, crashed, room)); n != int(before.Seq) {
			t.Errorf("%s: %d messages are on disk", room, n)
		}
	}
	used, _ := h.Head("used")
	if err := errors.Join(stop(), h.Close()); err != nil {
		t.Fatal(err)
	}
	h = openTest(t, site, h.opts.Path, nil)
	if head, _ := h.Head("used"); head != used {
		t.Errorf("a clean restart took the head from %+v to %+v", used, head)
	}
}
