package gateway

// Seq numbers the messages of a room from 1, contiguously, and is never given
// twice inside an epoch.
type Seq uint64

// Epoch names a stretch of a room's life in which no seq is given twice. It is
// opaque to clients.
type Epoch string

// Timestamp is Unix time in milliseconds. Inside a room it never runs
// backwards, whatever the wall clock does.
type Timestamp int64

// MessageID is the client's own id of a message, 1 to MaxMessageIDBytes bytes.
type MessageID string

// PayloadKind says how a message's bytes were given.
type PayloadKind uint8

// The kinds of payload. The bytes of each are kept exactly as they were sent.
const (
	// PayloadJSON is one valid JSON value.
	PayloadJSON PayloadKind = iota
	// PayloadText is UTF-8 text; in the json format it reads as a string.
	PayloadText
	// PayloadBinary is any bytes; in the json format it reads as base64.
	PayloadBinary
)

// Payload is what a message carries.
type Payload struct {
	Kind  PayloadKind
	Bytes []byte
}

// Message is one stored or delivered message of a room.
type Message struct {
	Seq     Seq
	TS      Timestamp
	User    AccountName
	ID      MessageID // empty when the publisher gave none
	Payload Payload
}

// Durability says when a message is announced and acknowledged.
type Durability string

// The durability classes of a room.
const (
	// DurabilityMemory: never written; history is the newest messages in RAM.
	DurabilityMemory Durability = "memory"
	// DurabilityQueued: announced at once, acknowledged after the commit.
	DurabilityQueued Durability = "queued"
	// DurabilityFsynced: announced and acknowledged only after the commit.
	DurabilityFsynced Durability = "fsynced"
)

// ParseDurability returns CodeInvalidRequest for an unknown class.
func ParseDurability(s string) (Durability, error) {
	switch d := Durability(s); d {
	case DurabilityMemory, DurabilityQueued, DurabilityFsynced:
		return d, nil
	}
	return "", Errorf(CodeInvalidRequest, "durability %q is unknown; use memory, queued or fsynced", clip(s))
}

// Overflow says what happens to a subscriber that reads too slowly.
type Overflow string

// The overflow policies of a room.
const (
	// OverflowDisconnect closes the socket with 4002; the client resumes.
	OverflowDisconnect Overflow = "disconnect"
	// OverflowDropOldest drops what waits longest and says so with a gap.
	OverflowDropOldest Overflow = "drop_oldest"
	// OverflowKeepLatest lets only the newest message wait.
	OverflowKeepLatest Overflow = "keep_latest"
)

// ParseOverflow returns CodeInvalidRequest for an unknown policy.
func ParseOverflow(s string) (Overflow, error) {
	switch o := Overflow(s); o {
	case OverflowDisconnect, OverflowDropOldest, OverflowKeepLatest:
		return o, nil
	}
	return "", Errorf(CodeInvalidRequest, "overflow policy %q is unknown; use disconnect, drop_oldest or keep_latest", clip(s))
}
