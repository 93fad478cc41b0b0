package main

import (
	"bytes"
	"crypto/tls"
	"strconv"
)

// room is what a client knows of a room: how its messages begin, and how many
// this process has published there.
type room struct {
	name      string
	prefix    string
	published uint64
}

func newRoom(name string) *room {
	return &room{name: name, prefix: `{"type":"message","room":"` + name + `","seq":`}
}

// match reads the seq of a message of this room. It looks at the front of the
// frame only: members come in the contract's order, so one comparison proves
// the type and the room of each of two million frames a second.
func (r *room) match(payload []byte) (seq uint64, ok bool) {
	n := len(r.prefix)
	if len(payload) <= n || string(payload[:n]) != r.prefix {
		return 0, false
	}
	return number(payload[n:]), true
}

// conn is one WebSocket. Only the loop touches it once it is in there.
type conn struct {
	fd   int
	slot int32 // in loop.conns
	room *room

	secured *tls.Conn // nil without TLS

	partial []byte // the frame that the last read cut off
	out     []byte // what the socket did not take yet
	waiting bool   // registered for EPOLLOUT

	next  uint64 // the seq that must come
	epoch string // of the room
	// recovered is what the server said of a resume.
	recovered bool
	got       uint64 // messages received, each once

	// Of publishers only.
	acked uint64 // acks received, which is the n of the next
	idEnd string // tail of the current run's ids
	faultCounts
}

// faultCounts are what a correct server leaves at zero.
type faultCounts struct {
	Missing    uint64 `json:"missing"`
	Duplicates uint64 `json:"duplicates"`
	WrongRoom  uint64 `json:"wrong_room"`
	BadAcks    uint64 `json:"bad_acks"`
	Errors     uint64 `json:"errors"`
}

func (f *faultCounts) add(g faultCounts) {
	f.Missing += g.Missing
	f.Duplicates += g.Duplicates
	f.WrongRoom += g.WrongRoom
	f.BadAcks += g.BadAcks
	f.Errors += g.Errors
}

func (f faultCounts) any() bool { return f != faultCounts{} }

// count enters one received message. A seq that was jumped over and comes
// later counts as a duplicate too: out of order is as wrong as twice.
func (c *conn) count(seq uint64) {
	switch {
	case seq == c.next:
	case seq < c.next:
		c.Duplicates++
		return
	default:
		c.Missing += seq - c.next
	}
	c.next = seq + 1
	c.got++
}

// subscribed reads where the messages of this connection begin: behind the
// newest, or with the oldest of those that are replayed.
func (c *conn) subscribed(payload []byte) {
	c.next = numberAfter(payload, `"seq":`) + 1 - numberAfter(payload, `"replay":`)
	if _, rest, ok := bytes.Cut(payload, []byte(`"epoch":"`)); ok {
		epoch, _, _ := bytes.Cut(rest, []byte(`"`))
		c.epoch = string(epoch)
	}
	c.recovered = bytes.Contains(payload, []byte(`"recovered":true`))
}

// number reads the decimal digits at the front of b.
func number(b []byte) uint64 {
	var n uint64
	for _, ch := range b {
		d := ch - '0'
		if d > 9 {
			break
		}
		n = n*10 + uint64(d)
	}
	return n
}

// numberAfter reads the digits behind the first key in b; 0 without one.
func numberAfter(b []byte, key string) uint64 {
	i := bytes.Index(b, []byte(key))
	if i < 0 {
		return 0
	}
	return number(b[i+len(key):])
}

// roomName keeps names of one length, so that frames of all rooms have one
// size too.
func roomName(i int) string {
	s := strconv.Itoa(1000 + i)
	return "bench-" + s
}
