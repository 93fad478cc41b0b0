package gateway

import "time"

// RoomSettings is what an operator decides about a room.
type RoomSettings struct {
	Durability Durability
	Overflow   Overflow
	// MaxMessages is the most messages kept, at least 1.
	MaxMessages int64
	// MaxBytes is the most bytes of stored records kept, at least 1.
	MaxBytes int64
	// MaxAge is how long messages are kept; 0 keeps them until another
	// limit takes them.
	MaxAge time.Duration
}

// RoomHead is where a room stands.
type RoomHead struct {
	Epoch Epoch
	// Seq is the newest message's, or 0 in an empty room.
	Seq Seq
	// Oldest is the oldest kept message's seq, or Seq+1 when none is kept.
	Oldest Seq
	// TS is the newest message's timestamp, or 0 in an empty room.
	TS Timestamp
}

// PastEpoch is an epoch of a room that has ended.
type PastEpoch struct {
	Epoch Epoch
	// End is the last seq that the epoch durably holds: who saw more of it saw
	// what was lost.
	End Seq
}

// Found is a message that was published before under the same id.
type Found struct {
	// Seq is 0 when there is none.
	Seq Seq
	TS  Timestamp
	// Record is the message while it waits for its commit, else nil.
	Record *Record
}
