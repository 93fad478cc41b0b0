package storetest

import (
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edgegw/internal/gateway"
)

// Open makes an empty store that lives in the site and ends with the test.
type Open func(t *testing.T, site *Site) Subject

// Run runs the suite.
func Run(t *testing.T, open Open) {
	tests := []struct {
		name string
		run  func(*testing.T, Subject, *Site)
	}{
		{"ok an unused room is empty", unusedRoom},
		{"ok messages come back as they were given", roundTrip},
		{"bad seq or time out of order is refused", outOfOrder},
		{"bad limit is refused", badLimit},
		{"ok every query agrees with the model", pagesLikeModel},
		{"ok paging forth and back meets every message once", pagingMeetsAll},
		{"ok one epoch for the life of the store", oneEpoch},
		{"ok the newest messages stay under a count limit", keepCount},
		{"ok the newest messages stay under a byte limit", keepBytes},
		{"ok old messages go and the head stays", keepAge},
		{"ok nothing goes by age while the clock is not trusted", untrustedClock},
		{"ok nothing goes by a step of the clock", steppedClock},
		{"ok ids are found for five minutes, the newest 64 for good", findByAge},
		{"ok all ids of five minutes are found at full rate", findMany},
		{"ok the newest 64 of many accounts are found", findOfMany},
		{"ok ids are told apart, by account and room too", findByName},
		{"ok ids outlive their messages", findWhatIsGone},
		{"ok ended epochs are remembered with their end", newEpochs},
		{"ok a deleted room begins anew", deleteRoom},
		{"ok appending and reading at once", concurrent},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			site := NewSite()
			test.run(t, open(t, site), site)
		})
	}
}

func unusedRoom(t *testing.T, s Subject, _ *Site) {
	head, err := s.Head("nowhere")
	if err != nil || head.Seq != 0 || head.Oldest != 1 || head.TS != 0 || head.Epoch == "" {
		t.Errorf("Head of an unused room = %+v, %v", head, err)
	}
	page, err := s.Page("nowhere", gateway.HistoryQuery{Limit: 10})
	if want := (gateway.HistoryPage{Head: head}); err != nil || !cmp.Equal(page, want) {
		t.Errorf("Page of an unused room = %+v, %v; want %+v", page, err, want)
	}
	if rooms, err := s.Rooms(); err != nil || len(rooms) != 0 {
		t.Errorf("Rooms = %v, %v; reading must not make a room", rooms, err)
	}
}

func roundTrip(t *testing.T, s Subject, site *Site) {
	payloads := []gateway.Payload{
		{Kind: gateway.PayloadJSON, Bytes: []byte(`{"t": 21.50}`)},
		{Kind: gateway.PayloadText, Bytes: []byte("Hello room! ü")},
		{Kind: gateway.PayloadBinary, Bytes: []byte{0, 0xff, 0, 1}},
		{Kind: gateway.PayloadText, Bytes: make([]byte, 64<<10)},
		{Kind: gateway.PayloadText, Bytes: []byte("last")},
	}
	var want []gateway.Message
	for i, p := range payloads {
		site.Advance(time.Second)
		rec := Next(t, s, site, "plant.1", "")
		rec.Message.Payload = p
		rec.Message.ID = gateway.MessageID(fmt.Sprint("m", i)[:2*min(i, 1)])
		if err := s.Append(rec); err != nil {
			t.Fatal(err)
		}
		want = append(want, rec.Message)
	}
	Publish(t, s, site, "other", "elsewhere")
	for range 2 { // before and after the messages have moved
		// Not cmp.Diff, which takes seconds for 64 KiB.
		if got := All(t, s, "plant.1"); !reflect.DeepEqual(got, want) {
			t.Fatalf("got %d messages that differ from the %d appended", len(got), len(want))
		}
		s.settle()
	}
	if rooms, err := s.Rooms(); err != nil || !cmp.Equal(rooms, []gateway.RoomID{"other", "plant.1"}) {
		t.Errorf("Rooms = %v, %v", rooms, err)
	}
}

