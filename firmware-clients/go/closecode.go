package client

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Close codes with a meaning of their own for a client (PROTOCOL section 7).
const (
	closeNormal          = 1000
	closeIllegalFrame    = 1002
	closeNoStatus        = 1005 // a close frame without a code
	closeInvalidUTF8     = 1007
	closeMessageTooLarge = 1009
	closeTokenExpired    = 4001
	closeSessionRevoked  = 4501
)

// CloseError is how the gateway ended a connection.
type CloseError struct {
	// Code is that of the close frame, or 1005 when it had none.
	Code int
	// Reason starts with the code's name, for example "slow_consumer".
	Reason string
	// RetryAfter is how long the gateway wants the client to stay away; 0
	// when it did not say.
	RetryAfter time.Duration
}

// Error gives code and reason.
func (e *CloseError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("client: the gateway closed the connection with %d %s", e.Code, e.Reason))
}

// action is what a client does after a close code.
type action string

const (
	actReconnect action = "reconnect"
	actRefresh   action = "refresh" // reconnect with a new token
	actSkip      action = "skip"    // reconnect, and never send again what was too long
	actLogin     action = "login"   // reconnect after a new login
	actStop      action = "stop"
)

// actionFor is the table of close codes: 4000 to 4499 reconnect, 4500 to 4999 do
// not, any other code reconnects; and then there are the exceptions.
func actionFor(code int) action {
	switch {
	case code == closeIllegalFrame, code == closeInvalidUTF8:
		return actStop
	case code == closeMessageTooLarge:
		return actSkip
	case code == closeTokenExpired:
		return actRefresh
	case code == closeSessionRevoked:
		return actLogin
	case code >= 4500 && code <= 4999:
		return actStop
	}
	return actReconnect
}

// closeErrorOf reads the payload of a close frame.
func closeErrorOf(payload []byte) *CloseError {
	if len(payload) < 2 {
		return &CloseError{Code: closeNoStatus}
	}
	e := &CloseError{Code: int(binary.BigEndian.Uint16(payload)), Reason: string(payload[2:])}
	for word := range strings.FieldsSeq(e.Reason) {
		ms, ok := strings.CutPrefix(word, "retry_after_ms=")
		if n, err := strconv.ParseInt(ms, 10, 32); ok && err == nil && n > 0 {
			e.RetryAfter = time.Duration(n) * time.Millisecond
		}
	}
	return e
}
