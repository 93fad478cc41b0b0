package hub_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
	"edgegw/internal/wire"
)

// settingsOf tells a room's set-up by its name: mem… and fs… are of these
// classes, every other room is queued; …drop… and …latest… are of these
// policies, every other room disconnects.
func settingsOf(id gateway.RoomID) gateway.RoomSettings {
	s := gateway.RoomSettings{Durability: gateway.DurabilityQueued, Overflow: gateway.OverflowDisconnect, MaxMessages: 1000, MaxBytes: 1 << 20}
	switch name := string(id); {
	case strings.HasPrefix(name, "mem"):
		s.Durability = gateway.DurabilityMemory
	case strings.HasPrefix(name, "fs"):
		s.Durability = gateway.DurabilityFsynced
	}
	switch name := string(id); {
	case strings.Contains(name, "drop"):
		s.Overflow = gateway.OverflowDropOldest
	case strings.Contains(name, "latest"):
		s.Overflow = gateway.OverflowKeepLatest
	}
	return s
}

// clock is the bubble's time and what a test adds to it.
type clock struct {
	mu     sync.Mutex
	offset time.Duration
	asked  func() // Now calls it once, if there is one
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	asked := c.asked
	c.asked = nil
	c.mu.Unlock()
	if asked != nil {
		asked()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset)
}

// once has f called by the next look at the clock.
func (c *clock) once(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = f
}

func (c *clock) jump(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

// world is a hub with everything around it. It lives in a synctest bubble, and
// at its end it looks whether the hub is empty.
type world struct {
	t                *testing.T
	hub              *hub.Hub
	opts             hub.Options
	clock            *clock
	stored, volatile *history
	figures          *figures
	peers            []*peer
}

func newWorld(t *testing.T, tweaks ...func(*hub.Options)) *world {
	w := &world{t: t, clock: &clock{}, stored: newHistory("e"), volatile: newHistory("m"), figures: &figures{}}
	opts := hub.Options{
		Stored: w.stored, Volatile: w.volatile, Settings: settingsOf, Clock: w.clock,
		ClockState: func() string { return "synced" },
		Logger:     slog.New(slog.DiscardHandler),
		Metrics:    w.figures.metrics(),
		Limits: hub.Limits{
			RoomsPerConnection: 128, MessageBytes: 65536, QueueBytes: 1 << 20,
			PingInterval: 25 * time.Second, WriteTimeout: 10 * time.Second,
		},
	}
	for _, tweak := range tweaks {
		tweak(&opts)
	}
	w.opts = opts
	w.restart()
	t.Cleanup(w.finish)
	return w
}

// restart is a new hub on what the histories keep.
func (w *world) restart() {
	w.hub = hub.New(w.opts)
	w.stored.set(func(h *history) { h.committed = w.hub.Committed })
}

// finish ends what the test has left open and sees that nothing stays behind.
func (w *world) finish() {
	for _, p := range w.peers {
		p.socket.limit(unlimited)
		p.socket.Shutdown()
	}
	synctest.Wait()
	for _, p := range w.peers {
		p.end(0)
	}
	w.stored.commit()
	synctest.Wait()
	for _, left := range w.hub.Leftovers() {
		w.t.Errorf("left behind: %s", left)
	}
}

// run lets the hub sweep until the test ends.
func (w *world) run() {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.hub.Run(ctx)
	}()
	w.t.Cleanup(func() {
		cancel()
		<-done
	})
}

// peer is a client: its session, its end of the socket and its reader.
type peer struct {
	t       testing.TB
	session *hub.Session
	socket  *socket
	format  wire.Format

	code   uint16     // of the peer's own close frame
	reader sync.Mutex // Text, Binary and End come one at a time
	ended  bool
	read   int // frames that were taken already
}

func as(name gateway.AccountName) func(*hub.Connect) {
	return func(c *hub.Connect) { c.Principal.Name = name }
}
func in(room gateway.RoomID) func(*hub.Connect) { return func(c *hub.Connect) { c.Room = room } }
func inRaw(c *hub.Connect)                      { c.Format = wire.FormatRaw }
func from(ip string) func(*hub.Connect)         { return func(c *hub.Connect) { c.IP = ip } }
func granted(grants ...string) func(*hub.Connect) {
	return func(c *hub.Connect) { c.Principal.Grants = grantsOf(grants...) }
}

