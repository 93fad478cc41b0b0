package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/lxzan/gws"
)

// baseline is the library with rooms and nothing else: no token, no limits, no
// envelope, no history, no metrics.
type baseline struct {
	gws.BuiltinEventHandler
	log *appendLog // nil without --store

	mu    sync.Mutex
	rooms map[string]*baselineRoom
}

// baselineRoom is who is in a room.
type baselineRoom struct {
	mu      sync.Mutex
	members map[*gws.Conn]struct{}
}

// roomKey is where a connection keeps its room.
const roomKey = "room"

// runBare serves the baseline until a signal comes.
func runBare(b *bench) error {
	s := &baseline{rooms: map[string]*baselineRoom{}}
	if b.opt.store != "" {
		var err error
		if s.log, err = openAppendLog(b.opt.store, b.opt.commitWindow); err != nil {
			return err
		}
	}
	ln, err := net.Listen("tcp", b.opt.listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: s.routes(), ReadHeaderTimeout: dialTimeout}
	fmt.Println("listening on", ln.Addr())
	if b.opt.tlsListen != "" {
		secured, err := listenSecured(b.opt.tlsListen)
		if err != nil {
			return err
		}
		go func() { _ = server.Serve(secured) }()
	}
	go func() {
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
		<-stop
		_ = server.Close()
	}()
	if err := server.Serve(ln); err != http.ErrServerClosed {
		return err
	}
	return s.log.close()
}

func (s *baseline) routes() http.Handler {
	// nil options are the library's defaults.
	upgrader := gws.NewUpgrader(s, nil)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /ws", func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r)
		if err != nil {
			return
		}
		c.Session().Store(roomKey, s.room(r.URL.Query().Get("room")))
		// As documented: not in the handler's goroutine, which would keep
		// the request alive.
		go c.ReadLoop()
	})
	return mux
}

// room finds a room or makes it. Rooms stay: they are few and small.
func (s *baseline) room(name string) *baselineRoom {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms[name]
	if r == nil {
		r = &baselineRoom{members: map[*gws.Conn]struct{}{}}
		s.rooms[name] = r
	}
	return r
}

func roomOf(c *gws.Conn) *baselineRoom {
	v, _ := c.Session().Load(roomKey)
	return v.(*baselineRoom)
}

// OnOpen enters the connection into its room.
func (s *baseline) OnOpen(c *gws.Conn) {
	r := roomOf(c)
	r.mu.Lock()
	r.members[c] = struct{}{}
	r.mu.Unlock()
}

// OnClose takes it out again.
func (s *baseline) OnClose(c *gws.Conn, _ error) {
	r := roomOf(c)
	r.mu.Lock()
	delete(r.members, c)
	r.mu.Unlock()
}

// OnMessage sends the message to everybody in the room, the way the library's
// documentation shows, and with a log promises an ack.
func (s *baseline) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	r := roomOf(c)
	r.mu.Lock()
	b := gws.NewBroadcaster(m.Opcode, m.Bytes())
	for member := range r.members {
		_ = b.Broadcast(member)
	}
	_ = b.Close()
	r.mu.Unlock()
	if s.log != nil {
		s.log.append(entry{record: bytes.Clone(m.Bytes()), publisher: c})
	}
}

// sendAck answers a committed entry with its own id, found without parsing.
func sendAck(e entry) {
	_, rest, _ := bytes.Cut(e.record, []byte(`"id":"`))
	id, _, _ := bytes.Cut(rest, []byte(`"`))
	ack := append(append([]byte(`{"type":"ack","id":"`), id...), `"}`...)
	e.publisher.WriteAsync(gws.OpcodeText, ack, nil)
}
