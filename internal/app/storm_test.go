package app_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edgegw/internal/adminsock"
	"edgegw/internal/gatewaytest"
)

const (
	stormClients = 1000
	stormRooms   = 10
	// stormLimit is when everyone has to be back.
	stormLimit = 30 * time.Second
)

// storm is a site of many devices, each in its room, and one who writes to all
// rooms, wherever the gateway is at the time.
type storm struct {
	t       *testing.T
	address string
	stop    chan struct{}
	all     sync.WaitGroup
	clients []*stormClient
	back    atomic.Int64 // clients that are connected
	refused atomic.Int64 // handshakes that were answered with 503

	mu        sync.Mutex
	gateway   *gatewaytest.Gateway
	published [stormRooms][]string // data by seq, less one
	problems  []string
}

// stormClient keeps to what PROTOCOL section 7 asks of a client.
type stormClient struct {
	storm *storm
	room  int
	token string

	mu   sync.Mutex
	conn net.Conn

	epoch string
	seq   int64
	have  atomic.Int64 // seq, for others
	data  []string
}

func (s *storm) problem(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.problems) < 5 {
		s.problems = append(s.problems, fmt.Sprintf(format, args...))
	}
}

func (s *storm) over() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

// sleep returns early when the storm is over.
func (s *storm) sleep(d time.Duration) {
	select {
	case <-s.stop:
	case <-time.After(d):
	}
}

func (c *stormClient) run() {
	for try := 0; !c.storm.over(); try++ {
		wait, opened := c.connect()
		if opened {
			try = 0
		}
		if wait == 0 { // full jitter, never 0
			most := min(20*time.Second, 500*time.Millisecond<<min(try, 10))
			wait = time.Millisecond + rand.N(most)
		}
		c.storm.sleep(wait)
	}
}

// connect is one connection, from its handshake to its end. It returns when the
// gateway said to come back, or 0.
func (c *stormClient) connect() (wait time.Duration, opened bool) {
	conn, err := net.Dial("tcp", c.storm.address)
	if err != nil {
		return 0, false
	}
	defer func() { _ = conn.Close() }()
	query := fmt.Sprintf("?room=storm.%d", c.room)
	if c.epoch != "" {
		query += fmt.Sprintf("&after=%d&epoch=%s", c.seq, c.epoch)
	}
	s, answer, err := gatewaytest.Upgrade(conn, query, nil, "Authorization: Bearer "+c.token)
	switch {
	case err != nil:
		return 0, false
	case answer.Status == http.StatusServiceUnavailable:
		c.storm.refused.Add(1)
		seconds, err := strconv.Atoi(answer.Header.Get("Retry-After"))
		if err != nil || seconds < 1 {
			c.storm.problem("503 with Retry-After %q", answer.Header.Get("Retry-After"))
		}
		return time.Duration(seconds) * time.Second, false
	case s == nil:
		c.storm.problem("the handshake was answered with %d %s", answer.Status, answer.Body)
		return time.Second, false
	}
	c.mu.Lock()
	c.conn = conn
	c.mu.Unlock()
	s.Patience = time.Minute
	counted := false
	for {
		f, err := s.Read()
		if err != nil {
			if counted {
				c.storm.back.Add(-1)
			}
			return returnIn(err), true
		}
		if c.take(f.Payload) && !counted {
			counted = true
			c.storm.back.Add(1)
		}
	}
}

// take takes a frame, and reports whether it says that the room was joined.
func (c *stormClient) take(payload []byte) (joined bool) {
	var m struct {
		Type, Epoch string
		Seq         int64
		Recovered   *bool
		Data        json.RawMessage
	}
	if err := json.Unmarshal(payload, &m); err != nil {
		c.storm.problem("frame %q", payload)
	}
	switch m.Type {
	case "subscribed":
		if c.epoch == "" {
			c.seq = m.Seq
		} else if m.Recovered == nil || !*m.Recovered {
			c.storm.problem("%s, after %d of %s", payload, c.seq, c.epoch)
		}
		c.epoch = m.Epoch
		return true
	case "message":
		if m.Seq != c.seq+1 {
			c.storm.problem("seq %d came behind %d", m.Seq, c.seq)
		}
		c.seq = m.Seq
		c.data = append(c.data, string(m.Data))
		c.have.Store(m.Seq)
	case "gap", "error":
		c.storm.problem("%s", payload)
	}
	return false
}

// returnIn is what a close reason says, or 0.
func returnIn(err error) time.Duration {
	var closed *gatewaytest.CloseError
	if !errors.As(err, &closed) {
		return 0
	}
	_, ms, _ := strings.Cut(closed.Reason, " retry_after_ms=")
	n, _ := strconv.Atoi(ms)
	return time.Duration(n) * time.Millisecond
}

