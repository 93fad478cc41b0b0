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
	CommandTyping
	CommandAuth
)

// Command is a decoded client frame. Its byte slices point into the frame and
// are good only as long as the frame is; nobody keeps them.
type Command struct {
	Type CommandType
	// Start tells the beginning of typing from its end.
	Start bool
	// Room is empty when the frame names none: the connection's default
	// room is meant.
	Room []byte
	// ID is the client's message id, or empty.
	ID []byte
	// Payload is what a message carries.
	Payload gateway.Payload
	// Resume is what a subscribe asks for beside the room.
	Resume Resume
	// Token is what an auth carries, of any length; it was not looked at.
	Token []byte
}

// DecodeText reads a text frame of the json format. A JSON object with a string
// member "type" is a command; anything else is a message that carries the text
// as it stands. It returns CodeInvalidRequest for a command that is malformed;
// Room and ID are then set as far as they could be read, for the error frame.
//
// The frame has to be valid UTF-8. Sixteen bytes of command cost no allocation.
func DecodeText(frame []byte) (Command, error) {
	var m members
	typ := &m.values[memberType]
	switch object := m.read(frame); {
	case object && len(*typ) > 0 && (*typ)[0] == '"':
		return m.command()
	case !object && nestedTooDeep(frame):
		return Command{}, gateway.Errorf(gateway.CodeInvalidRequest, "JSON nested deeper than %d is refused", maxDepth)
	}
	return Command{Type: CommandMessage, Payload: gateway.Payload{Kind: gateway.PayloadText, Bytes: frame}}, nil
}

func (m *members) command() (Command, error) {
	var c Command
	var err error
	if c.Room, err = shortString("room", m.values[memberRoom], gateway.MaxRoomIDBytes); err != nil {
		return c, err
	}
	if c.ID, err = shortString("id", m.values[memberID], gateway.MaxMessageIDBytes); err != nil {
		return c, err
	}
	if c.Room != nil && !gateway.ValidRoomID(c.Room) {
		c.Room = nil
		return c, gateway.Errorf(gateway.CodeInvalidRequest, "room is not a room id")
	}
	if err = m.once(everyCommand...); err != nil {
		return c, err
	}
	switch string(stringToken(m.values[memberType])) {
	case "message":
		err = c.message(m)
	case "subscribe":
		err = c.subscribe(m)
	case "unsubscribe":
		c.Type = CommandUnsubscribe
		err = m.needRoom()
	case "typing":
		err = c.typing(m)
	case "auth":
		err = c.auth(m)
	case "ping":
		c.Type = CommandPing
	default:
		err = gateway.Errorf(gateway.CodeInvalidRequest,
			"the frame's type is unknown; use message, typing, subscribe, unsubscribe, auth or ping")
	}
	return c, err
}

func (c *Command) message(m *members) error {
	c.Type = CommandMessage
	if m.values[memberData] == nil {
		return gateway.Errorf(gateway.CodeInvalidRequest, "a message needs the member data")
	}
	c.Payload = gateway.Payload{Kind: gateway.PayloadJSON, Bytes: m.values[memberData]}
	return nil
}

func (c *Command) subscribe(m *members) error {
	c.Type = CommandSubscribe
	if err := m.needRoom(); err != nil {
		return err
	}
	err := m.once(memberAfter, memberEpoch, memberLatest)
	if err == nil {
		c.Resume, err = m.resume()
	}
	return err
}

func (c *Command) typing(m *members) error {
	c.Type = CommandTyping
	if err := m.once(memberState); err != nil {
		return err
	}
	if state := m.values[memberState]; len(state) > 0 && state[0] == '"' {
		switch string(stringToken(state)) {
		case typingStart:
			c.Start = true
			return nil
		case typingStop:
			return nil
		}
	}
	return gateway.Errorf(gateway.CodeInvalidRequest, "typing needs the member state: %q or %q", typingStart, typingStop)
}

// auth leaves the token to whoever verifies it, and never repeats it.
func (c *Command) auth(m *members) error {
	c.Type = CommandAuth
	if err := m.once(memberToken); err != nil {
		return err
	}
	token := m.values[memberToken]
	if len(token) == 0 || token[0] != '"' {
		return gateway.Errorf(gateway.CodeInvalidRequest, "auth needs the member token, a string")
	}
	c.Token = stringToken(token)
	return nil
}

func (m *members) needRoom() error {
	if m.values[memberRoom] == nil {
		return gateway.Errorf(gateway.CodeInvalidRequest, "the member room is missing")
	}
	return nil
}

func (m *members) once(of ...member) error {
	if name, found := m.duplicate(of...); found {
		return gateway.Errorf(gateway.CodeInvalidRequest, "member %q is given twice", name)
	}
	return nil
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
