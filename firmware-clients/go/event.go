package client

import (
	"encoding/base64"
	"encoding/json"
	"time"
)

// Event is something that happened: one of Connected, Disconnected, Subscribed,
// Unsubscribed, Message, Lost, Typing, Presence and Problem. There may be more
// kinds one day.
type Event interface{ event() }

// Connected says that a connection is open and welcomed.
type Connected struct {
	User, Role string
	// Room is the default room.
	Room string
	// Connection and Session are the gateway's names for them; Session is
	// empty when the token belongs to none.
	Connection, Session string
	// ServerTime is the gateway's time, and Clock how far that can be
	// trusted: none, floor or synced.
	ServerTime time.Time
	Clock      string
	// ExpiresIn is how long the connection's token is valid.
	ExpiresIn time.Duration
	// PingInterval is how often the gateway shows that it is there.
	PingInterval time.Duration
	// MaxMessageBytes is the longest frame that the gateway takes.
	MaxMessageBytes int
}

// Disconnected says that a connection ended, or that a try to get one failed.
type Disconnected struct {
	// Err is why: a *CloseError, an *Error or one of the network.
	Err error
	// Wait is how long the client waits before it tries again.
	Wait time.Duration
}

// Subscribed says that a room's messages follow.
type Subscribed struct {
	Room, Epoch string
	// Seq is the room's newest message.
	Seq uint64
	// Recovered says that the client had been here before, and that nothing is
	// missing.
	Recovered bool
	// Replay is how many of the missed messages follow.
	Replay uint64
}

// Unsubscribed says that no more messages of a room come, until somebody
// subscribes again.
type Unsubscribed struct {
	Room string
	// Reason is requested, forbidden or deleted, or the code of the error that
	// answered the subscription.
	Reason string
}

// Message is a message of a room. Those of a room come in the order of Seq, each
// once; what is missing between two of them was told by a Lost.
type Message struct {
	Room string
	// Epoch and Seq together are the Position behind the message.
	Epoch string
	Seq   uint64
	TS    time.Time
	User  string
	// ID is what its publisher called it, or empty.
	ID string
	// Data is JSON, exactly as it was published.
	Data json.RawMessage
	// Encoding is base64 when Data is a string that holds bytes, else empty.
	Encoding string
}

// Bytes returns the bytes of a message that was published as such, or as text;
// of any other it returns the JSON.
func (m *Message) Bytes() ([]byte, error) {
	var s string
	if len(m.Data) == 0 || m.Data[0] != '"' {
		return m.Data, nil
	}
	if err := json.Unmarshal(m.Data, &s); err != nil {
		return nil, err
	}
	if m.Encoding == "base64" {
		return base64.StdEncoding.DecodeString(s)
	}
	return []byte(s), nil
}

// Lost says that messages of a room were not delivered, or may not have been.
// What is still kept of them is in the room's history, which
// GET /rooms/{id}/messages gives.
type Lost struct {
	Room string
	// Reason is not_recovered or purged, found when the client came back; the
	// reason of the gateway's gap frame, such as drop_oldest; or missing, when
	// the gateway skipped numbers without a word, which is a fault of its.
	Reason string
	// From and To are the numbers, both included; there is none when From is
	// above To. They are of the epoch Epoch.
	From, To uint64
	Epoch    string
	// Oldest is the oldest number that is kept, or 0 when it is not known.
	Oldest uint64
	// Reset says that the room's numbers do not go on where the client was:
	// the newest of what it had may have been taken back, for example by a
	// power cut, and From to To is everything that is kept.
	Reset bool
}

// Reasons of a Lost that the client finds out itself.
const (
	LostNotRecovered = "not_recovered"
	LostPurged       = "purged"
	LostMissing      = "missing"
)

// Typing says that somebody else types in a room, or has stopped. News of it may
// be missing, see PROTOCOL section 5.
type Typing struct {
	Room, User string
	Active     bool
}

// Presence says that somebody else has come into a room, or left it. News of it
// may be missing, the next Count is right.
type Presence struct {
	Room, User string
	Joined     bool
	// Count is how many accounts are in the room.
	Count int
}

// Problem is an error frame that answers none of the publications and
// subscriptions, or that the client deals with itself.
type Problem struct{ Err *Error }

func (Connected) event()    {}
func (Disconnected) event() {}
func (Subscribed) event()   {}
func (Unsubscribed) event() {}
func (Message) event()      {}
func (Lost) event()         {}
func (Typing) event()       {}
func (Presence) event()     {}
func (Problem) event()      {}
