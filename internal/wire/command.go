package wire

import "edgegw/internal/gateway"

// CommandType is what a client asks for.
type CommandType uint8

// The commands (PROTOCOL section 4).
const (
	CommandUnknown CommandType = iota
	CommandMessage
	CommandSubscribe
	CommandUnsubscribe
	CommandPing
)

// Command is a decoded client frame. Its byte slices point into the frame and
// are good only as long as the frame is; nobody keeps them.
type Command struct {
	Type CommandType
	// Room is empty when the frame names none: the connection's default
	// room is meant.
	Room []byte
	// ID is the client's message id, or empty.
	ID []byte
	// Payload is what a message carries.
	Payload gateway.Payload
}

// DecodeText reads a text frame of the json format. A JSON object with a string
// member "type" is a command; anything else is a message that carries the text
// as it stands. It returns CodeInvalidRequest for a command that is malformed;
// Room and ID are then set as far as they could be read, for the error frame.
//
// The frame has to be valid UTF-8. Sixteen bytes of command cost no allocation.
func DecodeText(frame []byte) (Command, error) {
	var m members
	switch object := m.read(frame); {
	case object && len(m.typ) > 0 && m.typ[0] == '"':
		return m.command()
	case !object && nestedTooDeep(frame):
		return Command{}, gateway.Errorf(gateway.CodeInvalidRequest, "JSON nested deeper than %d is refused", maxDepth)
	}
	return Command{Type: CommandMessage, Payload: gateway.Payload{Kind: gateway.PayloadText, Bytes: frame}}, nil
}

func (m *members) command() (Command, error) {
	var c Command
	var err error
	if c.Room, err = shortString("room", m.room, gateway.MaxRoomIDBytes); err != nil {
		return c, err
	}
	if c.ID, err = shortString("id", m.id, gateway.MaxMessageIDBytes); err != nil {
		return c, err
	}
	if m.room != nil && !gateway.ValidRoomID(c.Room) {
		c.Room = nil
		return c, gateway.Errorf(gateway.CodeInvalidRequest, "room is not a room id")
	}
	if m.duplicate != "" {
		return c, gateway.Errorf(gateway.CodeInvalidRequest, "member %q is given twice", m.duplicate)
	}
	switch string(stringToken(m.typ)) {
	case "message":
		if m.data == nil {
			return c, gateway.Errorf(gateway.CodeInvalidRequest, "a message needs the member data")
		}
		c.Type = CommandMessage
		c.Payload = gateway.Payload{Kind: gateway.PayloadJSON, Bytes: m.data}
	case "subscribe", "unsubscribe":
		if m.room == nil {
			return c, gateway.Errorf(gateway.CodeInvalidRequest, "the member room is missing")
		}
		c.Type = CommandSubscribe
		if string(stringToken(m.typ)) == "unsubscribe" {
			c.Type = CommandUnsubscribe
		}
	case "ping":
		c.Type = CommandPing
	default:
		return c, gateway.Errorf(gateway.CodeInvalidRequest,
			"the frame's type is unknown; use message, subscribe, unsubscribe or ping")
	}
	return c, nil
}

func shortString(name string, token []byte, most int) ([]byte, error) {
	if token == nil {
		return nil, nil
	}
	if token[0] != '"' {
		return nil, gateway.Errorf(gateway.CodeInvalidRequest, "%s has to be a string", name)
	}
	s := stringToken(token)
	if len(s) == 0 || len(s) > most {
		return nil, gateway.Errorf(gateway.CodeInvalidRequest, "%s has 1 to %d bytes", name, most)
	}
	return s, nil
}

// members are the raw values of a command's members; nil where one is missing.
type members struct {
	typ, room, id, data []byte
	duplicate           string
}

// read reports whether frame is one JSON object, and notes its known members.
func (m *members) read(frame []byte) bool {
	i := skipSpace(frame, 0)
	if i >= len(frame) || frame[i] != '{' {
		return false
	}
	i = skipSpace(frame, i+1)
	if i < len(frame) && frame[i] == '}' {
		return skipSpace(frame, i+1) == len(frame)
	}
	for ok := true; ; {
		start := i
		if i, ok = skipString(frame, i); !ok {
			return false
		}
		key := frame[start:i]
		i = skipSpace(frame, i)
		if i >= len(frame) || frame[i] != ':' {
			return false
		}
		start = skipSpace(frame, i+1)
		if i, ok = skipValue(frame, start); !ok {
			return false
		}
		m.note(key, frame[start:i])
		i = skipSpace(frame, i)
		switch {
		case i >= len(frame):
			return false
		case frame[i] == '}':
			return skipSpace(frame, i+1) == len(frame)
		case frame[i] != ',':
			return false
		}
		i = skipSpace(frame, i+1)
	}
}

func (m *members) note(key, value []byte) {
	var field *[]byte
	var name string
	switch string(stringToken(key)) {
	case "type":
		field, name = &m.typ, "type"
	case "room":
		field, name = &m.room, "room"
	case "id":
		field, name = &m.id, "id"
	case "data":
		field, name = &m.data, "data"
	default:
		return
	}
	if *field != nil {
		m.duplicate = name
		return
	}
	*field = value
}
