package httpapi

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gateway"
)

// statuses is written out once more, so that a code that changes its status, or
// a new one, is noticed.
var statuses = map[gateway.Code]int{
	gateway.CodeInvalidRequest: 400, gateway.CodeInvalidCredentials: 401, gateway.CodeInvalidToken: 401,
	gateway.CodeTokenExpired: 401, gateway.CodeTokenReused: 401, gateway.CodeForbidden: 403, gateway.CodeNotFound: 404,
	gateway.CodeMethodNotAllowed: 405, gateway.CodeUnsupportedMediaType: 415, gateway.CodeConflict: 409,
	gateway.CodeWeakPassword: 400, gateway.CodeTooLarge: 413, gateway.CodeRateLimited: 429, gateway.CodeAccountLocked: 429,
	gateway.CodeBusy: 503, gateway.CodeStorageFull: 503, gateway.CodeSetupRequired: 503, gateway.CodeUnavailable: 503,
	gateway.CodeInternal: 500,
}

func TestStatusIsTotal(t *testing.T) {
	for _, code := range gateway.Codes {
		want, known := statuses[code]
		if !known {
			t.Errorf("%s has no status in the test; give it one here and in Status", code)
		}
		if got := Status(code); got != want {
			t.Errorf("%s has the status %d, want %d", code, got, want)
		}
		if http.StatusText(Status(code)) == "" {
			t.Errorf("%s has a status without a title", code)
		}
	}
	if got := Status("not a code"); got != http.StatusInternalServerError {
		t.Errorf("an unknown code has the status %d", got)
	}
}

// refuse answers one request with an error.
func refuse(err error, headers ...string) *httptest.ResponseRecorder {
	a := New(Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	r := httptest.NewRequest("GET", "/rooms", nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	r = r.WithContext(gateway.WithOrigin(r.Context(), gateway.Origin{RequestID: "r-1"}))
	w := httptest.NewRecorder()
	a.Refuse(w, r, err)
	return w
}

func TestProblem(t *testing.T) {
	for _, code := range gateway.Codes {
		w := refuse(gateway.Errorf(code, "what to do"))
		var p map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Fatalf("%s: %v", code, err)
		}
		want := map[string]any{
			"type": "about:blank", "title": http.StatusText(statuses[code]), "status": float64(statuses[code]),
			"detail": "what to do", "code": string(code), "request_id": "r-1",
		}
		for member, value := range want {
			if p[member] != value {
				t.Errorf("%s: %s is %v, want %v", code, member, p[member], value)
			}
		}
		if len(p) != len(want) || w.Code != statuses[code] {
			t.Errorf("%s: %d %v", code, w.Code, p)
		}
		if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
			t.Errorf("%s: Content-Type %s", code, got)
		}
		if got := w.Header().Get("Retry-After") != ""; got != (w.Code == 429 || w.Code == 503) {
			t.Errorf("%s: %d, Retry-After %t", code, w.Code, got)
		}
		if got := w.Header().Get("WWW-Authenticate") != ""; got != (w.Code == 401) {
			t.Errorf("%s: %d, WWW-Authenticate %t", code, w.Code, got)
		}
	}
}

func TestCausesStayInside(t *testing.T) {
	cause := errors.New("open /var/lib/edgegw/secret: EIO")
	for _, err := range []error{cause, gateway.Wrap("boltstore.Open", cause), &gateway.Error{Code: gateway.CodeBusy, Message: "busy", Err: cause}} {
		if body := refuse(err).Body.String(); strings.Contains(body, "EIO") || strings.Contains(body, "boltstore") {
			t.Errorf("the answer tells the cause: %s", body)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for after, want := range map[time.Duration]string{
		0: "1", time.Millisecond: "1", time.Second: "1", 1100 * time.Millisecond: "2", 15 * time.Minute: "900",
	} {
		err := gateway.Errorf(gateway.CodeRateLimited, "slowly")
		err.RetryAfter = after
		if got := refuse(err).Header().Get("Retry-After"); got != want {
			t.Errorf("%v is Retry-After %s, want %s", after, got, want)
		}
	}
}

func TestChallenges(t *testing.T) {
	const realm = `Bearer realm="edgegw"`
	tests := []struct {
		name      string
		code      gateway.Code
		headers   []string
		challenge string
	}{
		{"ok no token", gateway.CodeInvalidToken, nil, realm},
		{"ok bad token", gateway.CodeInvalidToken, []string{"Authorization", "Bearer x"}, realm + `, error="invalid_token", error_description="invalid_token"`},
		{"ok expired", gateway.CodeTokenExpired, []string{"Authorization", "Bearer x"}, realm + `, error="invalid_token", error_description="token_expired"`},
		{"ok bad token of a WebSocket", gateway.CodeInvalidToken, []string{"Sec-WebSocket-Protocol", "bearer, x"}, realm + `, error="invalid_token", error_description="invalid_token"`},
		{"ok credentials", gateway.CodeInvalidCredentials, nil, realm},
		{"ok rights", gateway.CodeForbidden, []string{"Authorization", "Bearer x"}, realm + `, error="insufficient_scope"`},
		{"ok forbidden without a token", gateway.CodeForbidden, nil, ""},
		{"ok not found", gateway.CodeNotFound, []string{"Authorization", "Bearer x"}, ""},
		{"ok busy", gateway.CodeBusy, []string{"Authorization", "Bearer x"}, ""},
	}
	for _, test := range tests {
		if got := refuse(gateway.Errorf(test.code, "no"), test.headers...).Header().Get("WWW-Authenticate"); got != test.challenge {
			t.Errorf("%s: %q, want %q", test.name, got, test.challenge)
		}
	}
}
