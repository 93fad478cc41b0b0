package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gateway"
)

// PublishAs appends a message of the account under the id and returns it.
func PublishAs(t testing.TB, s Store, site *Site, room gateway.RoomID, user gateway.AccountName, id gateway.MessageID) gateway.Message {
	t.Helper()
	rec := Next(t, s, site, room, string("by "+user))
	rec.Message.User, rec.Message.ID = user, id
	if err := s.Append(rec); err != nil {
		t.Fatalf("Append seq %d to %s: %v", rec.Message.Seq, room, err)
	}
	return rec.Message
}

// CheckFound fails unless the store finds the message under its id.
func CheckFound(t testing.TB, s Store, room gateway.RoomID, m gateway.Message) {
	t.Helper()
	found, err := s.Find(room, m.User, m.ID)
	if err != nil || found.Seq != m.Seq || found.TS != m.TS {
		t.Fatalf("Find(%s, %s, %q) = %+v, %v; want seq %d", room, m.User, m.ID, found, err, m.Seq)
	}
}

// CheckNotFound fails when the store finds anything.
func CheckNotFound(t testing.TB, s Store, room gateway.RoomID, user gateway.AccountName, id gateway.MessageID) {
	t.Helper()
	if found, err := s.Find(room, user, id); err != nil || found != (gateway.Found{}) {
		t.Fatalf("Find(%s, %s, %q) = %+v, %v; want none", room, user, id, found, err)
	}
}

// window are the limits of what is found.
const (
	windowTime = 5 * time.Minute
	windowIDs  = 64
)

func findByAge(t *testing.T, s Subject, site *Site) {
	const n = 150
	var sent []gateway.Message
	for i := range n {
		sent = append(sent, PublishAs(t, s, site, "r", "ada", gateway.MessageID(fmt.Sprint("m-", i))))
		PublishAs(t, s, site, "r", "bob", gateway.MessageID(fmt.Sprint("b-", i)))
		if i == 40 || i == 100 {
			s.settle()
		}
	}
	for range 2 { // before and after they have moved
		for _, m := range sent {
			CheckFound(t, s, "r", m)
		}
		s.settle()
	}
	site.Advance(windowTime)
	CheckFound(t, s, "r", sent[0])
	site.Advance(time.Millisecond)
	for i, m := range sent {
		if i < n-windowIDs {
			CheckNotFound(t, s, "r", m.User, m.ID)
		} else {
			CheckFound(t, s, "r", m)
		}
	}
	site.Advance(1000 * 24 * time.Hour)
	for range 2 {
		CheckFound(t, s, "r", sent[n-1])
		CheckFound(t, s, "r", sent[n-windowIDs])
		CheckNotFound(t, s, "r", "ada", sent[n-windowIDs-1].ID)
		s.settle()
	}
	// One more pushes one out; the id that fell out is a new one.
	again := PublishAs(t, s, site, "r", "ada", sent[0].ID)
	for range 2 {
		CheckFound(t, s, "r", again)
		CheckNotFound(t, s, "r", "ada", sent[n-windowIDs].ID)
		CheckFound(t, s, "r", sent[n-windowIDs+1])
		s.settle()
	}
}

// findMany publishes at the rate that one connection may: all of five minutes is
// found, and nothing older.
func findMany(t *testing.T, s Subject, site *Site) {
	const n, rate = 30_500, 100
	most := int(windowTime.Seconds() * rate)
	var sent []gateway.Message
	for i := range n {
		sent = append(sent, PublishAs(t, s, site, "r", "ada", gateway.MessageID(fmt.Sprint("m-", i))))
		if i < n-1 {
			site.Advance(time.Second / rate)
		}
		if i%7000 == 6000 {
			s.settle()
			CheckFound(t, s, "r", sent[max(0, i-most)])
		}
	}
	for range 2 {
		for i, m := range sent {
			if i < n-1-most {
				CheckNotFound(t, s, "r", m.User, m.ID)
			} else {
				CheckFound(t, s, "r", m)
			}
		}
		s.settle()
	}
}

// findOfMany has as many devices as a site may have, each with the ids that are
// to be found at any time.
func findOfMany(t *testing.T, s Subject, site *Site) {
	const users = 300
	var sent []gateway.Message
	for i := range windowIDs * users {
		user := gateway.AccountName(fmt.Sprint("device-", i%users))
		sent = append(sent, PublishAs(t, s, site, "r", user, gateway.MessageID(fmt.Sprintf("%036d", i))))
		if i == 5000 {
			s.settle()
		}
	}
	site.Advance(time.Hour)
	for range 2 {
		for _, m := range sent {
			CheckFound(t, s, "r", m)
		}
		s.settle()
	}
}

func findByName(t *testing.T, s Subject, site *Site) {
	long := strings.Repeat("x", gateway.MaxMessageIDBytes)
	CheckNotFound(t, s, "r", "ada", "a")
	var sent []gateway.Message
	for _, id := range []string{"a", "b", "A", "a ", "ab", "\x00", "\x00\x00", "ü", long, long[1:], long[1:] + "y", "y" + long[1:]} {
		sent = append(sent, PublishAs(t, s, site, "r", "ada", gateway.MessageID(id)))
	}
	PublishAs(t, s, site, "r", "ada", "")
	other := PublishAs(t, s, site, "r", "ad", "other")
	elsewhere := PublishAs(t, s, site, "s", "ada", "elsewhere")
	for range 2 {
		for _, m := range sent {
			CheckFound(t, s, "r", m)
			CheckNotFound(t, s, "r", "ad", m.ID)
			CheckNotFound(t, s, "r", "adaa", m.ID)
			CheckNotFound(t, s, "s", "ada", m.ID)
		}
		CheckFound(t, s, "r", other)
		CheckFound(t, s, "s", elsewhere)
		CheckNotFound(t, s, "r", "ada", "other")
		CheckNotFound(t, s, "r", "ada", gateway.MessageID("x"+long))
		CheckNotFound(t, s, "r", "ada", gateway.MessageID(long+"x"))
		s.settle()
	}
	if rooms, _ := s.Rooms(); len(rooms) != 2 {
		t.Errorf("Rooms = %v", rooms)
	}
}

func findWhatIsGone(t *testing.T, s Subject, site *Site) {
	site.Change(func(r *gateway.RoomSettings) { r.MaxMessages, r.MaxAge = 3, time.Minute })
	var sent []gateway.Message
	for i := range 20 {
		sent = append(sent, PublishAs(t, s, site, "r", "ada", gateway.MessageID(fmt.Sprint("m-", i))))
		if i == 10 {
			s.settle()
		}
	}
	site.Advance(time.Hour)
	s.settle()
	for _, m := range sent {
		CheckFound(t, s, "r", m)
	}
	if all := All(t, s, "r"); len(all) != 0 {
		t.Errorf("%d messages kept", len(all))
	}
}
