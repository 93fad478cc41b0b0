package realtime_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edgegw/internal/gatewaytest"
)

// endless keeps all that a test can publish.
const endless = `
[[rooms]]
match = "*"
max_messages = 100000000
max_bytes = 100000000000
`

// spate is a stream of messages without ids.
type spate struct {
	writer int
	limit  int           // how many there are; 0 is no limit
	burst  int           // how many are sent at once
	pause  time.Duration // behind a burst
	pad    string
	stop   *atomic.Bool // nil for never
}

// pour publishes a spate as fast as the gateway takes it. The data of its messages
// is {"w":WRITER,"n":N,"pad":…} with N from 1. It returns how many were sent, and
// an error unless all of them were taken.
func (s *site) pour(token, room string, p spate) (n int, err error) {
	l, err := s.connect(token, "room=idle-"+room)
	if err != nil {
		return 0, err
	}
	defer l.cut()
	l.Patience = time.Minute
	answered := make(chan error, 1)
	go func() { // what is refused is told here
		f, err := l.until("error", "pong")
		if f.Type == "error" {
			err = fmt.Errorf("publishing to %s: %v", room, f)
		}
		answered <- err
	}()
	for (p.limit == 0 || n < p.limit) && (p.stop == nil || !p.stop.Load()) {
		var burst []byte
		for range p.burst {
			n++
			burst = append(burst, gatewaytest.ClientFrame(0x81, fmt.Appendf(nil, `{"type":"message","room":%q,"data":{"w":%d,"n":%d,"pad":%q}}`, room, p.writer, n, p.pad))...)
		}
		if _, err := l.Conn.Write(burst); err != nil {
			return n, errors.Join(err, <-answered)
		}
		time.Sleep(p.pause)
	}
	// The answer to the last command means that all before it were taken.
	l.Send(`{"type":"ping"}`)
	return n, <-answered
}

// room asks where a room stands.
func (s *site) room(token, name string) (f frame) {
	s.t.Helper()
	if err := json.Unmarshal(s.do(http.StatusOK, "GET", "/rooms/"+name, token, nil).Body, &f); err != nil {
		s.t.Fatal(err)
	}
	return f
}

// settled waits until the room holds n messages.
func (s *site) settled(token, room string, n int) {
	s.t.Helper()
	var seq uint64
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if seq = s.room(token, room).Seq; seq == uint64(n) {
			return
		}
	}
	s.t.Fatalf("room %s stands at %d, want %d", room, seq, n)
}

// reader is a client that reads what is written at full speed, and comes back all
// the time.
type reader struct {
	s     *site
	token string
	rooms []string
	r     *rand.Rand
	epoch map[string]string
	at    map[string]uint64
	n     map[string][]uint64 // the newest n of each writer, by room

	returns, replayed, slow int
}

