package boltstore

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
	"edgegw/internal/storetest"
)

// What was said of one room holds from the first look at its history on: the
// configuration's smaller limit takes nothing at a start.
func TestSettingsHoldAtTheStart(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	err := h.PutSettings("r", gateway.RoomSettings{Durability: gateway.DurabilityQueued, MaxMessages: 1000, MaxBytes: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	publishIDs(t, h, site, "r", "ann", 50)
	h.settle(t)
	site.Change(func(s *gateway.RoomSettings) { s.MaxMessages = 10 })
	again := openTest(t, site, h.copyFile(t), nil)
	if head, err := again.Head("r"); err != nil || head.Oldest != 1 || head.Seq != 50 {
		t.Errorf("after the start %+v, %v", head, err)
	}
}

func TestSettingsAreStored(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	want := map[gateway.RoomID]gateway.RoomSettings{}
	for i, d := range []gateway.Durability{gateway.DurabilityMemory, gateway.DurabilityQueued, gateway.DurabilityFsynced} {
		want[gateway.RoomID(fmt.Sprint("room-", i))] = gateway.RoomSettings{
			Durability: d, Overflow: gateway.OverflowKeepLatest, MaxMessages: int64(i), MaxBytes: 1 << (30 + i), MaxAge: time.Duration(i) * time.Hour,
		}
	}
	for id, s := range want {
		err := errors.Join(h.PutSettings(id, gateway.RoomSettings{MaxMessages: 7}), h.PutSettings("gone", s), h.PutSettings(id, s))
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []gateway.RoomID{"gone", "never"} {
		if err := h.DeleteSettings(id); err != nil {
			t.Fatal(err)
		}
	}
	check := func(h *History) {
		t.Helper()
		for _, id := range []gateway.RoomID{"room-0", "room-1", "room-2", "gone", "never"} {
			s, ok := want[id]
			if !ok {
				s = site.Settings(id)
			}
			if diff := cmp.Diff(s, h.RoomSettings(id)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", id, diff)
			}
		}
	}
	check(h)
	path := h.copyFile(t)
	check(openTest(t, site, path, nil))
	path = h.copyFile(t)
	edit(t, path, func(tx *bolt.Tx) error { return harm(t, tx, []byte("room-1"), bucketSettings) })
	delete(want, "room-1")
	check(openTest(t, site, path, nil))
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if err := h.PutSettings("r", gateway.RoomSettings{}); gateway.CodeOf(err) != gateway.CodeUnavailable {
		t.Errorf("PutSettings after Close = %v", err)
	}
	if err := h.DeleteSettings("room-2"); gateway.CodeOf(err) != gateway.CodeUnavailable {
		t.Errorf("DeleteSettings after Close = %v", err)
	}
}
