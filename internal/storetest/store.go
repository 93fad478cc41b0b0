package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"edgegw/internal/gateway"
)

// Store is what the suite tests.
type Store interface {
	// Head tells where the room stands; an unused one has Seq 0, Oldest 1
	// and the epoch it would begin with.
	Head(gateway.RoomID) (gateway.RoomHead, error)
	// Append keeps the record as the next of its room. It returns
	// CodeInternal when the seq is not head+1 or the time runs back.
	Append(*gateway.Record) error
	// Page reads history. It returns CodeInvalidRequest for a limit out of
	// range.
	Page(gateway.RoomID, gateway.HistoryQuery) (gateway.HistoryPage, error)
	// Rooms lists the rooms that keep messages, sorted.
	Rooms() ([]gateway.RoomID, error)
	// Find looks for a message that the account published in the room under
	// the id, in the last five minutes or among its newest 64.
	Find(gateway.RoomID, gateway.AccountName, gateway.MessageID) (gateway.Found, error)
	// Past lists the room's ended epochs, oldest first.
	Past(gateway.RoomID) ([]gateway.PastEpoch, error)
	// NewEpoch ends the room's epoch at its newest message.
	NewEpoch(gateway.RoomID) error
	// Delete takes away the messages, ids and ended epochs; the room then
	// begins at seq 1 in a new epoch.
	Delete(gateway.RoomID) error
}

// Subject is a store under test.
type Subject struct {
	Store
	// Settle has everything that was appended moved to where it stays, and
	// the limits applied. It may be nil.
	Settle func()
}

func (s Subject) settle() {
	if s.Settle != nil {
		s.Settle()
	}
}

// Site is the world that a store under test lives in: its clock and its rooms'
// settings. It may be changed while the store runs.
type Site struct {
	mu       sync.Mutex
	now      time.Time
	stepped  time.Duration // the part of now that makes nothing older
	trusted  bool
	settings gateway.RoomSettings
}

// NewSite returns a site in 2024 with a trusted clock, and limits that no test
// reaches by accident.
func NewSite() *Site {
	return &Site{
		now:     time.UnixMilli(1_700_000_000_000),
		trusted: true,
		settings: gateway.RoomSettings{
			Durability:  gateway.DurabilityQueued,
			Overflow:    gateway.OverflowDisconnect,
			MaxMessages: 1_000_000,
			MaxBytes:    1 << 30,
		},
	}
}

// Now is the site's clock.
func (s *Site) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// Advance moves the clock.
func (s *Site) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// Step moves the clock as a time server does that finds it wrong, or is wrong
// itself: no message gets older by it.
func (s *Site) Step(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now, s.stepped = s.now.Add(d), s.stepped+d
}

// AgeTime is what ages are measured by, and whether they may be.
func (s *Site) AgeTime() (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now.Add(-s.stepped), s.trusted
}

// Trust says whether the clock may be believed.
func (s *Site) Trust(trusted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trusted = trusted
}

// Settings is the same for all rooms.
func (s *Site) Settings(gateway.RoomID) gateway.RoomSettings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settings
}

// Change edits the settings.
func (s *Site) Change(edit func(*gateway.RoomSettings)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	edit(&s.settings)
}

// Next makes the record that follows the room's head, at the site's time.
func Next(t testing.TB, s Store, site *Site, room gateway.RoomID, payload string) *gateway.Record {
	t.Helper()
	head, err := s.Head(room)
	if err != nil {
		t.Fatal(err)
	}
	return &gateway.Record{Room: room, Message: gateway.Message{
		Seq:     head.Seq + 1,
		TS:      max(head.TS, gateway.Timestamp(site.Now().UnixMilli())),
		User:    "ada",
		ID:      gateway.MessageID(fmt.Sprint("id-", head.Seq+1)),
		Payload: gateway.Payload{Kind: gateway.PayloadText, Bytes: []byte(payload)},
	}}
}

// Publish appends a message to the room and returns it.
func Publish(t testing.TB, s Store, site *Site, room gateway.RoomID, payload string) gateway.Message {
	t.Helper()
	rec := Next(t, s, site, room, payload)
	if err := s.Append(rec); err != nil {
		t.Fatalf("Append seq %d to %s: %v", rec.Message.Seq, room, err)
	}
	return rec.Message
}

// All reads everything the room keeps, page by page.
func All(t testing.TB, s Store, room gateway.RoomID) []gateway.Message {
	t.Helper()
	var all []gateway.Message
	q := gateway.HistoryQuery{Limit: 97, OldestFirst: true}
	for {
		page, err := s.Page(room, q)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.Messages...)
		if !page.Newer || len(page.Messages) == 0 {
			return all
		}
		q.After = all[len(all)-1].Seq
	}
}
