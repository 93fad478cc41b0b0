package boltstore

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"edgegw/internal/gateway"
	"edgegw/internal/storetest"
)

// What a room held while it was of class memory is in no history: whether an
// operator or the configuration took it there and back, cleanly or not, no epoch
// that a client was told of before is remembered, and the room goes on.
func TestLeavingTheStoreForgetsTheEpochs(t *testing.T) {
	site := storetest.NewSite()
	memory := func(s *gateway.RoomSettings) { s.Durability = gateway.DurabilityMemory }
	queued := func(s *gateway.RoomSettings) { s.Durability = gateway.DurabilityQueued }
	h := openTest(t, site, "", nil)
	seen := make(map[gateway.Epoch]bool)
	note := func() gateway.RoomHead {
		t.Helper()
		head, err := h.Head("r")
		if err != nil || head.Epoch == "" {
			t.Fatal(head, err)
		}
		seen[head.Epoch] = true
		return head
	}
	again := func(clean bool) {
		t.Helper()
		path := h.opts.Path
		if !clean {
			path = h.copyFile(t)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		h = openTest(t, site, path, nil)
	}
	for round, clean := range []bool{true, false, true, false} {
		publishIDs(t, h, site, "r", "ann", 5)
		h.flush(t)
		note()
		if err := h.NewEpoch("r"); err != nil { // whose end is remembered, as others are
			t.Fatal(err)
		}
		note()
		again(false)
		before := note()
		if past, err := h.Past("r"); err != nil || len(past) < 2 {
			t.Fatalf("round %d: remembered before: %+v, %v", round, past, err)
		}
		if round < 2 { // else it is the configuration alone
			if err := h.ForgetEpochs("r"); err != nil {
				t.Fatal(err)
			}
		}
		site.Change(memory)
		for range 1 + round {
			again(clean)
			checkPast(t, h, "r")
		}
		site.Change(queued)
		again(clean)
		past, err := h.Past("r")
		if err != nil {
			t.Fatal(err)
		}
		head := note()
		for _, p := range append(past, gateway.PastEpoch{Epoch: head.Epoch}) {
			if p.Epoch != head.Epoch && seen[p.Epoch] {
				t.Errorf("round %d: epoch %s of before is remembered", round, p.Epoch)
			}
		}
		if head.Epoch == before.Epoch || head.Seq != before.Seq || head.TS != before.TS || len(storetest.All(t, h, "r")) != 5*(round+1) {
			t.Errorf("round %d: the room went from %+v to %+v", round, before, head)
		}
	}
}

// A room that was never used has no place in the file that could tell where it has
// been. When the classes change, nobody goes on with what was told of it; rooms
// that are stored notice nothing.
func TestChangedClassesEndTheEpochsOfUnusedRooms(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	heads := func() (all []gateway.RoomHead) {
		for _, room := range []gateway.RoomID{"unused", "filled", "early"} {
			head, err := h.Head(room)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, head)
		}
		return all
	}
	again := func(path, classes string) {
		t.Helper()
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		h = openTest(t, site, path, func(o *HistoryOptions) { o.Classes = classes })
	}
	storetest.Publish(t, h, site, "early", "x")
	h.flush(t)
	again(h.copyFile(t), "") // early is not used in this generation, nor in the next
	again(h.copyFile(t), "")
	storetest.Publish(t, h, site, "filled", "x")
	h.flush(t)
	before := heads()
	past, err := h.Past("early")
	if err != nil || len(past) != 2 {
		t.Fatal(past, err)
	}
	path := h.opts.Path
	again(path, "")
	if got := heads(); !cmp.Equal(got, before) {
		t.Errorf("the same classes: from %+v to %+v", before, got)
	}
	for _, classes := range []string{"* memory", ""} {
		again(path, classes)
		got := heads()
		if got[0].Epoch == before[0].Epoch || !cmp.Equal(got[1:], before[1:]) {
			t.Errorf("classes %q: from %+v to %+v", classes, before, got)
		}
		before = got
		checkPast(t, h, "unused")
		checkPast(t, h, "early", past...)
	}
	again(h.copyFile(t), "")
	checkPast(t, h, "unused", gateway.PastEpoch{Epoch: before[0].Epoch})
	checkPast(t, h, "early", append(past, gateway.PastEpoch{Epoch: before[2].Epoch, End: 1})...)
}

func TestForgetEpochsIsDurable(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	stop := running(t, h)
	for _, room := range []gateway.RoomID{"used", "unused"} {
		if room == "used" {
			publishIDs(t, h, site, room, "ann", 5)
		}
		before, _ := h.Head(room)
		if err := errors.Join(h.NewEpoch(room), h.ForgetEpochs(room)); err != nil {
			t.Fatal(err)
		}
		checkPast(t, h, room)
		after, _ := h.Head(room)
		if after.Epoch == before.Epoch || after.Seq != before.Seq || after.Oldest != before.Oldest || after.TS != before.TS {
			t.Errorf("%s: the head went from %+v to %+v", room, before, after)
		}
		crashed := openTest(t, site, h.copyFile(t), nil)
		checkPast(t, crashed, room, gateway.PastEpoch{Epoch: after.Epoch, End: before.Seq})
		if n := len(storetest.All(t, crashed, room)); n != int(before.Seq) {
			t.Errorf("%s: %d messages are on disk", room, n)
		}
	}
	if err := errors.Join(stop(), h.Close()); err != nil {
		t.Fatal(err)
	}
	if err := h.ForgetEpochs("used"); gateway.CodeOf(err) != gateway.CodeUnavailable {
		t.Errorf("after the end: %v", err)
	}
}
