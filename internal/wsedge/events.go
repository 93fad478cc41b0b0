package wsedge

import (
	"errors"

	"github.com/lxzan/gws"

	"edgegw/internal/wire"
)

// events hands what gws reads to the session. It runs on the reader's
// goroutine; message bytes are pooled and belong to gws again when OnMessage
// returns.
type events struct{}

func connOf(ws *gws.Conn) *conn { return ws.NetConn().(*conn) }

func (events) OnOpen(*gws.Conn) {}

// OnClose notes the peer's close code, if it sent one.
func (events) OnClose(ws *gws.Conn, err error) {
	var closed *gws.CloseError
	if errors.As(err, &closed) {
		c := connOf(ws)
		if c.peerCode = closed.Code; c.peerCode == 0 {
			c.peerCode = uint16(wire.CloseNoStatus)
		}
	}
}

func (events) OnPing(ws *gws.Conn, payload []byte) {
	connOf(ws).session.Control(wire.OpPong, payload)
}

func (events) OnPong(ws *gws.Conn, _ []byte) { connOf(ws).session.Pong() }

func (events) OnMessage(ws *gws.Conn, m *gws.Message) {
	c := connOf(ws)
	if !c.ending.Load() {
		if m.Opcode == gws.OpcodeBinary {
			c.session.Binary(m.Bytes())
		} else {
			c.session.Text(m.Bytes())
		}
	}
	_ = m.Close()
}

// noStorage stands in for a map that gws would make for every connection and
// that nobody here uses.
type noStorage struct{}

func (noStorage) Len() int                     { return 0 }
func (noStorage) Load(string) (any, bool)      { return nil, false }
func (noStorage) Delete(string)                {}
func (noStorage) Store(string, any)            {}
func (noStorage) Range(func(string, any) bool) {}

// quiet keeps gws from writing to the standard log; what went wrong with a
// connection is told by its close code and our own lines.
type quiet struct{}

func (quiet) Error(...any) {}
