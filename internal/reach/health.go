package reach

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
)

// Health is what GET /health tells.
type Health struct {
	Status  string            `json:"status"`
	Version string            `json:"version"`
	Uptime  int64             `json:"uptime"` // seconds
	Clock   string            `json:"clock"`
	Checks  map[string]string `json:"checks"`
}

// The words of Health.Status.
const (
	StatusOK       = "ok"
	StatusDegraded = "degraded"
	StatusFailing  = "failing"
)

const maxHealthBytes = 64 << 10

// Ask gets the gateway's health, for as long as ctx allows. The error says that
// nobody answers, or that it is no edgegw, and what to do; a gateway that is
// failing is no error.
func (t Target) Ask(ctx context.Context) (Health, error) {
	var h Health
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.URL+"/health", http.NoBody)
	if err != nil {
		return h, err
	}
	res, err := t.client().Do(req)
	if err != nil {
		return h, t.Explain(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxHealthBytes))
	if err != nil {
		return h, t.Explain(err)
	}
	known := json.Unmarshal(body, &h) == nil && (h.Status == StatusOK || h.Status == StatusDegraded || h.Status == StatusFailing)
	if !known {
		return h, fmt.Errorf("what answers at %s is no edgegw (HTTP status %d); something else has the port, or --url is wrong", t.URL, res.StatusCode)
	}
	return h, nil
}

// client follows no redirects: a token would go where they point.
func (t Target) client() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: t.TLS, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Explain says what to do about an error of a connection to the gateway, and gives
// any other error back as it is.
func (t Target) Explain(err error) error {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var name *net.DNSError
	var timeout net.Error
	hint := ""
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		hint = "nothing listens there; is the gateway running? `systemctl status edgegw` and its log tell"
	case errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH):
		hint = "no way leads there; is this machine on the gateway's network?"
	case errors.As(err, &name):
		hint = "the name is not known here; try the gateway's address instead"
	case errors.As(err, &authority):
		hint = "its certificate is of an authority that is not known here; download its ca.crt, compare the fingerprint with `edgegw tls show` on the gateway, and name the file with --cacert"
	case errors.As(err, &host):
		hint = "its certificate is not for this name; use one that it names, or add this one to tls_names"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		hint = "its certificate has expired or is not valid yet; compare the clocks of both machines"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		hint = "it speaks no TLS there; is it http:// instead of https://?"
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout():
		hint = "it did not answer in time"
	default:
		return err
	}
	return &Unreachable{URL: t.URL, Hint: hint, Err: err}
}

// Unreachable says that there was no talking to a gateway.
type Unreachable struct {
	URL, Hint string
	Err       error
}

// Error names the address and what to do.
func (u *Unreachable) Error() string { return fmt.Sprintf("no answer from %s: %s", u.URL, u.Hint) }

// Unwrap gives the cause.
func (u *Unreachable) Unwrap() error { return u.Err }
