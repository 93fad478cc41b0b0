package realtime_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"edgegw/e2e/process"
	"edgegw/internal/gatewaytest"
)

// frame is a frame of the gateway, with the members of all types.
type frame struct {
	Type, Room, Epoch, ID, User, State, Event, Reason, Code, Message, Durability, Encoding, Connection string

	Seq, From, To, Count uint64
	TS                   int64
	Recovered            *bool
	Replay               *uint64
	ExpiresIn            int `json:"expires_in"`
	Data                 json.RawMessage

	payload []byte
}

func (f frame) String() string { return fmt.Sprintf("%.300s", f.payload) }

// content is what was published: two messages with the same are the same.
func (f frame) content() string { return f.Encoding + "|" + string(f.Data) }

// link is a connection to /ws. Each of its methods may be called by one goroutine
// at a time.
type link struct {
	*gatewaytest.Socket
}

// refusal is a handshake that was answered with something else than a socket.
type refusal struct{ gatewaytest.Answer }

func (r *refusal) Error() string { return fmt.Sprintf("handshake: %d %s", r.Status, r.Code()) }

// connect opens a socket; the query is without its question mark.
func (s *site) connect(token, query string) (*link, error) { return s.connectWith(token, query, 0) }

func (s *site) connectWith(token, query string, receive int) (*link, error) {
	conn, err := s.dial(receive)
	if err != nil {
		return nil, err
	}
	socket, answer, err := gatewaytest.Upgrade(conn, "?"+query, nil, "Sec-WebSocket-Protocol: bearer, "+token)
	switch {
	case err != nil:
		_ = conn.Close()
		return nil, err
	case socket == nil:
		return nil, &refusal{answer}
	}
	socket.Patience = process.Patience
	return &link{socket}, nil
}

// mustConnect is connect for the test's own goroutine; the connection ends with
// the test.
func (s *site) mustConnect(token, query string) *link {
	s.t.Helper()
	l, err := s.connect(token, query)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(l.cut)
	return l
}

// cut ends the connection without a word.
func (l *link) cut() { _ = l.Conn.Close() }

// reset ends the connection as if the client's network were gone.
func (l *link) reset() {
	if tcp, ok := l.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	l.cut()
}

// next returns the next frame of the json format.
func (l *link) next() (frame, error) {
	got, err := l.Read()
	if err != nil {
		return frame{}, err
	}
	f := frame{payload: got.Payload}
	if err := json.Unmarshal(got.Payload, &f); err != nil {
		return f, fmt.Errorf("%.300s: %w", got.Payload, err)
	}
	return f, nil
}

// until returns the next frame of one of the types; what comes before is left
// out.
func (l *link) until(types ...string) (frame, error) {
	for deadline := time.Now().Add(l.Patience); ; {
		f, err := l.next()
		if err != nil {
			return f, fmt.Errorf("waiting for %v: %w", types, err)
		}
		for _, t := range types {
			if f.Type == t {
				return f, nil
			}
		}
		if time.Now().After(deadline) {
			return f, fmt.Errorf("waiting for %v: only others come", types)
		}
	}
}

// ended reads up to the end of the connection.
func (l *link) ended() (*gatewaytest.CloseError, error) {
	for {
		_, err := l.Read()
		var closed *gatewaytest.CloseError
		if errors.As(err, &closed) {
			return closed, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// isEnd reports whether the error is the end of a connection, however it came.
func isEnd(err error) bool {
	var closed *gatewaytest.CloseError
	return errors.As(err, &closed)
}

// ask is what a client wants to have of a room when it enters it.
type ask struct {
	after  *uint64
	epoch  string
	latest bool
}

// from asks for what is above a position.
func from(after uint64, epoch string) ask { return ask{after: &after, epoch: epoch} }

// query is the ask for a connection's default room.
func (a ask) query(room string) string {
	v := url.Values{"room": {room}}
	if a.after != nil {
		v.Set("after", strconv.FormatUint(*a.after, 10))
	}
	if a.epoch != "" {
		v.Set("epoch", a.epoch)
	}
	if a.latest {
		v.Set("latest", "1")
	}
	return v.Encode()
}

// command is the ask for any room.
func (a ask) command(room string) string {
	m := map[string]any{"type": "subscribe", "room": room}
	if a.after != nil {
		m["after"] = *a.after
	}
	if a.epoch != "" {
		m["epoch"] = a.epoch
	}
	if a.latest {
		m["latest"] = true
	}
	b, _ := json.Marshal(m)
	return string(b)
}

func (a ask) String() string { return a.command("") }
