package token_test

import (
	"strings"
	"testing"
	"time"

	"edgegw/internal/token"
)

func TestInspect(t *testing.T) {
	good := sign(plainHeader, minimal, secret)
	segments := strings.Split(good, ".")
	end := time.Unix(1900000000, 0)
	tests := []struct {
		name, raw, header, claims string
		expires                   time.Time
		want                      token.Reason
	}{
		{"ok", good, plainHeader, minimal, end, ""},
		{"ok on one line", sign("{\"alg\" :\n\"HS256\"}", "{\t\"sub\":\"ada\", \"exp\":1900000000.5 }\n", secret), `{"alg":"HS256"}`, `{"sub":"ada","exp":1900000000.5}`, end, ""},
		{"bad signature", sign(plainHeader, minimal, otherSecret+"x"), plainHeader, minimal, end, token.ReasonSignature},
		{"bad expired", sign(plainHeader, `{"sub":"ada","exp":1}`, secret), plainHeader, `{"sub":"ada","exp":1}`, time.Unix(1, 0), token.ReasonExpired},
		{"bad no exp", sign(plainHeader, `{"sub":"ada"}`, secret), plainHeader, `{"sub":"ada"}`, time.Time{}, token.ReasonClaims},
		{"bad exp in words", sign(plainHeader, `{"sub":"ada","exp":"soon"}`, secret), plainHeader, `{"sub":"ada","exp":"soon"}`, time.Time{}, token.ReasonClaims},
		{"bad exp twice", sign(plainHeader, `{"exp":1,"exp":2}`, secret), plainHeader, `{"exp":1,"exp":2}`, time.Time{}, token.ReasonClaims},
		{"bad algorithm", sign(`{"alg":"none"}`, minimal, secret), `{"alg":"none"}`, minimal, end, token.ReasonAlgorithm},
		{"bad header alone", segments[0], plainHeader, "", time.Time{}, token.ReasonMalformed},
		{"bad two segments", segments[0] + "." + segments[1], plainHeader, minimal, end, token.ReasonMalformed},
		{"bad padding", segments[0] + "=." + segments[1] + "==." + segments[2], plainHeader, minimal, end, token.ReasonMalformed},
		{"bad claims are no JSON", sign(plainHeader, `{"sub":`, secret), plainHeader, "", time.Time{}, token.ReasonClaims},
		{"bad claims are not UTF-8", sign(plainHeader, "{\"sub\":\"\xff\"}", secret), plainHeader, "", time.Time{}, token.ReasonClaims},
		{"bad claims are a list", sign(plainHeader, `[1, 2]`, secret), plainHeader, `[1,2]`, time.Time{}, token.ReasonClaims},
		{"bad not base64", "hello world", "", "", time.Time{}, token.ReasonMalformed},
		{"bad empty", "", "", "", time.Time{}, token.ReasonMalformed},
		{"bad refresh token", newSealer(t, refreshKey).Seal(token.Refresh{Account: "ada", Session: session, Counter: 1}), "", "", time.Time{}, token.ReasonMalformed},
		{"bad too long", sign(plainHeader, `{"sub":"`+strings.Repeat("a", 4096)+`"}`, secret), "", "", time.Time{}, token.ReasonTooLong},
		{
			"bad what terminals obey or hide", sign(plainHeader, "{\"sub\":\"\u009b2J\u202e\x7f\U000e0041ß\u00a0\"}", secret),
			plainHeader, `{"sub":"\u009b2J\u202e\u007f\udb40\udc41ß\u00a0"}`, time.Time{}, token.ReasonClaims,
		},
		{"bad a raw escape", sign(plainHeader, "{\"sub\":\"\x1b[2J\"}", secret), plainHeader, "", time.Time{}, token.ReasonClaims},
	}
	a := newAuthority(t, token.Options{Ring: keysRing(t)})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			header, claims, expires, err := a.Inspect(tt.raw)
			if header != tt.header || claims != tt.claims || !expires.Equal(tt.expires) || token.ReasonOf(err) != tt.want {
				t.Errorf("Inspect = %q, %q, %v, %v\nwant %q, %q, %v, %q", header, claims, expires, err, tt.header, tt.claims, tt.expires, tt.want)
			}
			if (err == nil) != (tt.want == "") {
				t.Errorf("Inspect: %v", err)
			}
			if i := strings.LastIndexByte(tt.raw, '.'); i > 0 && strings.Count(tt.raw, ".") == 2 {
				if strings.Contains(header+claims, tt.raw[i+1:]) {
					t.Error("the signature is shown")
				}
			}
		})
	}
}
