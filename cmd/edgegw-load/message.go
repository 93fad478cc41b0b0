package main

import (
	"bytes"
	"strconv"
)

// text enters one text frame into the ledger.
func (l *loop) text(c *conn, payload []byte, at int64) {
	if seq, ok := c.room.match(payload); ok {
		l.received++
		c.count(seq)
		l.onMessage(c, payload, at)
		return
	}
	l.otherText(c, payload, at)
}

// otherText handles the frames that are rare enough to be searched through,
// and messages whose members come in another order.
func (l *loop) otherText(c *conn, payload []byte, at int64) {
	switch {
	case hasType(payload, "ack"):
		l.ack(c, payload, at)
	case hasType(payload, "message"):
		if !bytes.Contains(payload, []byte(`"room":"`+c.room.name+`"`)) {
			c.WrongRoom++
			return
		}
		l.received++
		c.count(numberAfter(payload, `"seq":`))
		l.onMessage(c, payload, at)
	case hasType(payload, "error"), hasType(payload, "gap"), hasType(payload, "unsubscribed"):
		c.Errors++
		if l.refusal == "" {
			l.refusal = string(payload)
		}
	default:
		l.skipped++
	}
}

// ack checks that acks come in the order of the publishes and each once.
func (l *loop) ack(c *conn, payload []byte, at int64) {
	if numberAfter(payload, `"id":"`) != c.acked || !bytes.Contains(payload, []byte(c.idEnd)) {
		c.BadAcks++
	}
	c.acked++
	l.onAck(c, at)
}

func hasType(payload []byte, name string) bool {
	return bytes.Contains(payload[:min(len(payload), 64)], []byte(`"type":"`+name+`"`))
}

// encoder makes publishes. What edgegw wraps into an envelope the baseline
// gets as the finished envelope, so that both deliver frames of one size and
// one shape.
type encoder struct {
	target string
	user   string
	// pad is added to each message's data, in bytes.
	pad int
	b   []byte
}

// publish queues one message on c; l.flush sends it. sent is the Unix time in
// nanoseconds that the message carries. An id asks for an ack.
func (e *encoder) publish(c *conn, sent int64, withID bool) {
	n := c.room.published
	c.room.published++
	e.b = e.b[:0]
	if e.target == targetBare {
		e.b = append(e.b, c.room.prefix...)
		e.b = strconv.AppendUint(e.b, n+1, 10)
		e.b = append(e.b, `,"ts":`...)
		e.b = strconv.AppendInt(e.b, sent/1e6, 10)
		e.b = append(append(append(e.b, `,"user":"`...), e.user...), '"')
	} else {
		e.b = append(e.b, `{"type":"message"`...)
	}
	if withID {
		e.b = append(e.b, `,"id":"`...)
		e.b = strconv.AppendUint(e.b, n, 10)
		e.b = append(e.b, c.idEnd...)
	}
	e.b = append(e.b, `,"data":{"t":`...)
	e.b = strconv.AppendInt(e.b, sent, 10)
	if e.pad > 0 {
		e.b = append(e.b, `,"pad":"`...)
		for range e.pad {
			e.b = append(e.b, 'x')
		}
		e.b = append(e.b, '"')
	}
	e.b = append(e.b, `,"v":21.53,"unit":"celsius"}}`...)
	c.out = appendClientFrame(c.out, opText, e.b)
}
