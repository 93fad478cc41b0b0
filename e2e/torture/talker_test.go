package torture_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"edgegw/internal/gatewaytest"
)

// mostWaiting is how many messages a talker has on their way in each room: no more
// than may be sent again at any time.
const mostWaiting = 60

// talker publishes in all rooms over one WebSocket, with an id each, and hears what
// is announced. What was not answered it sends again after the next start.
type talker struct {
	books map[string]*book
	names []string
	r     *rand.Rand
	n     int

	mu      sync.Mutex
	waiting map[string][]*post // by room, in order
	broken  error              // what may not be
}

func newTalker(r *rand.Rand, books map[string]*book, names []string) *talker {
	return &talker{books: books, names: names, r: r, waiting: make(map[string][]*post)}
}

type frame struct {
	Type, Room, ID, Code string
	Seq                  uint64
	TS                   int64
	Data                 json.RawMessage
}

// talk goes on until stop is closed or the gateway is gone. It returns what may not
// be; that the gateway is gone is no error.
func (k *talker) talk(addr, token string, stop <-chan struct{}) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return nil // gone already
	}
	socket, answer, err := gatewaytest.Upgrade(conn, "?room="+k.names[0], nil, "Sec-WebSocket-Protocol: bearer, "+token)
	if err != nil {
		return nil
	}
	switch {
	case socket == nil && answer.Status == http.StatusServiceUnavailable:
		return nil // it is ending: the fault has struck already
	case socket == nil:
		return fmt.Errorf("handshake: %d %s", answer.Status, answer.Body)
	}
	defer func() { _ = conn.Close() }()
	for _, name := range k.names[1:] {
		socket.Send(fmt.Sprintf(`{"type":"subscribe","room":%q}`, name))
	}
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		k.hear(socket)
	}()
	for _, name := range k.names {
		for _, p := range k.left(name) {
			k.transmit(socket, p)
		}
	}
	for over(stop, heard) == nil {
		for range 1 + k.r.IntN(8) {
			k.say(socket)
		}
		time.Sleep(time.Duration(k.r.IntN(4000)) * time.Microsecond)
	}
	_ = conn.Close()
	<-heard
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.broken
}

var errOver = errors.New("over")

func over(stop, heard <-chan struct{}) error {
	select {
	case <-stop:
		return errOver
	case <-heard:
		return errOver
	default:
		return nil
	}
}

func (k *talker) left(room string) []*post {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]*post(nil), k.waiting[room]...)
}

func (k *talker) say(socket *gatewaytest.Socket) {
	room := k.names[k.r.IntN(len(k.names))]
	k.mu.Lock()
	full := len(k.waiting[room]) >= mostWaiting
	k.mu.Unlock()
	if full {
		return
	}
	k.n++
	size := k.r.IntN(400)
	if k.r.IntN(60) == 0 {
		size = 9000
	}
	id := fmt.Sprint("m-", k.n)
	p := &post{room: room, id: id, content: fmt.Sprintf("%s %d %s", id, k.r.Uint64(), strings.Repeat("x", size))}
	k.mu.Lock()
	k.waiting[room] = append(k.waiting[room], p)
	k.mu.Unlock()
	k.transmit(socket, p)
}

func (k *talker) transmit(socket *gatewaytest.Socket, p *post) {
	k.books[p.room].send(p)
	socket.Send(fmt.Sprintf(`{"type":"message","room":%q,"id":%q,"data":%q}`, p.room, p.id, p.content))
}

func (k *talker) hear(socket *gatewaytest.Socket) {
	for {
		f, err := socket.Read()
		if err != nil {
			return
		}
		var said frame
		err = json.Unmarshal(f.Payload, &said)
		if err == nil {
			err = k.take(&said)
		}
		if err != nil {
			k.mu.Lock()
			k.broken = errors.Join(k.broken, err)
			k.mu.Unlock()
		}
	}
}

func (k *talker) take(f *frame) error {
	switch b := k.books[f.Room]; f.Type {
	case "ack":
		p := k.answered(f)
		if p == nil {
			return fmt.Errorf("an ack of nothing that waits: %+v", f)
		}
		return b.ack(f.Seq, f.TS, p.content)
	case "message":
		// What a room of class fsynced shows is on disk.
		var content string
		if err := json.Unmarshal(f.Data, &content); err != nil {
			return err
		}
		if b.class == "fsynced" {
			return b.keep(f.Seq, f.TS, content)
		}
	case "error":
		if p := k.answered(f); p != nil {
			b.refuse(p)
		}
		if f.Code != "storage_full" && f.Code != "unavailable" && f.Code != "busy" {
			return fmt.Errorf("refused: %+v", f)
		}
	case "unsubscribed", "gap":
		return fmt.Errorf("%+v", f)
	}
	return nil
}

// answered takes what was answered off the list.
func (k *talker) answered(f *frame) *post {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, p := range k.waiting[f.Room] {
		if p.id == f.ID {
			k.waiting[f.Room] = append(k.waiting[f.Room][:i:i], k.waiting[f.Room][i+1:]...)
			return p
		}
	}
	return nil
}