func outOfOrder(t *testing.T, s Subject, site *Site) {
	Publish(t, s, site, "r", "one")
	before, _ := s.Head("r")
	edits := map[string]func(*gateway.Message){
		"the same seq":      func(m *gateway.Message) { m.Seq-- },
		"a hole":            func(m *gateway.Message) { m.Seq++ },
		"time runs back":    func(m *gateway.Message) { m.TS = before.TS - 1 },
		"first seq is zero": func(m *gateway.Message) { m.Seq = 0 },
	}
	for name, edit := range edits {
		rec := Next(t, s, site, "r", "two")
		edit(&rec.Message)
		if err := s.Append(rec); gateway.CodeOf(err) != gateway.CodeInternal {
			t.Errorf("%s: Append = %v; want code internal", name, err)
		}
	}
	if after, _ := s.Head("r"); after != before {
		t.Errorf("head moved from %+v to %+v", before, after)
	}
	rec := Next(t, s, site, "new", "x")
	rec.Message.Seq = 2
	if err := s.Append(rec); gateway.CodeOf(err) != gateway.CodeInternal {
		t.Errorf("Append of seq 2 to an unused room = %v", err)
	}
	if rooms, _ := s.Rooms(); len(rooms) != 1 {
		t.Errorf("Rooms = %v after a refused append", rooms)
	}
}

func badLimit(t *testing.T, s Subject, _ *Site) {
	for _, limit := range []int{-1, 0, gateway.MaxHistoryLimit + 1} {
		if _, err := s.Page("r", gateway.HistoryQuery{Limit: limit}); gateway.CodeOf(err) != gateway.CodeInvalidRequest {
			t.Errorf("Page with limit %d = %v; want code invalid_request", limit, err)
		}
	}
}

func oneEpoch(t *testing.T, s Subject, site *Site) {
	first, _ := s.Head("r")
	for range 5 {
		Publish(t, s, site, "r", "x")
		s.settle()
		if head, _ := s.Head("r"); head.Epoch != first.Epoch {
			t.Fatalf("epoch went from %q to %q", first.Epoch, head.Epoch)
		}
	}
}

func concurrent(t *testing.T, s Subject, site *Site) {
	const rooms, each = 4, 300
	site.Change(func(r *gateway.RoomSettings) { r.MaxMessages = each / 2 })
	var publishers, readers sync.WaitGroup
	stop := make(chan struct{})
	for i := range rooms {
		room := gateway.RoomID(fmt.Sprint("room-", i))
		publishers.Go(func() {
			for n := range each {
				Publish(t, s, site, room, fmt.Sprint(n))
			}
		})
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					checkPage(t, s, room)
				}
			}
		})
	}
	publishers.Wait()
	close(stop)
	readers.Wait()
	s.settle()
	for i := range rooms {
		room := gateway.RoomID(fmt.Sprint("room-", i))
		if all := All(t, s, room); len(all) != each/2 || all[len(all)-1].Seq != each {
			t.Errorf("%s keeps %d messages", room, len(all))
		}
	}
}

// checkPage reads the newest and the oldest messages while others are appended:
// whatever the moment, they have no hole and hold what was appended under their
// seq.
func checkPage(t *testing.T, s Subject, room gateway.RoomID) {
	for _, oldestFirst := range []bool{false, true} {
		page, err := s.Page(room, gateway.HistoryQuery{Limit: 40, OldestFirst: oldestFirst})
		if err != nil {
			t.Error(err)
			return
		}
		for i, m := range page.Messages {
			if want := fmt.Sprint(m.Seq - 1); string(m.Payload.Bytes) != want {
				t.Errorf("seq %d holds %q", m.Seq, m.Payload.Bytes)
			}
			if i > 0 && m.Seq != page.Messages[i-1].Seq+1 {
				t.Errorf("a hole before seq %d", m.Seq)
			}
		}
		if n := len(page.Messages); n > 0 && !oldestFirst && page.Messages[n-1].Seq != page.Head.Seq {
			t.Errorf("page ends at %d, head is %d", page.Messages[n-1].Seq, page.Head.Seq)
		}
	}
}
