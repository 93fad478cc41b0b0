package wsedge_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
	"edgegw/internal/hub"
	"edgegw/internal/memstore"
	"edgegw/internal/wsedge"
)

const patience = 10 * time.Second

// directory stands for the accounts: one account, and one token for it. What it
// is asked can be overtaken by a change.
type directory struct {
	revision atomic.Uint64

	mu sync.Mutex
	// looked is called when an account was looked up, asked when the revision
	// is asked for, with how often that has happened.
	looked, asked func(times int)

	identity accounts.Identity
	refusal  error
	looks    int
	asks     int
}

func (d *directory) Authenticate(context.Context, string) (accounts.Identity, error) {
	d.mu.Lock()
	d.looks++
	id, err, n, looked := d.identity, d.refusal, d.looks, d.looked
	d.mu.Unlock()
	if looked != nil {
		looked(n)
	}
	return id, err
}

func (d *directory) Revision() uint64 {
	d.mu.Lock()
	d.asks++
	n, asked := d.asks, d.asked
	d.mu.Unlock()
	if asked != nil {
		asked(n)
	}
	return d.revision.Load()
}

// set changes what the directory says from now on.
func (d *directory) set(how func(*directory)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	how(d)
}

// change is what the accounts do: they change, and then tell the hub.
func (d *directory) change(how func(*directory), tell func()) {
	d.set(how)
	d.revision.Add(1)
	tell()
}

type nothing struct{}

func (nothing) Add(int64)       {}
func (nothing) Observe(float64) {}

// stored stands where the store on disk does; no room is kept there.
type stored struct{ *memstore.Store }

func (stored) ForgetEpochs(gateway.RoomID) error { return nil }

// site is an edge with a real hub behind it, at an address of its own.
type site struct {
	t         *testing.T
	hub       *hub.Hub
	directory *directory
	address   string
	// hijacked is called when a handshake takes its connection.
	hijacked func()
}

func newSite(t *testing.T, tweaks ...func(*hub.Options)) *site {
	settings := func(gateway.RoomID) gateway.RoomSettings {
		return gateway.RoomSettings{Durability: gateway.DurabilityMemory, Overflow: gateway.OverflowDropOldest, MaxMessages: 10, MaxBytes: 1 << 20}
	}
	store, err := memstore.New(memstore.Options{Settings: settings, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, directory: &directory{identity: accounts.Identity{
		Principal: principal("*:rw"), Session: "s1", ExpiresAt: time.Now().Add(time.Hour),
	}}}
	opts := hub.Options{
		Stored: stored{store}, Volatile: store, Settings: settings, Clock: wall{}, ClockState: func() string { return "synced" },
		Logger: slog.New(slog.DiscardHandler),
		Metrics: hub.Metrics{
			Received: nothing{}, Delivered: nothing{}, Dropped: func(hub.DropReason, int) {}, Closed: func(uint16) {},
			RoomSubscribers: nothing{}, RoomMessageRate: nothing{}, PublishDuration: nothing{},
		},
		Limits: hub.Limits{RoomsPerConnection: 8, QueueBytes: 1 << 20, PingInterval: time.Minute, WriteTimeout: time.Minute},
	}
	for _, tweak := range tweaks {
		tweak(&opts)
	}
	s.hub = hub.New(opts)
	edge := wsedge.New(wsedge.Options{
		Hub: s.hub, Auth: s.directory, Rejected: func(gateway.Code) {}, Logger: slog.New(slog.DiscardHandler),
		Clock: wall{}, MaxMessageBytes: 64 << 10, SendBufferBytes: 16 << 10,
		Refuse: func(w http.ResponseWriter, _ *http.Request, err error) {
			e := gateway.AsError(err)
			http.Error(w, fmt.Sprintf("%s %v", e.Code, e.RetryAfter > 0), http.StatusTeapot)
		},
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		edge.ServeHTTP(hijack{w, s}, r)
	}))
	t.Cleanup(func() {
		server.Close()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		s.hub.Shutdown(ctx)
		if sessions, rooms := s.hub.Live(); sessions+rooms != 0 {
			t.Errorf("%d sessions and %d rooms are left", sessions, rooms)
		}
	})
	s.address = server.Listener.Addr().String()
	return s
}

func principal(grants ...string) gateway.Principal {
	p := gateway.Principal{Name: "ann", Kind: gateway.KindUser, Role: gateway.RoleMember}
	for _, text := range grants {
		g, err := gateway.ParseGrant(text)
		if err != nil {
			panic(err)
		}
		p.Grants = append(p.Grants, g)
	}
	return p
}

type wall struct{}

func (wall) Now() time.Time { return time.Now() }

type hijack struct {
	http.ResponseWriter
	site *site
}

func (h hijack) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if h.site.hijacked != nil {
		h.site.hijacked()
	}
	return http.NewResponseController(h.ResponseWriter).Hijack()
}

func (s *site) publish(data string) {
	s.t.Helper()
	p := gateway.Principal{Name: "http", Role: gateway.RoleAdmin}
	if _, err := s.hub.Publish(s.t.Context(), p, gateway.DefaultRoom, "", gateway.Payload{Bytes: []byte(data)}); err != nil {
		s.t.Fatal(err)
	}
}

// client is the other end of a handshake: refused with what stands there, or
// connected.
type client struct {
	net.Conn
	r       *bufio.Reader
	refused string
}

func (s *site) dial() *client {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(conn, "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer t\r\n\r\n")
	c := &client{Conn: conn, r: bufio.NewReader(conn)}
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		c.refused = strings.TrimSpace(string(body))
	}
	return c
}

// next is the next frame: its payload, or "closed N name", or "gone".
func (c *client) next() string {
	var header [2]byte
	if _, err := io.ReadFull(c.r, header[:]); err != nil {
		return "gone"
	}
	n := int(header[1])
	if n == 126 {
		var long [2]byte
		_, _ = io.ReadFull(c.r, long[:])
		n = int(binary.BigEndian.Uint16(long[:]))
	}
	payload := make([]byte, n)
	_, _ = io.ReadFull(c.r, payload)
	if header[0] == 0x88 {
		return fmt.Sprintf("closed %d %s", binary.BigEndian.Uint16(payload), payload[2:])
	}
	return string(payload)
}
