package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// maxBodyBytes bounds what is read of an answer.
const maxBodyBytes = 64 << 10

// Error is a refusal by the gateway: an HTTP answer (PROTOCOL section 8), or an
// error frame (section 5).
type Error struct {
	// Status is the HTTP status, or 0 for an error frame.
	Status int
	// Code is one of the closed list, for example "forbidden"; empty when
	// something else than the gateway answered.
	Code string
	// Message is for people; no program may depend on it.
	Message string
	// Room and ID are what the failed command named, if it did.
	Room, ID string
	// RetryAfter is when it is worth trying again, in whole seconds for HTTP;
	// 0 when the gateway did not say.
	RetryAfter time.Duration
}

// Error gives the code and the message.
func (e *Error) Error() string {
	s := "client: the gateway refused"
	if e.Status != 0 {
		s += " with " + strconv.Itoa(e.Status)
	}
	if e.Code != "" {
		s += " " + e.Code
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}

// errorOf reads the refusal in an HTTP answer.
func errorOf(res *http.Response) *Error {
	e := &Error{Status: res.StatusCode}
	if s, err := strconv.ParseUint(res.Header.Get("Retry-After"), 10, 31); err == nil {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	var problem struct{ Code, Detail string }
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBodyBytes))
	if err == nil && json.Unmarshal(body, &problem) == nil {
		e.Code, e.Message = problem.Code, problem.Detail
	}
	return e
}

// api sends requests to the gateway's HTTP routes.
type api struct {
	opts   *Options
	base   *url.URL
	client *http.Client
}

func newAPI(d *dialer) *api {
	transport := &http.Transport{
		DialContext:    func(ctx context.Context, _, _ string) (net.Conn, error) { return d.open(ctx) },
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.open(ctx) },
		// Requests are rare; a connection kept for the next one would be a
		// place on the gateway that nobody uses.
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
	return &api{opts: d.opts, base: d.base, client: &http.Client{
		Transport: transport,
		// A redirect would carry passwords to where it points.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// pair is what every login answers (PROTOCOL section 9).
type pair struct {
	AccessToken  string `json:"access_token"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
}

// pair asks one of the login routes for tokens.
func (a *api) pair(ctx context.Context, path string, body any) (p pair, err error) {
	b, err := json.Marshal(body)
	if err != nil {
		return p, err
	}
	if err := a.do(ctx, http.MethodPost, path, b, "", &p); err != nil {
		return p, err
	}
	if p.AccessToken == "" {
		return p, fmt.Errorf("client: the answer of %s holds no token", path)
	}
	return p, nil
}

// me asks whether the gateway takes the token.
func (a *api) me(ctx context.Context, token string) error {
	return a.do(ctx, http.MethodGet, "/auth/me", nil, token, &struct{}{})
}

func (a *api) do(ctx context.Context, method, path string, body []byte, token string, out any) error {
	ctx, cancel := withTimeout(ctx, a.opts.Clock, a.opts.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, a.base.JoinPath(path).String(), bytes.NewReader(body)) // #nosec G125 -- the paths are this package's own
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := a.client.Do(req)
	if err != nil {
		return cause(ctx, err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return errorOf(res)
	}
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxBodyBytes))
	if err != nil {
		return cause(ctx, err)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("client: the answer of %s: %w", path, err)
	}
	return nil
}
