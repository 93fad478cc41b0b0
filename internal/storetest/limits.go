package storetest

import (
	"strings"
	"testing"
	"time"

	"edgegw/internal/gateway"
)

func keepCount(t *testing.T, s Subject, site *Site) {
	site.Change(func(r *gateway.RoomSettings) { r.MaxMessages = 10 })
	for i := range 35 {
		Publish(t, s, site, "r", "x")
		if i == 20 {
			s.settle()
		}
		head, _ := s.Head("r")
		if kept := head.Seq - head.Oldest + 1; kept != min(10, head.Seq) {
			t.Fatalf("%d kept at %+v", kept, head)
		}
	}
	checkKept(t, s, 26, 35)
	s.settle()
	checkKept(t, s, 26, 35)
	page, err := s.Page("r", gateway.HistoryQuery{Before: 26, Limit: 5})
	if err != nil || len(page.Messages) != 0 || page.Older || !page.Newer {
		t.Errorf("page before the oldest = %+v, %v", page, err)
	}
}

func keepBytes(t *testing.T, s Subject, site *Site) {
	const limit = 100 << 10
	site.Change(func(r *gateway.RoomSettings) { r.MaxBytes = limit })
	for range 100 {
		Publish(t, s, site, "r", strings.Repeat("x", 4<<10))
	}
	s.settle()
	all := All(t, s, "r")
	if n := len(all); n < 20 || n > 25 || all[n-1].Seq != 100 {
		t.Errorf("%d messages of 4 KiB kept under a limit of 100 KiB, the last is %d", n, all[n-1].Seq)
	}
	// One message above the limit leaves an empty room whose seq goes on.
	Publish(t, s, site, "r", strings.Repeat("x", limit))
	s.settle()
	head, _ := s.Head("r")
	if all := All(t, s, "r"); len(all) != 0 || head.Seq != 101 || head.Oldest != 102 {
		t.Errorf("%d messages kept at %+v", len(all), head)
	}
}

func keepAge(t *testing.T, s Subject, site *Site) {
	site.Change(func(r *gateway.RoomSettings) { r.MaxAge = time.Hour })
	for range 10 {
		Publish(t, s, site, "r", "x")
		site.Advance(10 * time.Minute)
	}
	s.settle()
	checkKept(t, s, 5, 10) // seq 5 is 60 minutes old, seq 4 is 70
	before, _ := s.Head("r")
	site.Advance(24 * time.Hour)
	s.settle()
	if all := All(t, s, "r"); len(all) != 0 {
		t.Fatalf("%d messages left after a day", len(all))
	}
	after, _ := s.Head("r")
	if after.Seq != before.Seq || after.TS != before.TS || after.Epoch != before.Epoch || after.Oldest != 11 {
		t.Errorf("the head went from %+v to %+v", before, after)
	}
	if rooms, _ := s.Rooms(); len(rooms) != 0 {
		t.Errorf("Rooms = %v; none keeps messages", rooms)
	}
	Publish(t, s, site, "r", "again")
	s.settle()
	checkKept(t, s, 11, 11)
}

func untrustedClock(t *testing.T, s Subject, site *Site) {
	site.Change(func(r *gateway.RoomSettings) { r.MaxAge = time.Hour })
	site.Trust(false)
	Publish(t, s, site, "r", "x")
	site.Advance(10 * 365 * 24 * time.Hour)
	s.settle()
	Publish(t, s, site, "r", "y")
	s.settle()
	checkKept(t, s, 1, 2)
}

func steppedClock(t *testing.T, s Subject, site *Site) {
	site.Change(func(r *gateway.RoomSettings) { r.MaxAge = time.Hour })
	Publish(t, s, site, "r", "x")
	site.Step(365 * 24 * time.Hour)
	s.settle()
	Publish(t, s, site, "r", "y")
	s.settle()
	checkKept(t, s, 1, 2)
	site.Advance(61 * time.Minute)
	s.settle()
	checkKept(t, s, 2, 2)
}

func checkKept(t *testing.T, s Subject, oldest, newest gateway.Seq) {
	t.Helper()
	all := All(t, s, "r")
	if len(all) == 0 || all[0].Seq != oldest || all[len(all)-1].Seq != newest || len(all) != int(newest-oldest+1) {
		t.Fatalf("kept %d messages; want %d to %d", len(all), oldest, newest)
	}
	if head, _ := s.Head("r"); head.Oldest != oldest || head.Seq != newest {
		t.Fatalf("head is %+v; want %d to %d", head, oldest, newest)
	}
}
