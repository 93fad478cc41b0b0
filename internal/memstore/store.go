// Package memstore keeps the newest messages of `memory` rooms in RAM. It
// behaves like the store on disk, except that an appended message is in place at
// once, that nothing survives the process, and that all rooms together are
// bounded too.
//
// It writes no file and acknowledges nothing: whoever appended has its answer
// when Append returns.
package memstore

import (
	"container/heap"
	"container/list"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"edgegw/internal/gateway"
)

// defaultTotalBytes suits a board with 512 MB.
const defaultTotalBytes = 8 << 20

// messageOverhead is about what a kept message costs besides its bytes.
const messageOverhead = 160

// Options says how New works. Settings and Now are needed.
type Options struct {
	// Settings tells what holds for a room right now. It is called with
	// every Append and Page, so that it has to be quick, and must not call
	// the store.
	Settings func(gateway.RoomID) gateway.RoomSettings
	// Now is the logical clock.
	Now func() time.Time
	// AgeTime is the time that ages are measured by, and whether anything may
	// be purged by it; nil is no.
	AgeTime func() (now time.Time, trusted bool)
	// TotalBytes bounds the messages that all rooms keep together, their
	// overhead included; 0 means 8 MiB. Heads are kept besides.
	TotalBytes int64
	// IDBytes bounds what is remembered of the ids of messages, kept or
	// not, in all rooms together; 0 means 16 MiB.
	IDBytes int64
}

// Store is the history of `memory` rooms. All its methods may be called from any
// goroutine.
type Store struct {
	opts  Options
	epoch gateway.Epoch

	mu    sync.Mutex
	rooms map[gateway.RoomID]*room
	full  byAge // the rooms that keep messages
	bytes int64 // of messages
	// publishers holds all rooms' publishers, the last used first; idBytes
	// is what they take.
	publishers list.List
	idBytes    int64
}

// room is a head, the newest messages, which are messages[gone:], and what they
// leave behind.
type room struct {
	id       gateway.RoomID
	head     gateway.RoomHead
	messages []gateway.Message
	gone     int
	bytes    int64
	place    int // in Store.full, or -1

	publishers map[gateway.AccountName]*publisher
	past       []gateway.PastEpoch
	behind     gateway.Seq // what Begin was told
}

// New returns an empty store. Its epoch is random, so that no client takes the
// seqs of this process for those of the last one.
func New(opts Options) (*Store, error) {
	if opts.Settings == nil || opts.Now == nil {
		return nil, gateway.Wrap("memstore.New", errors.New("options lack Settings or Now"))
	}
	if opts.AgeTime == nil {
		opts.AgeTime = func() (time.Time, bool) { return time.Time{}, false }
	}
	if opts.TotalBytes <= 0 {
		opts.TotalBytes = defaultTotalBytes
	}
	if opts.IDBytes <= 0 {
		opts.IDBytes = defaultIDBytes
	}
	return &Store{
		opts:  opts,
		epoch: newEpoch(),
		rooms: make(map[gateway.RoomID]*room),
	}, nil
}

// Head tells where the room stands. A room without messages has Seq 0, Oldest 1
// and the epoch it would begin with. The error is always nil.
func (s *Store) Head(id gateway.RoomID) (gateway.RoomHead, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.rooms[id]; r != nil {
		return r.head, nil
	}
	return gateway.RoomHead{Epoch: s.epoch, Oldest: 1}, nil
}

// Rooms lists the rooms that keep messages, sorted. The error is always nil.
func (s *Store) Rooms() ([]gateway.RoomID, error) {
	s.mu.Lock()
	ids := make([]gateway.RoomID, 0, len(s.full))
	for _, r := range s.full {
		ids = append(ids, r.id)
	}
	s.mu.Unlock()
	slices.Sort(ids)
	return ids, nil
}

// Append keeps the record's message as the next of its room and lets older ones
// go as the limits ask. It returns CodeInternal when the seq is not head+1 or
// the time lies before the head's.
func (s *Store) Append(rec *gateway.Record) error {
	settings, cutoff := s.limits(rec.Room)
	m := &rec.Message
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.roomLocked(rec.Room)
	if m.Seq != r.head.Seq+1 || m.TS < r.head.TS {
		return gateway.Wrap("memstore.Append", fmt.Errorf("seq %d at %d does not follow seq %d at %d of room %s",
			m.Seq, m.TS, r.head.Seq, r.head.TS, r.id))
	}
	s.rooms[r.id] = r
	r.messages = append(r.messages, *m)
	r.head.Seq, r.head.TS = m.Seq, m.TS
	r.bytes += size(m)
	s.bytes += size(m)
	if m.ID != "" {
		s.rememberLocked(r, m)
	}
	s.trimLocked(r, settings, cutoff)
	if r.place < 0 && r.gone < len(r.messages) {
		heap.Push(&s.full, r)
	}
	for s.bytes > s.opts.TotalBytes && len(s.full) > 0 {
		s.dropLocked(s.full[0])
	}
	return nil
}

// roomLocked returns the room, or one that was never used and is not in place yet.
func (s *Store) roomLocked(id gateway.RoomID) *room {
	if r := s.rooms[id]; r != nil {
		return r
	}
	return &room{id: id, head: gateway.RoomHead{Epoch: s.epoch, Oldest: 1}, place: -1}
}

func size(m *gateway.Message) int64 {
	return int64(messageOverhead + len(m.User) + len(m.ID) + len(m.Payload.Bytes))
}

// limits returns the room's settings and the time before which messages go; 0
// keeps all.
func (s *Store) limits(id gateway.RoomID) (gateway.RoomSettings, gateway.Timestamp) {
	settings := s.opts.Settings(id)
	if settings.MaxAge > 0 {
		if now, trusted := s.opts.AgeTime(); trusted {
			return settings, gateway.Timestamp(now.Add(-settings.MaxAge).UnixMilli())
		}
	}
	return settings, 0
}

func (s *Store) trimLocked(r *room, settings gateway.RoomSettings, cutoff gateway.Timestamp) {
	for r.gone < len(r.messages) &&
		(int64(len(r.messages)-r.gone) > settings.MaxMessages || r.bytes > settings.MaxBytes || r.messages[r.gone].TS < cutoff) {
		s.dropLocked(r)
	}
}

// dropLocked lets the oldest message of the room go.
func (s *Store) dropLocked(r *room) {
	m := &r.messages[r.gone]
	r.bytes -= size(m)
	s.bytes -= size(m)
	*m = gateway.Message{}
	r.gone++
	r.head.Oldest++
	kept := r.messages[r.gone:]
	switch {
	case len(kept) == 0:
		r.messages, r.gone = nil, 0
	case r.gone > 64 && r.gone > 2*len(kept):
		// A new slice: a reader may hold the old one's memory, and the
		// room may have been larger once.
		r.messages, r.gone = append([]gateway.Message(nil), kept...), 0
	}
	switch {
	case r.place < 0:
	case len(r.messages) == 0:
		heap.Remove(&s.full, r.place)
	default:
		heap.Fix(&s.full, r.place)
	}
}
