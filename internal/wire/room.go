package wire

import (
	"strconv"

	"edgegw/internal/gateway"
)

// Recovery is the answer to a client that resumes with an epoch.
type Recovery uint8

// The answers. Recovered is given only when nothing that the client missed is
// missing; NotRecovered, when anything may be, and then nothing is replayed.
const (
	RecoveryNone Recovery = iota // the client gave no epoch: nothing is promised
	Recovered
	NotRecovered
)

// Subscribed says where a room stands for one connection.
type Subscribed struct {
	Room  gateway.RoomID
	Epoch gateway.Epoch
	// Seq is the newest message's, up to which the connection has had its
	// messages or gets them from a replay; what is above it follows live.
	Seq      gateway.Seq
	Recovery Recovery
	// Replay is how many stored messages follow, told with HasReplay.
	Replay    uint64
	HasReplay bool
	// From is the oldest kept message's seq, or 0 when it is not told.
	From gateway.Seq
}

// AppendSubscribed appends a `subscribed` frame.
func AppendSubscribed(dst []byte, s Subscribed) []byte {
	dst, start := beginFrame(dst)
	dst = append(dst, `{"type":"subscribed"`...)
	dst = appendMember(dst, "room", string(s.Room))
	dst = appendMember(dst, "epoch", string(s.Epoch))
	dst = append(dst, `,"seq":`...)
	dst = strconv.AppendUint(dst, uint64(s.Seq), 10)
	switch s.Recovery {
	case Recovered:
		dst = append(dst, `,"recovered":true`...)
	case NotRecovered:
		dst = append(dst, `,"recovered":false`...)
	case RecoveryNone:
	}
	if s.HasReplay {
		dst = append(dst, `,"replay":`...)
		dst = strconv.AppendUint(dst, s.Replay, 10)
	}
	if s.From != 0 {
		dst = append(dst, `,"from":`...)
		dst = strconv.AppendUint(dst, uint64(s.From), 10)
	}
	dst = append(dst, '}')
	return endFrame(dst, start, OpText)
}

// AppendUnsubscribed appends an `unsubscribed` frame.
func AppendUnsubscribed(dst []byte, room gateway.RoomID, reason string) []byte {
	dst, start := beginFrame(dst)
	dst = append(dst, `{"type":"unsubscribed"`...)
	dst = appendMember(dst, "room", string(room))
	dst = appendMember(dst, "reason", reason)
	dst = append(dst, '}')
	return endFrame(dst, start, OpText)
}

// AppendGap appends a `gap` frame: the seqs from first to last, both included,
// were not sent on this connection.
func AppendGap(dst []byte, room gateway.RoomID, first, last gateway.Seq, reason string) []byte {
	dst, start := beginFrame(dst)
	dst = append(dst, `{"type":"gap"`...)
	dst = appendMember(dst, "room", string(room))
	dst = append(dst, `,"from":`...)
	dst = strconv.AppendUint(dst, uint64(first), 10)
	dst = append(dst, `,"to":`...)
	dst = strconv.AppendUint(dst, uint64(last), 10)
	dst = appendMember(dst, "reason", reason)
	dst = append(dst, '}')
	return endFrame(dst, start, OpText)
}

// The states of typing and the events of presence.
const (
	typingStart   = "start"
	typingStop    = "stop"
	presenceJoin  = "join"
	presenceLeave = "leave"
)

// AppendTyping appends a `typing` frame: the account began to type, or ended.
func AppendTyping(dst []byte, room gateway.RoomID, user gateway.AccountName, begins bool) []byte {
	state := typingStop
	if begins {
		state = typingStart
	}
	dst, start := beginFrame(dst)
	dst = append(dst, `{"type":"typing"`...)
	dst = appendMember(dst, "room", string(room))
	dst = appendMember(dst, "user", string(user))
	dst = appendMember(dst, "state", state)
	dst = append(dst, '}')
	return endFrame(dst, start, OpText)
}

// AppendPresence appends a `presence` frame: the account joined the room, or
// left it, and count accounts are there now.
func AppendPresence(dst []byte, room gateway.RoomID, user gateway.AccountName, joins bool, count int) []byte {
	event := presenceLeave
	if joins {
		event = presenceJoin
	}
	dst, start := beginFrame(dst)
	dst = append(dst, `{"type":"presence"`...)
	dst = appendMember(dst, "room", string(room))
	dst = appendMember(dst, "user", string(user))
	dst = appendMember(dst, "event", event)
	dst = append(dst, `,"count":`...)
	dst = strconv.AppendInt(dst, int64(count), 10)
	dst = append(dst, '}')
	return endFrame(dst, start, OpText)
}
