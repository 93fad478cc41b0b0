package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"

	"edgegw/internal/gateway"
)

// payload is the body of a POST.
type payload struct {
	Event    string              `json:"event"` // password_reset; no other is sent so far
	Site     string              `json:"site"`
	Username gateway.AccountName `json:"username"`
	Token    string              `json:"reset_token"`
	// ExpiresIn is in seconds, counted from the POST.
	ExpiresIn int64 `json:"expires_in"`
}

// post makes one try. The code has left to live.
func (s *Sender) post(ctx context.Context, j job, left time.Duration) (status int, f *failure) {
	ctx, cancel := context.WithTimeout(ctx, min(tryTimeout, left))
	defer cancel()
	body, err := json.Marshal(payload{
		Event: "password_reset", Site: s.site, Username: j.user, Token: j.code, ExpiresIn: int64(left / time.Second),
	})
	if err != nil {
		return 0, &failure{reason: "internal"}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return 0, &failure{reason: "bad_url"} // err holds all of the URL
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", s.agent)
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, unanswered(err)
	}
	resp.Body.Close() // the status says it all; the rest may be endless
	return resp.StatusCode, refusal(resp)
}

// unanswered explains an error of the client. It quotes only errors that cannot
// hold the URL or anything that the receiver sent, since that may be the code.
func unanswered(err error) *failure {
	f := &failure{reason: "no_answer", again: true}
	var (
		dns         *net.DNSError
		network     *net.OpError
		certificate *tls.CertificateVerificationError
	)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		f.reason = "timeout"
	case errors.As(err, &certificate):
		f.reason, f.detail = "certificate", clip(certificate.Error())
	case errors.Is(err, http.ErrSchemeMismatch):
		f.reason, f.detail = "no_tls", http.ErrSchemeMismatch.Error()
	case errors.As(err, &dns):
		f.reason, f.detail = "unreachable", dns.Error()
	case errors.As(err, &network):
		f.reason, f.detail = "unreachable", network.Error()
	}
	return f
}

// clip keeps a text to a length that a line can hold.
func clip(s string) string {
	const most = 256
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// refusal explains an answer, or is nil when the receiver took the code.
func refusal(resp *http.Response) *failure {
	f := &failure{reason: "refused", status: resp.StatusCode}
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		return nil
	case code >= 300 && code < 400:
		f.reason, f.detail = "redirect", "redirects are not followed; write the address that it leads to"
	case code == http.StatusTooManyRequests || code >= 500:
		f.reason, f.again = "unavailable", true
		f.after = retryAfter(resp.Header.Get("Retry-After"))
	}
	return f
}

// retryAfter reads the seconds form of Retry-After (RFC 9110, 10.2.3). The form
// with a date needs a clock that both sides agree on, and a receiver that wants
// minutes to pass would see the code expire; both give 0, no wish.
func retryAfter(s string) time.Duration {
	const most = 120
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n > most {
		return 0
	}
	return time.Duration(n) * time.Second
}
