package observed_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"edgegw/e2e/process"
	"edgegw/internal/adminsock"
	"edgegw/internal/gatewaytest"
)

const (
	users       = 50
	rooms       = 100
	subscribers = 7  // of the busy room
	rate        = 20 // messages a second in the busy room
	scrapeToken = "canary-token-of-the-scraper"
)

// site is a gateway with people in it, under way.
type site struct {
	*process.Gateway
	t      *testing.T
	client http.Client
	tokens []string
	token  string // file with the scraper's token
}

// open runs a gateway with users accounts, whose names must not become labels.
func open(t *testing.T, options ...string) *site {
	t.Helper()
	s := &site{t: t, client: http.Client{Timeout: process.Patience}, token: process.WriteFile(t, "metrics-token", scrapeToken+"\n")}
	own := []string{
		"metrics_token_file=" + s.token, "site=plant-7", "argon2_memory_kib=7168", "argon2_time=1", "commit_window=1s",
		"login_rate_per_ip=0", "login_rate_per_account=0", "log_level=info",
		"tls_listen=127.0.0.1:0", // for the certificate's metrics
	}
	s.Gateway = process.New(t, append(own, options...)...)
	s.Run()
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		s.Stop()
	})
	s.enrol()
	return s
}

// enrol makes the accounts; as devices they cost no hash.
func (s *site) enrol() {
	s.t.Helper()
	file := "name,room,grants,key_hash\n"
	for i := range users {
		secret := make([]byte, 32)
		_, _ = rand.Read(secret)
		sum := sha256.Sum256(secret)
		name := fmt.Sprintf("label-user-%d", i)
		file += fmt.Sprintf("%s,,*:rw,%s\n", name, hex.EncodeToString(sum[:]))
		s.tokens = append(s.tokens, s.Token(name, time.Hour))
	}
	c, err := adminsock.Dial(s.t.Context(), s.Dir)
	if err == nil {
		_, err = c.ImportDevices(s.t.Context(), adminsock.Import{Data: []byte(file)})
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// join opens a socket that reads whatever comes until it is closed.
func (s *site) join(token, room string) *gatewaytest.Socket {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		s.t.Fatal(err)
	}
	socket, a, err := gatewaytest.Upgrade(conn, "?room="+room, nil, "Sec-WebSocket-Protocol: bearer, "+token)
	if err != nil || socket == nil {
		s.t.Fatalf("handshake: %v %d %s", err, a.Status, a.Body)
	}
	go func() { _, _ = io.Copy(io.Discard, conn) }()
	s.t.Cleanup(func() { _ = conn.Close() })
	return socket
}

// live has the site do everything that is counted: users sockets, rooms rooms,
// a busy room with subscribers, and every second some refusals. It returns when
// everybody is there, and goes on until the test ends.
func (s *site) live() {
	s.t.Helper()
	sockets := make([]*gatewaytest.Socket, users)
	for i := range sockets {
		room := "label-busy"
		if i >= subscribers {
			room = fmt.Sprintf("label-room-%d", i)
		}
		sockets[i] = s.join(s.tokens[i], room)
	}
	for i := range rooms {
		sockets[i%users].Send(fmt.Sprintf(`{"type":"message","room":"label-room-%d","data":"x"}`, i))
	}
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	s.t.Cleanup(func() { cancel(); ended.Wait() })
	ended.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Second / rate):
			}
			sockets[0].Send(fmt.Sprintf(`{"type":"message","id":"m%d","data":%d}`, n, n))
			if n%rate == 0 {
				s.knock()
			}
		}
	})
}

// knock logs in, well and badly, and offers a bad token.
func (s *site) knock() {
	for _, password := range []string{process.Password, "canary-password-wrong"} {
		_, _ = gatewaytest.Ask(&s.client, "POST", s.URL+"/auth/login", "", map[string]string{"username": "admin", "password": password})
	}
	_, _ = gatewaytest.Ask(&s.client, "GET", s.URL+"/rooms", s.Token("admin", time.Hour), nil)
	_, _ = gatewaytest.Ask(&s.client, "GET", s.URL+"/auth/me", "not-a-token", nil)
	if conn, err := net.Dial("tcp", s.Addr); err == nil {
		_, _, _ = gatewaytest.Upgrade(conn, "?room=x", nil, "Sec-WebSocket-Protocol: bearer, not-a-token")
		_ = conn.Close()
	}
}

// metrics is what a scraper gets.
func (s *site) metrics() string {
	s.t.Helper()
	a, err := gatewaytest.Ask(&s.client, "GET", s.URL+"/metrics", scrapeToken, nil)
	if err != nil || a.Status != http.StatusOK {
		s.t.Fatalf("/metrics: %v %d", err, a.Status)
	}
	return string(a.Body)
}

// scrapeConfig is a shipped configuration with a second in the place of half a
// minute, the token of this gateway, and more replaced.
func (s *site) scrapeConfig(replaced map[string]string, name ...string) string {
	s.t.Helper()
	text := read(s.t, deployed(name...))
	replaced["scrape_interval: 30s"] = "scrape_interval: 1s"
	replaced["/etc/edgegw/metrics-token"] = s.token
	for old, fresh := range replaced {
		if !strings.Contains(text, old) && old != "/etc/edgegw/metrics-token" {
			s.t.Fatalf("%v has no %q", name, old)
		}
		text = strings.ReplaceAll(text, old, fresh)
	}
	return process.WriteFile(s.t, "scrape.yml", text)
}
