package gatewaytest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Hello is the welcome of a Fake; its room is lobby.
const Hello = `{"type":"welcome","protocol":1,"user":"ann","role":"member","room":"lobby","connection":"c","server_time":1795455897123,"clock":"none","expires_in":900,"ping_interval":25,"max_message_bytes":1000}`

// Fake is a gateway that does to clients what a test tells it, right or wrong. It
// logs anyone in, and gives each WebSocket to a script.
type Fake struct {
	*httptest.Server
	t testing.TB

	mu       sync.Mutex
	requests []string
	queries  []string // of /ws
	shakes   []Shake
	routes   map[string]http.HandlerFunc
	pairs    int
}

// Shake answers a handshake: with a script for the WebSocket that it becomes, or
// by itself, and nil.
type Shake func(w http.ResponseWriter, r *http.Request) func(*Peer)

// NewFake starts a fake that ends with the test.
func NewFake(t testing.TB) *Fake {
	f := &Fake{t: t, routes: map[string]http.HandlerFunc{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

// ServeHTTP is for the server of the fake.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.requests = append(f.requests, r.Method+" "+r.URL.Path)
	f.pairs++
	n, own := f.pairs, f.routes[r.URL.Path]
	f.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if own != nil {
		own(w, r)
		return
	}
	switch r.URL.Path {
	case "/auth/me":
		_, _ = fmt.Fprint(w, `{"username":"ann"}`)
	case "/auth/refresh", "/auth/login", "/auth/device":
		_, _ = fmt.Fprint(w, Pair(n, 900))
	case "/ws":
		f.webSocket(w, r)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// Pair is the answer to a login: the tokens a<n> and r<n>, the first of which
// lives for so many seconds.
func Pair(n, expiresIn int) string {
	return fmt.Sprintf(`{"access_token":"a%d","token_type":"Bearer","expires_in":%d,"refresh_token":"r%d","refresh_expires_in":86400,"username":"ann","role":"member"}`, n, expiresIn, n)
}

func (f *Fake) webSocket(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.queries = append(f.queries, r.URL.RawQuery)
	shake := f.shakes[0]
	if len(f.shakes) > 1 {
		f.shakes = f.shakes[1:]
	}
	f.mu.Unlock()
	script := shake(w, r)
	if script == nil {
		return
	}
	p, err := upgrade(f.t, w, r)
	if err != nil {
		f.t.Error(err)
		return
	}
	defer func() { _ = p.Conn.Close() }()
	script(p)
}

// Then adds what the next WebSocket does once it is open; the last one is done
// again and again.
func (f *Fake) Then(script func(*Peer)) *Fake {
	return f.Answer(func(http.ResponseWriter, *http.Request) func(*Peer) { return script })
}

// Answer adds what the next handshake is answered; the last one is answered again
// and again.
func (f *Fake) Answer(shake Shake) *Fake {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shakes = append(f.shakes, shake)
	return f
}

// Refuse adds a handshake that is refused; headers are names and values.
func (f *Fake) Refuse(status int, code string, headers ...string) *Fake {
	return f.Answer(func(w http.ResponseWriter, _ *http.Request) func(*Peer) {
		Problem(w, status, code, headers...)
		return nil
	})
}

// On answers another route, or one of the fake's own in its place.
func (f *Fake) On(path string, h http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.routes[path] = h
}

// Asked is the requests so far, such as "POST /auth/login".
func (f *Fake) Asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.requests...)
}

// Queries are those of the requests of /ws so far.
func (f *Fake) Queries() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.queries...)
}

// Problem answers a request with an error; headers are names and values.
func Problem(w http.ResponseWriter, status int, code string, headers ...string) {
	w.Header().Set("Content-Type", "application/problem+json")
	for i := 0; i+1 < len(headers); i += 2 {
		w.Header().Set(headers[i], headers[i+1])
	}
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"type":"about:blank","title":"no","status":%d,"code":%q,"detail":"no"}`, status, code)
}
