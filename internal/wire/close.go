package wire

import (
	"time"

	"edgegw/internal/gateway"
)

// CloseCode is a WebSocket close code (RFC 6455 section 7.4, PROTOCOL section
// 7). From 4000 to 4499 a client reconnects, from 4500 to 4999 it does not, and
// after any other code, or none, it reconnects.
type CloseCode uint16

// The close codes that the gateway sends.
const (
	CloseNormal          CloseCode = 1000
	CloseGoingAway       CloseCode = 1001
	CloseIllegalFrame    CloseCode = 1002
	CloseInvalidUTF8     CloseCode = 1007
	CloseMessageTooLarge CloseCode = 1009
	CloseRestart         CloseCode = 1012
	CloseTokenExpired    CloseCode = 4001
	CloseSlowConsumer    CloseCode = 4002
	CloseRateLimited     CloseCode = 4003
	CloseIdleTimeout     CloseCode = 4004
	CloseProtocolError   CloseCode = 4500
	CloseSessionRevoked  CloseCode = 4501
	CloseAccountDisabled CloseCode = 4502
	CloseForbidden       CloseCode = 4503
)

// These two are never sent (RFC 6455 section 7.4.1): they stand in logs and
// metrics for a peer's close frame without a code, and for no close frame.
const (
	CloseNoStatus CloseCode = 1005
	CloseAbnormal CloseCode = 1006
)

// CloseCodes lists every code that the gateway sends, for metrics and tests.
var CloseCodes = []CloseCode{
	CloseNormal, CloseGoingAway, CloseIllegalFrame, CloseInvalidUTF8, CloseMessageTooLarge, CloseRestart,
	CloseTokenExpired, CloseSlowConsumer, CloseRateLimited, CloseIdleTimeout,
	CloseProtocolError, CloseSessionRevoked, CloseAccountDisabled, CloseForbidden,
}

// Name is the fixed text that stands first in the close reason. Nothing else of
// the gateway's inner life ever goes out with a close frame.
func (c CloseCode) Name() string {
	switch c {
	case CloseNormal:
		return "normal"
	case CloseGoingAway:
		return "going_away"
	case CloseIllegalFrame:
		return "illegal_frame"
	case CloseInvalidUTF8:
		return "invalid_utf8"
	case CloseMessageTooLarge:
		return "message_too_large"
	case CloseRestart:
		return "restart"
	case CloseTokenExpired:
		return "token_expired"
	case CloseSlowConsumer:
		return "slow_consumer"
	case CloseRateLimited:
		return "rate_limited"
	case CloseIdleTimeout:
		return "idle_timeout"
	case CloseProtocolError:
		return "protocol_error"
	case CloseSessionRevoked:
		return "session_revoked"
	case CloseAccountDisabled:
		return "account_disabled"
	case CloseForbidden:
		return "forbidden"
	}
	return ""
}

// AppendClose appends a close frame whose reason is the code's name and, when
// retryAfter is positive, ` retry_after_ms=N`.
func AppendClose(dst []byte, code CloseCode, retryAfter time.Duration) []byte {
	dst, start := beginFrame(dst)
	dst = append(dst, byte(code>>8), byte(code))
	dst = append(dst, code.Name()...)
	if retryAfter > 0 {
		dst = append(dst, " retry_after_ms="...)
		dst = appendMillis(dst, retryAfter)
	}
	return endFrame(dst, start, OpClose)
}

// CloseFor translates the code of a refusal into a close code, for the raw
// format, in which a refusal closes (PROTOCOL section 6).
func CloseFor(code gateway.Code) CloseCode {
	switch code {
	case gateway.CodeTooLarge:
		return CloseMessageTooLarge
	case gateway.CodeRateLimited:
		return CloseRateLimited
	case gateway.CodeTokenExpired:
		return CloseTokenExpired
	case gateway.CodeInvalidToken, gateway.CodeTokenReused, gateway.CodeInvalidCredentials,
		gateway.CodeAccountLocked, gateway.CodeSetupRequired:
		return CloseSessionRevoked
	case gateway.CodeForbidden:
		return CloseForbidden
	case gateway.CodeInvalidRequest, gateway.CodeNotFound, gateway.CodeMethodNotAllowed,
		gateway.CodeUnsupportedMediaType, gateway.CodeConflict, gateway.CodeWeakPassword:
		return CloseProtocolError
	case gateway.CodeBusy, gateway.CodeStorageFull, gateway.CodeUnavailable, gateway.CodeInternal:
		return CloseRestart
	}
	return CloseRestart
}
