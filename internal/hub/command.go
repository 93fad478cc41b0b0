package hub

import (
	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// Text takes a text frame. The bytes belong to the caller again when it
// returns.
func (s *Session) Text(frame []byte) {
	if !s.allow() {
		return
	}
	if s.raw {
		s.finish(wire.Command{}, s.publishCommand(rawCommand(gateway.PayloadText, frame)))
		return
	}
	c, err := wire.DecodeText(frame)
	if err == nil {
		err = s.run(c)
	}
	s.finish(c, err)
}

// Binary takes a binary frame, which is a message in either format.
func (s *Session) Binary(frame []byte) {
	if !s.allow() {
		return
	}
	s.finish(wire.Command{}, s.publishCommand(rawCommand(gateway.PayloadBinary, frame)))
}

func rawCommand(kind gateway.PayloadKind, frame []byte) wire.Command {
	return wire.Command{Type: wire.CommandMessage, Payload: gateway.Payload{Kind: kind, Bytes: frame}}
}

func (s *Session) run(c wire.Command) error {
	switch c.Type {
	case wire.CommandMessage:
		return s.publishCommand(c)
	case wire.CommandSubscribe:
		return s.subscribeCommand(c)
	case wire.CommandUnsubscribe:
		s.unsubscribeCommand(c)
	case wire.CommandTyping:
		return s.typingCommand(c)
	case wire.CommandAuth:
		return s.authCommand(c)
	case wire.CommandPing:
		s.send(wire.AppendPong(nil))
	}
	return nil
}

// finish answers a failed command: with an error frame, or in the raw format,
// which has none, by closing.
func (s *Session) finish(c wire.Command, err error) {
	if err == nil {
		return
	}
	e := gateway.AsError(err)
	if e.Code == gateway.CodeInternal {
		s.hub.logError(s, e)
	}
	if s.raw {
		s.Abort(wire.CloseFor(e.Code))
		return
	}
	s.send(wire.AppendError(nil, e, c.Room, c.ID))
}
