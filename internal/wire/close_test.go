package wire_test

import (
	"encoding/binary"
	"regexp"
	"testing"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

func TestAppendClose(t *testing.T) {
	for _, c := range []struct {
		name  string
		code  wire.CloseCode
		after time.Duration
		want  string
	}{
		{"ok name only", wire.CloseSlowConsumer, 0, "\x0f\xa2slow_consumer"},
		{"ok with retry", wire.CloseRestart, 850 * time.Millisecond, "\x03\xf4restart retry_after_ms=850"},
		{"ok retry is never 0", wire.CloseRestart, time.Nanosecond, "\x03\xf4restart retry_after_ms=1"},
		{"ok retry rounds up", wire.CloseRestart, 1500 * time.Microsecond, "\x03\xf4restart retry_after_ms=2"},
		{"ok no negative retry", wire.CloseGoingAway, -time.Second, "\x03\xe9going_away"},
	} {
		t.Run(c.name, func(t *testing.T) {
			op, got := open(t, wire.AppendClose(nil, c.code, c.after))
			if op != wire.OpClose || string(got) != c.want {
				t.Errorf("opcode %#x %q, want %q", op, got, c.want)
			}
		})
	}
}

// The numbers and names are the contract's; clients are written against them.
func TestCloseCodes(t *testing.T) {
	want := map[wire.CloseCode]string{
		1000: "normal", 1001: "going_away", 1002: "illegal_frame", 1007: "invalid_utf8", 1009: "message_too_large",
		1012: "restart", 4001: "token_expired", 4002: "slow_consumer", 4003: "rate_limited", 4004: "idle_timeout",
		4500: "protocol_error", 4501: "session_revoked", 4502: "account_disabled", 4503: "forbidden",
	}
	shape := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	seen := make(map[string]wire.CloseCode)
	for _, code := range wire.CloseCodes {
		name := code.Name()
		if name != want[code] || !shape.MatchString(name) {
			t.Errorf("%d is called %q, want %q", code, name, want[code])
		}
		if other, twice := seen[name]; twice {
			t.Errorf("%d and %d are both called %q", other, code, name)
		}
		seen[name] = code
		// RFC 6455 section 5.5: a control frame carries 125 bytes at most.
		op, payload := open(t, wire.AppendClose(nil, code, 1<<62))
		if op != wire.OpClose || len(payload) > 125 || wire.CloseCode(binary.BigEndian.Uint16(payload)) != code {
			t.Errorf("%d does not fit a close frame: %d bytes, opcode %#x", code, len(payload), op)
		}
	}
	if len(wire.CloseCodes) != len(want) || len(seen) != len(want) {
		t.Errorf("%d codes are listed, %d are in the contract", len(wire.CloseCodes), len(want))
	}
	for _, never := range []wire.CloseCode{wire.CloseNoStatus, wire.CloseAbnormal, 0, 4999} {
		if name := never.Name(); name != "" {
			t.Errorf("%d is never sent and has the name %q", never, name)
		}
	}
}

func TestCloseFor(t *testing.T) {
	want := map[gateway.Code]wire.CloseCode{
		gateway.CodeInvalidRequest:       wire.CloseProtocolError,
		gateway.CodeInvalidCredentials:   wire.CloseSessionRevoked,
		gateway.CodeInvalidToken:         wire.CloseSessionRevoked,
		gateway.CodeTokenExpired:         wire.CloseTokenExpired,
		gateway.CodeTokenReused:          wire.CloseSessionRevoked,
		gateway.CodeForbidden:            wire.CloseForbidden,
		gateway.CodeNotFound:             wire.CloseProtocolError,
		gateway.CodeMethodNotAllowed:     wire.CloseProtocolError,
		gateway.CodeUnsupportedMediaType: wire.CloseProtocolError,
		gateway.CodeConflict:             wire.CloseProtocolError,
		gateway.CodeWeakPassword:         wire.CloseProtocolError,
		gateway.CodeTooLarge:             wire.CloseMessageTooLarge,
		gateway.CodeRateLimited:          wire.CloseRateLimited,
		gateway.CodeAccountLocked:        wire.CloseSessionRevoked,
		gateway.CodeBusy:                 wire.CloseRestart,
		gateway.CodeStorageFull:          wire.CloseRestart,
		gateway.CodeSetupRequired:        wire.CloseSessionRevoked,
		gateway.CodeUnavailable:          wire.CloseRestart,
		gateway.CodeInternal:             wire.CloseRestart,
	}
	for _, code := range gateway.Codes {
		expect, listed := want[code]
		if !listed {
			t.Errorf("%s has no close code; decide whether its client may come back", code)
		}
		if got := wire.CloseFor(code); got != expect {
			t.Errorf("CloseFor(%s) = %d, want %d", code, got, expect)
		}
		if wire.CloseFor(code).Name() == "" {
			t.Errorf("CloseFor(%s) has no name", code)
		}
	}
	if len(want) != len(gateway.Codes) {
		t.Errorf("%d codes have a close code, %d exist", len(want), len(gateway.Codes))
	}
	if got := wire.CloseFor("of a later version"); got != wire.CloseRestart {
		t.Errorf("an unknown code closes with %d, want %d", got, wire.CloseRestart)
	}
}
