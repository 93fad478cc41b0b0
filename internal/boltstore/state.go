package boltstore

import (
	"crypto/rand"
	"encoding/binary"
	"strconv"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

// maxEpochs is how many ended epochs are remembered.
const maxEpochs = 16

const stateVersion = 1

var keyState = []byte("state")

// storeState is what history.db knows about itself. A generation is a stretch
// in which no announced message can have been lost; it ends with a stop that
// was not clean. Its epoch is the epoch of every room whose newest message it
// holds, and of rooms that are still unused.
type storeState struct {
	storeID    string
	generation uint64
	epoch      gateway.Epoch
	// open says that a process has the file, or had it and did not stop
	// cleanly.
	open bool
	// past are the epochs of the generations before, oldest first.
	past []pastEpoch
}

// pastEpoch is an epoch that ended, and where.
type pastEpoch struct {
	generation uint64
	epoch      gateway.Epoch
	// end is the seq of the last message that the epoch durably holds. It
	// is kept per room, and 0 in the store's own list.
	end gateway.Seq
}

// newState begins the first generation.
func newState() storeState {
	s := storeState{storeID: rand.Text()}
	s.advance()
	return s
}

// advance begins a new generation.
func (s *storeState) advance() {
	if s.generation > 0 {
		s.past = keepNewest(append(s.past, pastEpoch{generation: s.generation, epoch: s.epoch}))
	}
	s.generation++
	s.epoch = newEpoch(s.generation)
}

// newEpoch names an epoch. The name is random rather than counted: two copies of
// one file must never give the same name to different messages.
func newEpoch(generation uint64) gateway.Epoch {
	return gateway.Epoch(strconv.FormatUint(generation, 36) + "." + rand.Text()[:12])
}

func keepNewest(past []pastEpoch) []pastEpoch {
	return past[max(0, len(past)-maxEpochs):]
}

func (s *storeState) put(tx *bolt.Tx) error {
	v := append([]byte(nil), stateVersion)
	v = appendString(v, s.storeID)
	v = binary.AppendUvarint(v, s.generation)
	v = appendString(v, s.epoch)
	open := byte(0)
	if s.open {
		open = 1
	}
	v = appendPast(append(v, open), s.past)
	return tx.Bucket(bucketMeta).Put(keyState, appendSum(v, 0, keyState, 0))
}

func readState(tx *bolt.Tx) (s storeState, ok bool) {
	body, ok := openSum(tx.Bucket(bucketMeta).Get(keyState), keyState, 0, new([]byte))
	d := decoder{b: body}
	version := d.byte()
	s.storeID = string(d.bytes())
	s.generation = d.uvarint()
	s.epoch = gateway.Epoch(d.bytes())
	s.open = d.byte() != 0
	s.past = readPast(&d)
	return s, ok && !d.bad && version == stateVersion
}

func appendPast(v []byte, past []pastEpoch) []byte {
	v = binary.AppendUvarint(v, uint64(len(past)))
	for _, p := range past {
		v = binary.AppendUvarint(v, p.generation)
		v = appendString(v, p.epoch)
		v = binary.AppendUvarint(v, uint64(p.end))
	}
	return v
}

func readPast(d *decoder) []pastEpoch {
	n := d.uvarint()
	if n > maxEpochs {
		d.bad = true
		return nil
	}
	past := make([]pastEpoch, n)
	for i := range past {
		past[i] = pastEpoch{d.uvarint(), gateway.Epoch(d.bytes()), gateway.Seq(d.uvarint())}
	}
	return past
}