func grantsOf(grants ...string) gateway.Grants {
	var all gateway.Grants
	for _, s := range grants {
		g, err := gateway.ParseGrant(s)
		if err != nil {
			panic(err)
		}
		all = append(all, g)
	}
	return all
}

// plainEpoch is how the histories of the tests call an epoch.
var plainEpoch = regexp.MustCompile(`^[em][0-9]+$`)

// shown is what clients know an epoch by that a history calls so.
func shown(room gateway.RoomID, epoch gateway.Epoch) gateway.Epoch {
	if plainEpoch.MatchString(string(epoch)) {
		return hub.ShownEpoch(room, epoch)
	}
	return epoch
}

// kept is the reverse of shown.
func kept(room gateway.RoomID, epoch string) string {
	name, _, _ := strings.Cut(epoch, ".")
	if string(shown(room, gateway.Epoch(name))) == epoch {
		return name
	}
	return epoch
}

func member(name gateway.AccountName, grants ...string) gateway.Principal {
	return gateway.Principal{Name: name, Kind: gateway.KindUser, Role: gateway.RoleMember, Grants: grantsOf(grants...)}
}

// admit is the first half of connect.
func (w *world) admit(asks ...func(*hub.Connect)) (*peer, error) {
	c := hub.Connect{
		Principal: member("ann", "*:rw"), Room: "mem", Format: wire.FormatJSON,
		IP: "192.0.2.1", RequestID: "r-1", Expires: w.clock.Now().Add(time.Hour),
	}
	for _, ask := range asks {
		ask(&c)
	}
	c.Resume.Epoch = shown(c.Room, c.Resume.Epoch)
	s, err := w.hub.Admit(c)
	if err != nil {
		return nil, err
	}
	p := &peer{t: w.t, session: s, socket: newSocket(w.t), format: c.Format}
	w.peers = append(w.peers, p)
	go func() {
		<-p.socket.down
		p.end(p.code)
	}()
	return p, nil
}

