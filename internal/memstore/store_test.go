package memstore_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"edgegw/internal/gateway"
	"edgegw/internal/memstore"
	"edgegw/internal/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, site *storetest.Site, total int64) *memstore.Store {
	t.Helper()
	s, err := memstore.New(memstore.Options{
		Settings: site.Settings, Now: site.Now, AgeTime: site.AgeTime, TotalBytes: total, IDBytes: total,
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
	if found := countFound(t, s, "r", sent); found < 100 || found > 160 {
		t.Errorf("%d publishers are remembered under a cap of 64 KiB", found)
	}
	storetest.CheckFound(t, s, "r", sent[999])
}

// TestBusyPublishersAreCutFirst has a few publishers with more ids than there is
// memory for: each of them keeps its newest 64, and the longest lists are cut.
func TestBusyPublishersAreCutFirst(t *testing.T) {
	const users, total = 20, 256 << 10
	site := storetest.NewSite()
	s := open(t, site, total)
	sent := make(map[int][]gateway.Message)
	publish := func(i, n int) {
		for range n {
			user, id := gateway.AccountName(fmt.Sprint("user-", i)), gateway.MessageID(fmt.Sprint(len(sent[i])))
			sent[i] = append(sent[i], storetest.PublishAs(t, s, site, "r", user, id))
		}
	}
	for i := range users { // the later ones publish more
		publish(i, 64+i)
	}
	publish(0, 6)
	publish(users-1, 20_000)
	for i, all := range sent {
		if found := countFound(t, s, "r", all[len(all)-64:]); found != 64 {
			t.Errorf("%d of the newest 64 of %d are remembered", found, i)
		}
		if found := countFound(t, s, "r", all); i < users-1 && found != len(all) {
			t.Errorf("%d of %d are remembered of a publisher that is not busy", found, len(all))
		} else if i == users-1 && (found < 700 || found > 1500) {
			t.Errorf("%d are remembered of the busy one", found)
		}
	}
	for i := range users {
		publish(i, 5000)
	}
	for i, all := range sent {
		if found := countFound(t, s, "r", all[len(all)-64:]); found != 64 {
			t.Errorf("when all are busy, %d of the newest 64 of %d are remembered", found, i)
		}
	}
}

// TestOldIDsMakeSpace has publishers that were busy long ago: what is not found
// any more is the first to go.
func TestOldIDsMakeSpace(t *testing.T) {
	site := storetest.NewSite()
	s := open(t, site, 256<<10)
	for i := range 2000 {
		storetest.PublishAs(t, s, site, "r", "old", gateway.MessageID(fmt.Sprint(i)))
	}
	site.Advance(time.Hour)
	var sent []gateway.Message
	for i := range 2500 {
		sent = append(sent, storetest.PublishAs(t, s, site, "s", "new", gateway.MessageID(fmt.Sprint(i))))
	}
	if found := countFound(t, s, "s", sent); found != len(sent) {
		t.Errorf("%d of %d are remembered", found, len(sent))
	}
}

func countFound(t *testing.T, s *memstore.Store, room gateway.RoomID, sent []gateway.Message) (found int) {
	t.Helper()
	for _, m := range sent {
		if f, err := s.Find(room, m.User, m.ID); err != nil || f.Seq != 0 && f.Seq != m.Seq {
			t.Errorf("%s: found %+v, %v", m.User, f, err)
		} else if f.Seq != 0 {
			found++
		}
	}
	return found
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

// TestBegin has a room go on behind messages that are kept elsewhere, whatever it
// held before.
func TestBegin(t *testing.T) {
	site := storetest.NewSite()
	s := open(t, site, 0)
	old := storetest.Publish(t, s, site, "r", "old")
	before, _ := s.Head("r")
	at := gateway.RoomHead{Epoch: "e1", Seq: 5, Oldest: 3, TS: old.TS + 1000}
	past := []gateway.PastEpoch{{Epoch: "e0", End: 3}, {Epoch: "e1", End: 5}}
	if err := s.Begin("r", at, past); err != nil {
		t.Fatal(err)
	}
	head, _ := s.Head("r")
	if head.Epoch == before.Epoch || head.Epoch == at.Epoch || head != (gateway.RoomHead{Epoch: head.Epoch, Seq: 5, Oldest: 6, TS: at.TS}) {
		t.Errorf("begun at %+v", head)
	}
	if got, _ := s.Past("r"); !slices.Equal(got, past) {
		t.Errorf("remembered %+v", got)
	}
	if rooms, _ := s.Rooms(); len(rooms) > 0 || len(storetest.All(t, s, "r")) > 0 {
		t.Errorf("it begins with messages: %v", rooms)
	}
	storetest.CheckNotFound(t, s, "r", old.User, old.ID)
	m := storetest.Publish(t, s, site, "r", "new")
	if m.Seq != 6 || m.TS != at.TS {
		t.Errorf("the next message is %+v", m)
	}
	storetest.CheckFound(t, s, "r", m)
	for _, after := range []gateway.Seq{0, 3, 5} {
		page, err := s.Page("r", gateway.HistoryQuery{After: after, Limit: 10, OldestFirst: true})
		if err != nil || len(page.Messages) != 1 || page.Messages[0].Seq != 6 || page.Older {
			t.Errorf("after %d: %+v, %v", after, page, err)
		}
	}
	site.Change(func(s *gateway.RoomSettings) { s.MaxMessages = 2 })
	for range 3 {
		storetest.Publish(t, s, site, "r", "more")
	}
	if head, _ := s.Head("r"); head.Seq != 9 || head.Oldest != 8 {
		t.Errorf("then it is at %+v", head)
	}
	many := make([]gateway.PastEpoch, 20)
	if err := s.Begin("unused", gateway.RoomHead{Oldest: 1}, many); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.Past("unused"); len(got) != 16 {
		t.Errorf("%d epochs are remembered", len(got))
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
