package wire

import (
	"encoding/base64"
	"strconv"
	"time"

	"edgegw/internal/gateway"
)

// AppendMessage appends the `message` frame of m in the json format.
func AppendMessage(dst []byte, room gateway.RoomID, m *gateway.Message) []byte {
	dst, start := beginFrame(dst)
	dst = append(dst, `{"type":"message","room":"`...)
	dst = append(dst, room...) // room ids need no escaping
	dst = append(dst, `",`...)
	dst = appendMessageMembers(dst, m)
	return endFrame(dst, start, OpText)
}

// AppendHistoryMessage appends m as the JSON object of a history page: the
// `message` frame without type and room.
func AppendHistoryMessage(dst []byte, m *gateway.Message) []byte {
	return appendMessageMembers(append(dst, '{'), m)
}

func appendMessageMembers(dst []byte, m *gateway.Message) []byte {
	dst = append(dst, `"seq":`...)
	dst = strconv.AppendUint(dst, uint64(m.Seq), 10)
	dst = append(dst, `,"ts":`...)
	dst = strconv.AppendInt(dst, int64(m.TS), 10)
	dst = append(dst, `,"user":"`...)
	dst = append(dst, m.User...) // account names need no escaping
	dst = append(dst, '"')
	if m.ID != "" {
		dst = append(dst, `,"id":`...)
		dst = AppendQuoted(dst, string(m.ID))
	}
	switch m.Payload.Kind {
	case gateway.PayloadBinary:
		dst = append(dst, `,"encoding":"base64","data":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, m.Payload.Bytes)
		dst = append(dst, '"')
	case gateway.PayloadText:
		dst = append(dst, `,"data":`...)
		dst = AppendQuoted(dst, m.Payload.Bytes)
	default:
		dst = append(dst, `,"data":`...)
		dst = append(dst, m.Payload.Bytes...)
	}
	return append(dst, '}')
}

// AppendRawMessage appends m as one frame of the raw format: strings as text,
// binary as binary, any other JSON as its text.
func AppendRawMessage(dst []byte, m *gateway.Message) []byte {
	p := m.Payload
	switch {
	case p.Kind == gateway.PayloadBinary:
		return AppendFrame(dst, OpBinary, p.Bytes)
	case p.Kind == gateway.PayloadJSON && len(p.Bytes) > 0 && p.Bytes[0] == '"':
		return AppendFrame(dst, OpText, stringToken(p.Bytes))
	}
	return AppendFrame(dst, OpText, p.Bytes)
}

// Ack is what the publisher of a message with an id is told.
type Ack struct {
	ID         gateway.MessageID
	Room       gateway.RoomID
	Seq        gateway.Seq
	TS         gateway.Timestamp
	Durability gateway.Durability
}

// AppendAck appends an `ack` frame.
func AppendAck(dst []byte, a Ack) []byte {
	dst, start := beginFrame(dst)
	dst = append(dst, `{"type":"ack","id":`...)
	dst = AppendQuoted(dst, string(a.ID))
	dst = append(dst, `,"room":"`...)
	dst = append(dst, a.Room...)
	dst = append(dst, `","seq":`...)
	dst = strconv.AppendUint(dst, uint64(a.Seq), 10)
	dst = append(dst, `,"ts":`...)
	dst = strconv.AppendInt(dst, int64(a.TS), 10)
	dst = append(dst, `,"durability":"`...)
	dst = append(dst, a.Durability...)
	dst = append(dst, `"}`...)
	return endFrame(dst, start, OpText)
}

// AppendPong appends the answer to a `ping` command.
func AppendPong(dst []byte) []byte {
	return AppendFrame(dst, OpText, []byte(`{"type":"pong"}`))
}

// AppendError appends an `error` frame. Room and id repeat what the failed
// command named; either may be empty.
func AppendError(dst []byte, err *gateway.Error, room, id []byte) []byte {
	dst, start := beginFrame(dst)
	dst = append(dst, `{"type":"error"`...)
	dst = appendMember(dst, "code", string(err.Code))
	dst = appendMember(dst, "message", err.Message)
	if len(room) > 0 {
		dst = appendMember(dst, "room", string(room))
	}
	if len(id) > 0 {
		dst = appendMember(dst, "id", string(id))
	}
	if err.RetryAfter > 0 {
		dst = append(dst, `,"retry_after_ms":`...)
		dst = appendMillis(dst, err.RetryAfter)
	}
	dst = append(dst, '}')
	return endFrame(dst, start, OpText)
}

// appendMillis appends a positive duration in milliseconds, rounded up: a client
// is never told to come back at once.
func appendMillis(dst []byte, d time.Duration) []byte {
	return strconv.AppendInt(dst, int64((d-1)/time.Millisecond)+1, 10)
}

// appendMember appends `,"name":"value"`.
func appendMember(dst []byte, name, value string) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ':')
	return AppendQuoted(dst, value)
}