func (w *world) connect(asks ...func(*hub.Connect)) *peer {
	w.t.Helper()
	p, err := w.admit(asks...)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := p.session.Start(p.socket); err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (p *peer) end(code uint16) {
	p.reader.Lock()
	defer p.reader.Unlock()
	if !p.ended {
		p.ended = true
		p.session.End(code)
	}
}

// leave is what happens when the peer's connection is gone.
func (p *peer) leave() {
	p.socket.Shutdown()
	p.end(0)
}

// send sends a text frame.
func (p *peer) send(format string, args ...any) {
	p.sendFrame(p.session.Text, []byte(fmt.Sprintf(format, args...)))
}

func (p *peer) sendBinary(b []byte) { p.sendFrame(p.session.Binary, b) }

// sendFrame uses the frame's bytes again as soon as they are its own.
func (p *peer) sendFrame(to func([]byte), frame []byte) {
	p.reader.Lock()
	defer p.reader.Unlock()
	if p.ended {
		return
	}
	p.session.Touch()
	to(frame)
	for i := range frame {
		frame[i] = '!'
	}
}

// failer is a *testing.T or a *rapid.T.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// frame is what a peer was sent.
type frame struct {
	op      wire.Opcode
	payload string

	Type, Room, User, ID, Encoding, Reason, Code, Message, Epoch, Durability string

	Seq, From, To uint64
	Recovered     *bool
	Replay        *uint64
	TS            int64
	RetryAfterMS  int64 `json:"retry_after_ms"`
	Data          json.RawMessage
}

// parse takes whole frames off the stream and returns what is left of it.
func parse(t failer, format wire.Format, stream []byte) (frames []frame, rest []byte) {
	t.Helper()
	for len(stream) >= 2 {
		n, header := int(stream[1]), 2
		switch {
		case stream[0]&0xF0 != 0x80 || n&0x80 != 0:
			t.Fatalf("frame %d begins with % x, which no server's frame does", len(frames), stream[:2])
		case n == 126 && len(stream) >= 4:
			n, header = int(binary.BigEndian.Uint16(stream[2:])), 4
		case n == 127 && len(stream) >= 10:
			n, header = int(binary.BigEndian.Uint64(stream[2:])), 10
		case n >= 126:
			return frames, stream
		}
		if len(stream) < header+n {
			return frames, stream
		}
		f := frame{op: wire.Opcode(stream[0] & 0x0F), payload: string(stream[header : header+n])}
		if format == wire.FormatJSON && f.op == wire.OpText {
			if err := json.Unmarshal([]byte(f.payload), &f); err != nil {
				t.Fatalf("frame %d: %v: %q", len(frames), err, f.payload)
			}
		}
		frames, stream = append(frames, f), stream[header+n:]
	}
	return frames, stream
}

// frames settles the hub and returns what has come since the last call.
func (p *peer) frames() []frame {
	p.t.Helper()
	synctest.Wait()
	all, _ := parse(p.t, p.format, p.socket.bytes())
	fresh := all[p.read:]
	p.read = len(all)
	return fresh
}

// stream returns everything that has come, and the beginning of a frame that
// has not come whole.
func (p *peer) stream() (frames []frame, rest []byte) {
	p.t.Helper()
	synctest.Wait()
	return parse(p.t, p.format, p.socket.bytes())
}

// texts is how frames look, for comparing.
func texts(frames []frame) string {
	var b strings.Builder
	for _, f := range frames {
		fmt.Fprintf(&b, "%s\n", f.payload)
	}
	return b.String()
}

// expect compares the frames that have come since the last call.
func (p *peer) expect(want ...string) {
	p.t.Helper()
	if got, want := texts(p.frames()), strings.Join(append(want, ""), "\n"); got != want {
		p.t.Errorf("frames\n%s\nwant\n%s", got, want)
	}
}

// subscribedAt is the frame that a client gets which asks for nothing.
func subscribedAt(room gateway.RoomID, epoch gateway.Epoch, seq gateway.Seq) string {
	return fmt.Sprintf(`{"type":"subscribed","room":%q,"epoch":%q,"seq":%d}`, room, shown(room, epoch), seq)
}

// closed returns the reason of the close frame, which has to be the last thing
// in the stream.
func (p *peer) closed() (code wire.CloseCode, reason string) {
	p.t.Helper()
	frames, rest := p.stream()
	if !p.socket.isDown() {
		p.t.Fatal("the socket is open")
	}
	for i, f := range frames {
		if f.op == wire.OpClose && (i < len(frames)-1 || len(rest) > 0) {
			p.t.Fatalf("something follows the close frame: %q %q", texts(frames[i+1:]), rest)
		}
	}
	if len(frames) == 0 || frames[len(frames)-1].op != wire.OpClose {
		return 0, ""
	}
	last := frames[len(frames)-1].payload
	return wire.CloseCode(binary.BigEndian.Uint16([]byte(last))), last[2:]
}

// places is what a peer was given of each room, by what it was told.
type places map[string]*place

type place struct {
	in   bool
	some bool              // something has come in this stay
	next uint64            // the seq that has to come
	got  map[uint64]string // seq to user and data
	gaps [][2]uint64
	ack  uint64 // the newest acked seq
}

// ledger follows the frames as a client does, and holds the promise against
// them: after `subscribed` every seq behind what was asked for comes once and in
// order, or stands in a gap, and after `unsubscribed` nothing comes.
func ledger(t failer, frames []frame) places {
	t.Helper()
	all := make(places)
	at := func(room string) *place {
		if all[room] == nil {
			all[room] = &place{got: make(map[uint64]string)}
		}
		return all[room]
	}
	for i, f := range frames {
		p := at(f.Room)
		switch f.Type {
		case "subscribed":
			next := f.Seq + 1
			if f.Replay != nil {
				next -= *f.Replay
			}
			if p.in && next != p.next && (next > p.next || p.some) {
				t.Fatalf("frame %d: subscribed again at %d, %d has come: %s", i, next-1, p.next-1, f.payload)
			}
			p.in, p.some, p.next = true, p.in && p.some, next
		case "unsubscribed":
			p.in = false
		case "message":
			if !p.in || f.Seq != p.next {
				t.Fatalf("frame %d: subscribed %v, seq %d has to come: %s", i, p.in, p.next, f.payload)
			}
			p.got[f.Seq] = f.User + " " + string(f.Data)
			p.some = true
			p.next++
		case "gap":
			if !p.in || f.From != p.next || f.To < f.From {
				t.Fatalf("frame %d: subscribed %v, seq %d has to come: %s", i, p.in, p.next, f.payload)
			}
			p.gaps = append(p.gaps, [2]uint64{f.From, f.To})
			p.some = true
			p.next = f.To + 1
		case "ack":
			if f.Seq <= p.ack {
				t.Fatalf("frame %d: ack of %d after %d: %s", i, f.Seq, p.ack, f.payload)
			}
			p.ack = f.Seq
		}
	}
	return all
}
