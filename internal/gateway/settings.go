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
