package wire

import (
	"strconv"
	"time"

	"edgegw/internal/gateway"
)

// Welcome is the first frame of a json connection.
type Welcome struct {
	User            gateway.AccountName
	Role            gateway.Role
	Room            gateway.RoomID
	Connection      string // opaque, shown to admins and in logs
	Session         string // empty when the token names none
	ServerTime      gateway.Timestamp
	Clock           string
	ExpiresIn       time.Duration
	PingInterval    time.Duration
	MaxMessageBytes int
}

// AppendWelcome appends a `welcome` frame. Durations are given in whole
// seconds, rounded down.
func AppendWelcome(dst []byte, w Welcome) []byte {
	dst, start := beginFrame(dst)
	dst = append(dst, `{"type":"welcome","protocol":`...)
	dst = strconv.AppendInt(dst, gateway.ProtocolVersion, 10)
	dst = appendMember(dst, "user", string(w.User))
	dst = appendMember(dst, "role", string(w.Role))
	dst = appendMember(dst, "room", string(w.Room))
	dst = appendMember(dst, "connection", w.Connection)
	if w.Session != "" {
		dst = appendMember(dst, "session", w.Session)
	}
	dst = append(dst, `,"server_time":`...)
	dst = strconv.AppendInt(dst, int64(w.ServerTime), 10)
	dst = appendMember(dst, "clock", w.Clock)
	dst = appendExpiresIn(dst, w.ExpiresIn)
	dst = append(dst, `,"ping_interval":`...)
	dst = strconv.AppendInt(dst, int64(w.PingInterval/time.Second), 10)
	dst = append(dst, `,"max_message_bytes":`...)
	dst = strconv.AppendInt(dst, int64(w.MaxMessageBytes), 10)
	dst = append(dst, '}')
	return endFrame(dst, start, OpText)
}

// AppendTokenExpiring appends a `token_expiring` frame: the connection's token
// ends so soon, in whole seconds, rounded down.
func AppendTokenExpiring(dst []byte, expiresIn time.Duration) []byte {
	dst, start := beginFrame(dst)
	dst = append(dst, `{"type":"token_expiring"`...)
	dst = append(appendExpiresIn(dst, expiresIn), '}')
	return endFrame(dst, start, OpText)
}

// AppendAuthOK appends an `auth_ok` frame: a new token took the old one's place,
// and ends so soon, in whole seconds, rounded down.
func AppendAuthOK(dst []byte, expiresIn time.Duration) []byte {
	dst, start := beginFrame(dst)
	dst = append(dst, `{"type":"auth_ok"`...)
	dst = append(appendExpiresIn(dst, expiresIn), '}')
	return endFrame(dst, start, OpText)
}

// appendExpiresIn never says less than 0: a socket outlives its token for a
// moment.
func appendExpiresIn(dst []byte, d time.Duration) []byte {
	dst = append(dst, `,"expires_in":`...)
	return strconv.AppendInt(dst, int64(max(d, 0)/time.Second), 10)
}
