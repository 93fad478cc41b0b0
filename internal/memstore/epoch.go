package memstore

import (
	"crypto/rand"

	"edgegw/internal/gateway"
)

// maxEpochs is how many ended epochs of a room are remembered.
const maxEpochs = 16

func newEpoch() gateway.Epoch { return gateway.Epoch("m." + rand.Text()[:12]) }

// Past lists the epochs of the room that NewEpoch ended, and those that Begin
// was given, oldest first, 16 at most. What this process did not see is not
// remembered. The error is always nil.
func (s *Store) Past(id gateway.RoomID) ([]gateway.PastEpoch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.rooms[id]; r != nil {
		return append([]gateway.PastEpoch(nil), r.past...), nil
	}
	return nil, nil
}

// NewEpoch begins a new epoch of the room and remembers the old one, with the
// newest message as its end. The error is always nil.
func (s *Store) NewEpoch(id gateway.RoomID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.roomLocked(id)
	s.rooms[id] = r
	r.past = append(r.past, gateway.PastEpoch{Epoch: r.head.Epoch, End: r.head.Seq})
	r.past = r.past[max(0, len(r.past)-maxEpochs):]
	r.head.Epoch = newEpoch()
	return nil
}

// Delete takes away the room's messages, ids and remembered epochs. The next
// message has seq 1, in a new epoch. The error is always nil.
func (s *Store) Delete(id gateway.RoomID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.anewLocked(id)
	return nil
}

// Begin is Delete for a room that goes on behind a newest message that is kept
// elsewhere: the next one has the seq behind it, and the epochs that ended at
// that message or before are remembered. The error is always nil.
func (s *Store) Begin(id gateway.RoomID, head gateway.RoomHead, past []gateway.PastEpoch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.anewLocked(id)
	r.head.Seq, r.head.TS, r.head.Oldest = head.Seq, head.TS, head.Seq+1
	r.past = append(r.past, past[max(0, len(past)-maxEpochs):]...)
	r.behind = head.Seq
	return nil
}

// Behind is the seq of the message that Begin was told of, 0 for other rooms.
func (s *Store) Behind(id gateway.RoomID) gateway.Seq {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.rooms[id]; r != nil {
		return r.behind
	}
	return 0
}

// anewLocked puts an empty room, in an epoch of its own, in the place of the one
// that is there.
func (s *Store) anewLocked(id gateway.RoomID) *room {
	r := s.roomLocked(id)
	for r.gone < len(r.messages) {
		s.dropLocked(r)
	}
	for _, p := range r.publishers {
		s.forgetLocked(p)
	}
	r = &room{id: id, head: gateway.RoomHead{Epoch: newEpoch(), Oldest: 1}, place: -1}
	s.rooms[id] = r
	return r
}
