package wire_test

import (
	"encoding/binary"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"edgegw/internal/wire"
)

type closeCase struct {
	Name         string         `json:"name"`
	Base64       string         `json:"base64"`
	Unsent       bool           `json:"unsent"`
	Code         wire.CloseCode `json:"code"`
	Reason       string         `json:"reason"`
	RetryAfterMS int64          `json:"retry_after_ms"`
	Client       string         `json:"client"`
}

// clientDoes is the table of PROTOCOL section 7, where it says more than the
// number does.
var clientDoes = map[wire.CloseCode]string{
	wire.CloseNormal: "own", wire.CloseIllegalFrame: "stop", wire.CloseInvalidUTF8: "stop", wire.CloseMessageTooLarge: "skip",
	wire.CloseTokenExpired: "refresh", wire.CloseSessionRevoked: "login",
}

var retryAfter = regexp.MustCompile(` retry_after_ms=([0-9]+)( |$)`)

func TestCloseVectors(t *testing.T) {
	covered := make(map[wire.CloseCode]bool)
	for _, c := range vectors[closeCase](t, "closes.json") {
		t.Run(c.Name, func(t *testing.T) {
			payload := decode64(t, c.Base64)
			if len(payload) > 0 && (binary.BigEndian.Uint16(payload) != uint16(c.Code) || string(payload[2:]) != c.Reason) || len(payload) == 0 && c.Code != 0 {
				t.Errorf("the payload is %q", payload)
			}
			want, listed := clientDoes[c.Code]
			switch {
			case listed:
			case c.Code >= 4500 && c.Code <= 4999:
				want = "stop"
			default:
				want = "reconnect"
			}
			retry := int64(0)
			if m := retryAfter.FindStringSubmatch(c.Reason); m != nil {
				retry, _ = strconv.ParseInt(m[1], 10, 64)
			}
			if c.Client != want || c.RetryAfterMS != retry {
				t.Errorf("the client does %s after %d ms, want %s after %d ms", c.Client, c.RetryAfterMS, want, retry)
			}
			if c.Unsent {
				return
			}
			covered[c.Code] = true
			op, sent := open(t, wire.AppendClose(nil, c.Code, time.Duration(c.RetryAfterMS)*time.Millisecond))
			if op != wire.OpClose || string(sent) != string(payload) || !strings.HasPrefix(c.Reason, c.Code.Name()) {
				t.Errorf("the gateway closes with opcode %#x %q, want %q", op, sent, payload)
			}
		})
	}
	for _, code := range wire.CloseCodes {
		if !covered[code] {
			t.Errorf("the close code %d has no vector", code)
		}
	}
}