// visit reads one connection until it is cut, or everything up to the heads is
// there.
func (c *reader) visit(d time.Duration, heads map[string]uint64) error {
	l, err := c.s.connect(c.token, from(c.at[c.rooms[0]], c.epoch[c.rooms[0]]).query(c.rooms[0]))
	if err != nil {
		return err
	}
	defer l.cut()
	timer := time.AfterFunc(d, l.reset)
	defer timer.Stop()
	for _, room := range c.rooms[1:] {
		l.Send(from(c.at[room], c.epoch[room]).command(room))
	}
	c.returns++
	for entered := 0; heads == nil || entered < len(c.rooms) || c.behind(heads); {
		f, err := l.Read()
		if isEnd(err) {
			return c.note(err)
		}
		if err != nil {
			return err
		}
		switch {
		case isMessage(f.Payload):
			err = c.take(f.Payload)
		case string(field(f.Payload, `"type":"`, `"`)) == "subscribed":
			entered++
			err = c.enter(f.Payload)
		case string(field(f.Payload, `"type":"`, `"`)) == "gap":
			err = fmt.Errorf("%s", f.Payload)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// note counts connections that the gateway has closed for slowness.
func (c *reader) note(err error) error {
	var closed *gatewaytest.CloseError
	if errors.As(err, &closed) && closed.Code == 4002 {
		c.slow++
	}
	return nil
}

func (c *reader) behind(heads map[string]uint64) bool {
	for room, head := range heads {
		if c.at[room] < head {
			return true
		}
	}
	return false
}

func (c *reader) enter(payload []byte) error {
	var f frame
	if err := json.Unmarshal(payload, &f); err != nil {
		return err
	}
	if f.Recovered == nil || !*f.Recovered || f.Replay == nil || f.Seq != c.at[f.Room]+*f.Replay || f.Epoch != c.epoch[f.Room] {
		return fmt.Errorf("a return to %d is answered %s", c.at[f.Room], payload)
	}
	c.replayed += int(*f.Replay)
	return nil
}

// take wants the next seq, and of each writer the next message.
func (c *reader) take(payload []byte) error {
	room := string(field(payload, `"room":"`, `"`))
	writer := numberIn(payload, `"w":`)
	if seq := numberIn(payload, `"seq":`); seq != c.at[room]+1 || numberIn(payload, `"n":`) != c.n[room][writer]+1 {
		return fmt.Errorf("behind seq %d of %s, and %d of writer %d: %.200s", c.at[room], room, c.n[room][writer], writer, payload)
	}
	c.at[room]++
	c.n[room][writer]++
	return nil
}

// Clients that come back all the time to rooms that are written at full speed have
// every message once, and in order.
func TestResumeAtFullSpeed(t *testing.T) {
	for _, c := range []struct {
		what  string
		burst int
		pause time.Duration
	}{
		// Faster than the clients can read: they are in the middle of a
		// replay when they are cut.
		{"at full speed", 50, 0},
		// As fast as they can: they reach the live stream, and are cut
		// around that moment.
		{"as fast as it is read", 4, time.Millisecond},
	} {
		t.Run(c.what, func(t *testing.T) { resumeWhile(t, c.what, spate{burst: c.burst, pause: c.pause}) })
	}
}

func resumeWhile(t *testing.T, what string, p spate) {
	s := open(t, endless, "log_level=info", "commit_window=0", "max_store_bytes=8589934592")
	token := s.person("ada")
	rooms := []string{"hot.a", "hot.b", "hot.c"}
	const writers, readers = 6, 6
	d := time.Duration(scaled(3000, 1000)) * time.Millisecond
	clients := readersOf(s, token, rooms, readers, writers)
	var stop atomic.Bool
	p.stop = &stop
	var writing, reading sync.WaitGroup
	sent := make([]int, writers)
	for i := range writers {
		writing.Go(func() {
			p := p
			p.writer = i
			n, err := s.pour(token, rooms[i%len(rooms)], p)
			if sent[i] = n; err != nil {
				t.Errorf("writer %d: %v", i, err)
			}
		})
	}
	for i, c := range clients {
		reading.Go(func() {
			for !stop.Load() {
				if err := c.visit(time.Duration(20+c.r.IntN(400))*time.Millisecond, nil); err != nil {
					t.Errorf("client %d: %v", i, err)
					return
				}
			}
		})
	}
	time.Sleep(d)
	stop.Store(true)
	writing.Wait()
	reading.Wait()
	heads, total := make(map[string]uint64), 0
	for i, n := range sent {
		heads[rooms[i%len(rooms)]] += uint64(n)
		total += n
	}
	for room, head := range heads {
		s.settled(token, room, int(head))
	}
	returns, replayed, slow := 0, 0, 0
	for i, c := range clients {
		if err := c.visit(time.Minute, heads); err != nil || c.behind(heads) {
			t.Errorf("client %d ends at %v, the rooms at %v: %v", i, c.at, heads, err)
		}
		returns, replayed, slow = returns+c.returns, replayed+c.replayed, slow+c.slow
	}
	t.Logf("resume %s: %d writers stored %d messages in %d rooms, %.0f a second; %d clients came back %d times, to all rooms each time, and had %d messages each in the end (%d were replayed, %d times the gateway cut one as too slow); none is missing or there twice",
		what, writers, total, len(rooms), float64(total)/d.Seconds(), readers, returns, total, replayed, slow)
	if returns < readers*3 || replayed == 0 {
		t.Errorf("%d returns and %d replayed messages are too few to tell anything", returns, replayed)
	}
}

// readersOf makes clients that know where the rooms begin.
func readersOf(s *site, token string, rooms []string, n, writers int) []*reader {
	s.t.Helper()
	epochs := make(map[string]string)
	for _, room := range rooms {
		epochs[room] = s.room(token, room).Epoch
	}
	clients := make([]*reader, n)
	for i := range clients {
		c := &reader{s: s, token: token, r: rand.New(rand.NewPCG(uint64(i), 2)), epoch: epochs, at: make(map[string]uint64), n: make(map[string][]uint64)}
		for _, k := range c.r.Perm(len(rooms)) {
			c.rooms = append(c.rooms, rooms[k])
			c.n[rooms[k]] = make([]uint64, writers)
		}
		clients[i] = c
	}
	return clients
}

// A gap of any length is streamed in bounded memory, however slowly it is read.
func TestLongGap(t *testing.T) {
	s := open(t, endless, "log_level=info", "commit_window=0", "max_store_bytes=8589934592")
	token := s.person("ada")
	n := scaled(200_000, 20_000)
	if _, err := s.pour(token, "deep", spate{limit: n, burst: 50, pad: strings.Repeat("0123456789abcdef", 4)}); err != nil {
		t.Fatal(err)
	}
	s.settled(token, "deep", n)
	room := s.room(token, "deep")
	// By what a busy gateway's heap may grow between two collections is bounded
	// elsewhere (internal/app/collector.go), and depends on how long a case takes. Here
	// it is what the streams hold that counts.
	s.Under = []string{"env", "GOGC=30"}
	for _, c := range []struct {
		what         string
		missed, many int
		pause        time.Duration // behind each 1,000 messages
		most         int           // memory, in bytes
	}{
		{"10,000 missed messages", 10_000, 1, 0, 8 * mib},
		{fmt.Sprintf("a gap of %d messages", n), n, 1, 0, 8 * mib},
		{fmt.Sprintf("a gap of %d messages, read slowly", n), n, 1, 10 * time.Millisecond, 8 * mib},
		{fmt.Sprintf("4 clients with a gap of %d messages", n), n, 4, 0, 12 * mib},
	} {
		// A new process has no memory left over from before.
		if err := s.restart(); err != nil {
			t.Fatal(err)
		}
		end := s.watch()
		began := time.Now()
		var all sync.WaitGroup
		var bytes atomic.Int64
		for range c.many {
			all.Go(func() {
				b, err := s.readGap(token, room.Epoch, uint64(n-c.missed), uint64(n), c.pause)
				if bytes.Add(int64(b)); err != nil {
					t.Errorf("%s: %v", c.what, err)
				}
			})
		}
		all.Wait()
		took, growth := time.Since(began), end()
		t.Logf("%s: %v, %.1f MiB in %d stream(s), the gateway's memory grew by %.1f MiB at most", c.what, took.Round(time.Millisecond), float64(bytes.Load())/mib, c.many, float64(growth)/mib)
		if growth > c.most {
			t.Errorf("%s: the gateway's memory grew by %d KiB, want %d at most", c.what, growth/kib, c.most/kib)
		}
	}
}

// readGap comes back at a position and reads up to a seq.
func (s *site) readGap(token, epoch string, after, to uint64, pause time.Duration) (size int, err error) {
	l, err := s.connect(token, from(after, epoch).query("deep"))
	if err != nil {
		return 0, err
	}
	defer l.cut()
	got, err := l.until("subscribed")
	if err != nil || got.Recovered == nil || !*got.Recovered || got.Replay == nil || *got.Replay != to-after {
		return 0, fmt.Errorf("a return to %d is answered %v, %w", after, got, err)
	}
	for next := after + 1; next <= to; next++ {
		f, err := l.Read()
		if err != nil {
			return size, fmt.Errorf("seq %d has to come: %w", next, err)
		}
		for !isMessage(f.Payload) { // presence of the other clients
			if f, err = l.Read(); err != nil {
				return size, err
			}
		}
		if numberIn(f.Payload, `"seq":`) != next || numberIn(f.Payload, `"n":`) != next {
			return size, fmt.Errorf("seq %d has to come: %.200s", next, f.Payload)
		}
		if size += len(f.Payload); next%1000 == 0 {
			time.Sleep(pause)
		}
	}
	return size, nil
}