// publish writes to all rooms in turn. Each message has an id, and is sent again
// until it was acknowledged.
func (s *storm) publish(token string) {
	for n := 0; !s.over(); n++ {
		room, data := n%stormRooms, fmt.Sprint(n)
		for !s.over() {
			s.mu.Lock()
			g := s.gateway
			s.mu.Unlock()
			a, err := g.Try("POST", fmt.Sprintf("/rooms/storm.%d/messages", room), token, map[string]any{"data": n, "id": "n" + data})
			if err != nil || a.Status == http.StatusServiceUnavailable {
				s.sleep(20 * time.Millisecond)
				continue
			}
			seq, _ := a.JSON()["seq"].(float64)
			s.mu.Lock()
			s.published[room] = append(s.published[room], data)
			if a.Status != http.StatusCreated || int(seq) != len(s.published[room]) {
				s.problems = append(s.problems, fmt.Sprintf("message %d: %d %s", n, a.Status, a.Body))
			}
			s.mu.Unlock()
			break
		}
		s.sleep(10 * time.Millisecond)
	}
}

// newStorm starts a gateway and has everyone connect to it.
func newStorm(t *testing.T, dir string) *storm {
	t.Helper()
	s := &storm{t: t, stop: make(chan struct{}), gateway: gatewaytest.StartIn(t, dir, "log_level=warn")}
	s.address = strings.TrimPrefix(s.gateway.URL, "http://")
	list := "name,room,grants,key_hash\n"
	for i := range stormClients {
		list += fmt.Sprintf("pump-%d,,storm.*:rw,%064x\n", i, i+1)
	}
	report, err := s.gateway.Admin().ImportDevices(t.Context(), adminsock.Import{Data: []byte(list)})
	if err != nil || report.Added != stormClients {
		t.Fatal(err, report)
	}
	for i := range stormClients {
		c := &stormClient{storm: s, room: i % stormRooms, token: s.gateway.Token(fmt.Sprintf("pump-%d", i))}
		s.clients = append(s.clients, c)
		s.all.Go(c.run)
	}
	t.Cleanup(s.end)
	s.awaitAll("everybody", time.Now())
	s.all.Go(func() { s.publish(s.gateway.Token("admin")) })
	return s
}

// end is the end of all clients, whatever became of the test.
func (s *storm) end() {
	if !s.over() {
		close(s.stop)
	}
	s.cut()
	s.all.Wait()
}

// cut resets all connections at once, without a word.
func (s *storm) cut() {
	for _, c := range s.clients {
		c.mu.Lock()
		if tcp, ok := c.conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
			_ = tcp.Close()
		}
		c.mu.Unlock()
	}
}

// awaitAll waits until everyone is connected and has everything that was
// published before the call.
func (s *storm) awaitAll(what string, began time.Time) {
	s.t.Helper()
	s.mu.Lock()
	var heads [stormRooms]int64
	for i := range heads {
		heads[i] = int64(len(s.published[i]))
	}
	s.mu.Unlock()
	complete := func() bool {
		for _, c := range s.clients {
			if c.have.Load() < heads[c.room] {
				return false
			}
		}
		return s.back.Load() == stormClients
	}
	for !complete() {
		if time.Since(began) > stormLimit {
			s.t.Fatalf("%s: %d of %d are back after %v", what, s.back.Load(), stormClients, stormLimit)
		}
		time.Sleep(5 * time.Millisecond)
	}
	s.t.Logf("%s: all are back and complete after %v; %d were told to come later so far", what, time.Since(began).Round(time.Millisecond), s.refused.Load())
}

// awaitGone waits until the gateway has noticed that all are gone.
func (s *storm) awaitGone() {
	s.t.Helper()
	await(s.t, "the end of all connections", func() bool { return s.back.Load() < stormClients/2 })
}

const hashes = "edgegw_argon2_duration_seconds_count"

// A thousand clients are cut at once, and later the gateway is stopped and
// started on the same store. All of them are back within half a minute, have
// everything once and in order, and no password was hashed for it.
func TestStorm(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newStorm(t, dir)
	before := metric(t, s.gateway, hashes)
	time.Sleep(500 * time.Millisecond)

	began := time.Now()
	s.cut()
	s.awaitGone()
	s.awaitAll("cut", began)
	if n := metric(t, s.gateway, hashes) - before; n != 0 {
		t.Errorf("%v passwords were hashed", n)
	}

	began = time.Now()
	if err := s.gateway.Stop(); err != nil {
		t.Fatal(err)
	}
	next := gatewaytest.StartIn(t, dir, "log_level=warn", "listen="+s.address)
	s.mu.Lock()
	s.gateway = next
	s.mu.Unlock()
	s.awaitAll("restarted", began)
	if n := metric(t, next, hashes); n != 0 {
		t.Errorf("%v passwords were hashed", n)
	}

	close(s.stop)
	time.Sleep(100 * time.Millisecond)
	s.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.problems {
		t.Error(p)
	}
	for i, c := range s.clients {
		want := s.published[c.room]
		// The end came while the newest were on their way.
		if missing := len(want) - len(c.data); missing > 2 || len(c.data) == 0 {
			t.Fatalf("client %d has %d of %d messages", i, len(c.data), len(want))
		}
		for k, data := range c.data {
			if k < len(want) && data != want[k] {
				t.Fatalf("client %d has %q as its message %d, want %q", i, data, k+1, want[k])
			}
		}
	}
}
