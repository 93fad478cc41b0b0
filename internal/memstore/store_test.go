package memstore_test

import (
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"edgegw/internal/gateway"
	"edgegw/internal/memstore"
	"edgegw/internal/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, site *storetest.Site, total int64) *memstore.Store {
	t.Helper()
	s, err := memstore.New(memstore.Options{
		Settings: site.Settings, Now: site.Now, TimeTrusted: site.TimeTrusted, TotalBytes: total,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSuite(t *testing.T) {
	storetest.Run(t, func(t *testing.T, site *storetest.Site) storetest.Subject {
		return storetest.Subject{Store: open(t, site, 0)}
	})
}

func TestEpochIsNewInEveryProcess(t *testing.T) {
	site := storetest.NewSite()
	a, _ := open(t, site, 0).Head("r")
	b, _ := open(t, site, 0).Head("r")
	if a.Epoch == b.Epoch {
		t.Errorf("two stores share epoch %q", a.Epoch)
	}
}

// TestTotalBytes fills a quiet room first and then busy ones: the oldest
// messages of all go first, and every head stays.
func TestTotalBytes(t *testing.T) {
	const total = 64 << 10
	site := storetest.NewSite()
	s := open(t, site, total)
	payload := string(make([]byte, 840)) // about 1,000 bytes with its overhead
	for range 10 {
		site.Advance(1e6)
		publishWithoutID(t, s, site, "quiet", payload)
	}
	for i := range 100 {
		site.Advance(1e6)
		publishWithoutID(t, s, site, gateway.RoomID(fmt.Sprint("busy-", i%2)), payload)
	}
	quiet, _ := s.Head("quiet")
	if quiet.Seq != 10 || quiet.Oldest != 11 {
		t.Errorf("the quiet room is at %+v", quiet)
	}
	kept := 0
	for _, room := range []gateway.RoomID{"busy-0", "busy-1"} {
		head, _ := s.Head(room)
		n := len(storetest.All(t, s, room))
		if head.Seq != 50 || int(head.Seq-head.Oldest)+1 != n || n < 31 || n > 33 {
			t.Errorf("%s keeps %d at %+v", room, n, head)
		}
		kept += n
	}
	if kept < 63 || kept > 66 {
		t.Errorf("%d messages of 1,000 bytes kept under a cap of 64 KiB", kept)
	}
	if rooms, _ := s.Rooms(); len(rooms) != 2 {
		t.Errorf("Rooms = %v", rooms)
	}
	storetest.Publish(t, s, site, "quiet", "small")
	if all := storetest.All(t, s, "quiet"); len(all) != 1 || all[0].Seq != 11 {
		t.Errorf("the quiet room keeps %v", all)
	}
}

// TestIDsAreBounded has far more publishers than there is memory for: those that
// were silent for the longest are forgotten.
func TestIDsAreBounded(t *testing.T) {
	const total = 64 << 10
	site := storetest.NewSite()
	s := open(t, site, total)
	var sent []gateway.Message
	for i := range 1000 {
		user := gateway.AccountName(fmt.Sprint("user-", i))
		sent = append(sent, storetest.PublishAs(t, s, site, "r", user, "an id"))
		storetest.CheckFound(t, s, "r", sent[0])
	}
	found := 0
	for _, m := range sent {
		if f, err := s.Find("r", m.User, m.ID); err != nil || f.Seq != 0 && f.Seq != m.Seq {
			t.Errorf("%s: found %+v, %v", m.User, f, err)
		} else if f.Seq != 0 {
			found++
		}
	}
	if found < 10 || found > 60 {
		t.Errorf("%d ids are remembered under a cap of 64 KiB", found)
	}
	storetest.CheckFound(t, s, "r", sent[999])
}

// TestDeleteGivesBack counts what a store holds after rooms came and went.
func TestDeleteGivesBack(t *testing.T) {
	site := storetest.NewSite()
	s := open(t, site, 64<<10)
	for i := range 2000 {
		room := gateway.RoomID(fmt.Sprint("room-", i%2))
		storetest.Publish(t, s, site, room, string(make([]byte, 840)))
		if i%4 > 1 {
			if err := s.Delete(room); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 100 {
		publishWithoutID(t, s, site, "r", string(make([]byte, 840)))
	}
	if n := len(storetest.All(t, s, "r")); n < 60 {
		t.Errorf("%d messages of 1,000 bytes are kept under a cap of 64 KiB", n)
	}
	if rooms, _ := s.Rooms(); len(rooms) != 1 {
		t.Errorf("Rooms = %v", rooms)
	}
}

func publishWithoutID(t *testing.T, s *memstore.Store, site *storetest.Site, room gateway.RoomID, payload string) {
	t.Helper()
	rec := storetest.Next(t, s, site, room, payload)
	rec.Message.ID = ""
	if err := s.Append(rec); err != nil {
		t.Fatal(err)
	}
}

func TestMessageLargerThanTheCap(t *testing.T) {
	site := storetest.NewSite()
	s := open(t, site, 4<<10)
	storetest.Publish(t, s, site, "r", string(make([]byte, 8<<10)))
	if head, _ := s.Head("r"); head.Seq != 1 || head.Oldest != 2 {
		t.Errorf("the head is %+v", head)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	if _, err := memstore.New(memstore.Options{}); gateway.CodeOf(err) != gateway.CodeInternal {
		t.Errorf("New without settings and clock = %v", err)
	}
}
