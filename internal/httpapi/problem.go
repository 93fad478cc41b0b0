package httpapi

import (
	"encoding/json"
	"log/slog"
	"math"
	"net/http"
	"strconv"

	"edgegw/internal/gateway"
)

// problem is an RFC 9457 answer.
type problem struct {
	Type      string       `json:"type"`
	Title     string       `json:"title"`
	Status    int          `json:"status"`
	Detail    string       `json:"detail"`
	Code      gateway.Code `json:"code"`
	RequestID string       `json:"request_id"`
}

// Status translates a code into an HTTP status. Every code has one.
func Status(code gateway.Code) int {
	switch code {
	case gateway.CodeInvalidRequest, gateway.CodeWeakPassword:
		return http.StatusBadRequest
	case gateway.CodeInvalidCredentials, gateway.CodeInvalidToken, gateway.CodeTokenExpired, gateway.CodeTokenReused:
		return http.StatusUnauthorized
	case gateway.CodeForbidden:
		return http.StatusForbidden
	case gateway.CodeNotFound:
		return http.StatusNotFound
	case gateway.CodeMethodNotAllowed:
		return http.StatusMethodNotAllowed
	case gateway.CodeConflict:
		return http.StatusConflict
	case gateway.CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case gateway.CodeUnsupportedMediaType:
		return http.StatusUnsupportedMediaType
	case gateway.CodeRateLimited, gateway.CodeAccountLocked:
		return http.StatusTooManyRequests
	case gateway.CodeBusy, gateway.CodeStorageFull, gateway.CodeSetupRequired, gateway.CodeUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// Refuse answers with the error as problem+json. Causes of internal errors go
// to the log, under the request's id, and never to the client.
func (a *API) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	e := gateway.AsError(err)
	status := Status(e.Code)
	o := gateway.OriginOf(r.Context())
	if status == http.StatusInternalServerError {
		a.opts.Logger.LogAttrs(r.Context(), slog.LevelError, "request failed",
			slog.String("event", "http_error"), slog.String("request_id", o.RequestID), slog.Any("reason", err))
	}
	h := w.Header()
	if challenge := challengeFor(e, r); challenge != "" {
		h.Set("WWW-Authenticate", challenge)
	}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		h.Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(e.RetryAfter.Seconds())))))
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	writeBody(w, status, problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Detail: e.Message, Code: e.Code, RequestID: o.RequestID,
	})
}

// challengeFor is the WWW-Authenticate header of RFC 6750 section 3: with an
// error when a token was given, without one when it was not.
func challengeFor(e *gateway.Error, r *http.Request) string {
	const realm = `Bearer realm="edgegw"`
	given := r.Header.Get("Authorization") != "" || r.Header.Get("Sec-WebSocket-Protocol") != ""
	switch e.Code {
	case gateway.CodeInvalidToken, gateway.CodeTokenExpired, gateway.CodeTokenReused:
		if !given {
			return realm
		}
		return realm + `, error="invalid_token", error_description="` + string(e.Code) + `"`
	case gateway.CodeInvalidCredentials:
		return realm
	case gateway.CodeForbidden:
		if given {
			return realm + `, error="insufficient_scope"`
		}
	}
	return ""
}

// writeJSON answers with v.
func writeJSON(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	writeBody(w, status, v)
	return nil
}

// noContent answers that it is done, and with nothing else.
func noContent(w http.ResponseWriter) error {
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func writeBody(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // a client that is gone gets nothing
}
