package attack_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
)

const (
	// perBatch is how many requests are on their way at once.
	perBatch = 64
	// longest is the longest token that is sent in a batch: a header that is
	// too large would end the connection, and the batch with it.
	longest = 12 << 10
)

// attempt is a token that must not be accepted.
type attempt struct{ what, token string }

// siege tries tokens at the door of GET /auth/me, and some of them at that of the
// WebSocket.
type siege struct {
	g    *gateway
	good string // a token that has to be accepted all the while
	tried, accepted,
	sockets, socketsAccepted int
}

// storm tries all attempts over one connection. It returns an error when the
// gateway is no longer itself.
func (s *siege) storm(t testing.TB, attempts []attempt) (accepted int, err error) {
	l, err := s.g.dial()
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	for begin := 0; begin < len(attempts); begin += perBatch {
		batch := attempts[begin:min(begin+perBatch, len(attempts))]
		// The good one at the end tells a gateway that refuses these from
		// one that refuses everything.
		n, err := s.batch(t, l, append(batch[:len(batch):len(batch)], attempt{"", s.good}))
		accepted += n
		if err != nil {
			return accepted, err
		}
	}
	return accepted, nil
}

func (s *siege) batch(t testing.TB, l *line, batch []attempt) (accepted int, err error) {
	var request strings.Builder
	for _, a := range batch {
		fmt.Fprintf(&request, "GET /auth/me HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", s.g.Addr, a.token)
	}
	// The answers of a batch fit into the socket's buffers.
	if _, err := l.Write([]byte(request.String())); err != nil {
		return 0, err
	}
	for _, a := range batch {
		got, err := l.next()
		switch {
		case err != nil:
			return accepted, fmt.Errorf("after %s: %w", a.what, err)
		case a.what == "" && got.Status != http.StatusOK:
			return accepted, fmt.Errorf("the good token got %d", got.Status)
		case a.what == "":
		case got.Status == http.StatusOK:
			accepted++
			t.Errorf("accepted: %s", a.what)
		case got.Status != http.StatusUnauthorized || got.Header.Get("WWW-Authenticate") == "":
			return accepted, fmt.Errorf("%s: %d, want 401 with a challenge", a.what, got.Status)
		}
	}
	return accepted, nil
}

// handshakes tries n of the attempts, evenly spread, at the WebSocket's door: in
// the subprotocol and in the header by turns.
func (s *siege) handshakes(t testing.TB, attempts []attempt, n int) {
	t.Helper()
	door := []string{"Sec-WebSocket-Protocol: bearer, %s\r\n", "Authorization: Bearer %s\r\n"}
	for i := range n {
		a, at := attempts[i*len(attempts)/n], i%len(door)
		if strings.Contains(a.token, ",") {
			at = 1 // in the subprotocol a comma ends the token
		}
		got := s.g.shake(fmt.Sprintf(door[at], a.token))
		s.sockets++
		switch got.Status {
		case http.StatusSwitchingProtocols:
			s.socketsAccepted++
			t.Errorf("accepted at /ws: %s", a.what)
		case http.StatusUnauthorized:
		default:
			t.Errorf("%s: %d at /ws, want 401", a.what, got.Status)
		}
	}
	for _, d := range door {
		if got := s.g.shake(fmt.Sprintf(d, s.good)); got.Status != http.StatusSwitchingProtocols {
			t.Errorf("the good token got %d at /ws", got.Status)
		}
	}
}

// lay tries all attempts at the one door and n of them at the other.
func (s *siege) lay(t testing.TB, attempts []attempt, n int) {
	t.Helper()
	var short []attempt
	for _, a := range attempts {
		if len(a.token) <= longest {
			short = append(short, a)
			continue
		}
		s.tried++
		if got := s.g.do("GET", "/auth/me", a.token, nil); got.Status != http.StatusUnauthorized && got.Status != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("%s: %d, want 401 or 431", a.what, got.Status)
		}
	}
	accepted, err := s.storm(t, short)
	if err != nil {
		t.Error(err)
	}
	s.tried += len(short)
	s.accepted += accepted
	s.handshakes(t, short, min(n, len(short)))
}

func (s *siege) report(t testing.TB, what string) {
	t.Logf("%s: %d of %d accepted over HTTP, %d of %d over WebSocket", what, s.accepted, s.tried, s.socketsAccepted, s.sockets)
}

// sendable reports whether a token can stand in a header as it is.
func sendable(token string) bool {
	return token != "" && token == strings.TrimSpace(token) && !strings.ContainsFunc(token, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// seeded is random in the same way every time.
func seeded(n uint64) *rand.Rand { return rand.New(rand.NewPCG(n, 20)) }
