package hub

// Counter and Histogram are what the hub needs of a metric.
type (
	// Counter counts up; n is not negative.
	Counter interface{ Add(n int64) }
	// Histogram takes samples in its unit.
	Histogram interface{ Observe(v float64) }
)

// Metrics are the hub's figures. All members are required.
type Metrics struct {
	Received, Delivered Counter
	// Dropped counts messages that a subscriber did not get, by reason.
	Dropped func(reason DropReason, n int)
	// Closed counts the ends of connections by close code.
	Closed func(code uint16)
	// RoomSubscribers gets each live room's subscribers every 10 s,
	// RoomMessageRate each busy room's messages every second.
	RoomSubscribers, RoomMessageRate Histogram
	// PublishDuration is from receiving a message to acknowledging it, in
	// seconds.
	PublishDuration Histogram
}

// DropReason says why a message was not delivered to a subscriber.
type DropReason string

// The reasons. Every loss has one.
const (
	DropSlowConsumer DropReason = "slow_consumer" // the socket was closed for it
	DropOldest       DropReason = "drop_oldest"
	DropKeepLatest   DropReason = "keep_latest"
	DropClosed       DropReason = "closed" // it waited when the socket ended
	DropRateLimited  DropReason = "rate_limited"
	// Of a replay:
	DropPurged   DropReason = "purged"   // retention took them before their turn
	DropDamaged  DropReason = "damaged"  // the store found them unreadable
	DropPressure DropReason = "pressure" // they are kept, and too many for now
)

// DropReasons lists every reason, for the metric's table.
var DropReasons = []DropReason{
	DropSlowConsumer, DropOldest, DropKeepLatest, DropClosed, DropRateLimited, DropPurged, DropDamaged, DropPressure,
}

// GapReasons lists those that a `gap` frame names (PROTOCOL section 5).
var GapReasons = []DropReason{DropOldest, DropKeepLatest, DropPurged, DropDamaged, DropPressure}
