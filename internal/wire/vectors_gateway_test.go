package wire_test

import (
	"encoding/json"
	"testing"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// gatewayMembers are the members of all frames that the gateway sends.
type gatewayMembers struct {
	Type            string              `json:"type"`
	Protocol        int                 `json:"protocol"`
	User            gateway.AccountName `json:"user"`
	Role            gateway.Role        `json:"role"`
	Room            gateway.RoomID      `json:"room"`
	Connection      string              `json:"connection"`
	Session         string              `json:"session"`
	ServerTime      gateway.Timestamp   `json:"server_time"`
	Clock           string              `json:"clock"`
	ExpiresIn       int64               `json:"expires_in"`
	PingInterval    int64               `json:"ping_interval"`
	MaxMessageBytes int                 `json:"max_message_bytes"`

	Epoch     gateway.Epoch      `json:"epoch"`
	Seq       gateway.Seq        `json:"seq"`
	Recovered *bool              `json:"recovered"`
	Replay    *uint64            `json:"replay"`
	From      gateway.Seq        `json:"from"`
	To        gateway.Seq        `json:"to"`
	TS        gateway.Timestamp  `json:"ts"`
	ID        gateway.MessageID  `json:"id"`
	Encoding  string             `json:"encoding"`
	Data      json.RawMessage    `json:"data"`
	Durable   gateway.Durability `json:"durability"`
	Reason    string             `json:"reason"`

	State        string       `json:"state"`
	Event        string       `json:"event"`
	Count        int          `json:"count"`
	Code         gateway.Code `json:"code"`
	Message      string       `json:"message"`
	RetryAfterMS int64        `json:"retry_after_ms"`
}

type gatewayFrame struct {
	Name      string          `json:"name"`
	Frame     string          `json:"frame"`
	Members   json.RawMessage `json:"members"`
	Published *published      `json:"published"`
	Raw       *published      `json:"raw"`
	ClosesRaw wire.CloseCode  `json:"closes_raw"`
}

// encode makes the frame that has the members.
func (m *gatewayMembers) encode(t *testing.T, p *published) []byte {
	t.Helper()
	seconds := func(n int64) time.Duration { return time.Duration(n) * time.Second }
	switch m.Type {
	case "welcome":
		return wire.AppendWelcome(nil, wire.Welcome{
			User: m.User, Role: m.Role, Room: m.Room, Connection: m.Connection, Session: m.Session,
			ServerTime: m.ServerTime, Clock: m.Clock, ExpiresIn: seconds(m.ExpiresIn),
			PingInterval: seconds(m.PingInterval), MaxMessageBytes: m.MaxMessageBytes,
		})
	case "subscribed":
		return wire.AppendSubscribed(nil, m.subscribed())
	case "message":
		return wire.AppendMessage(nil, m.Room, m.message(p.payload(t)))
	case "ack":
		return wire.AppendAck(nil, wire.Ack{ID: m.ID, Room: m.Room, Seq: m.Seq, TS: m.TS, Durability: m.Durable})
	case "gap":
		return wire.AppendGap(nil, m.Room, m.From, m.To, m.Reason)
	case "unsubscribed":
		return wire.AppendUnsubscribed(nil, m.Room, m.Reason)
	case "typing":
		return wire.AppendTyping(nil, m.Room, m.User, m.State == "start")
	case "presence":
		return wire.AppendPresence(nil, m.Room, m.User, m.Event == "join", m.Count)
	case "token_expiring":
		return wire.AppendTokenExpiring(nil, seconds(m.ExpiresIn))
	case "auth_ok":
		return wire.AppendAuthOK(nil, seconds(m.ExpiresIn))
	case "pong":
		return wire.AppendPong(nil)
	case "error":
		err := &gateway.Error{Code: m.Code, Message: m.Message, RetryAfter: time.Duration(m.RetryAfterMS) * time.Millisecond}
		return wire.AppendError(nil, err, []byte(m.Room), []byte(m.ID))
	}
	t.Fatalf("there is no frame %q", m.Type)
	return nil
}

func (m *gatewayMembers) subscribed() wire.Subscribed {
	s := wire.Subscribed{Room: m.Room, Epoch: m.Epoch, Seq: m.Seq, From: m.From}
	switch {
	case m.Recovered == nil:
	case *m.Recovered:
		s.Recovery = wire.Recovered
	default:
		s.Recovery = wire.NotRecovered
	}
	if m.Replay != nil {
		s.Replay, s.HasReplay = *m.Replay, true
	}
	return s
}

func (m *gatewayMembers) message(p gateway.Payload) *gateway.Message {
	return &gateway.Message{Seq: m.Seq, TS: m.TS, User: m.User, ID: m.ID, Payload: p}
}

// memberTable is the table of PROTOCOL section 5: the frames, and their members
// less type; a question mark stands behind those that may be missing.
var memberTable = map[string]string{
	"welcome":        "protocol user role room connection session? server_time clock expires_in ping_interval max_message_bytes",
	"subscribed":     "room epoch seq recovered? replay? from?",
	"message":        "room seq ts user id? encoding? data",
	"ack":            "id room seq ts durability",
	"gap":            "room from to reason",
	"unsubscribed":   "room reason",
	"typing":         "room user state",
	"presence":       "room user event count",
	"token_expiring": "expires_in",
	"auth_ok":        "expires_in",
	"pong":           "",
	"error":          "code message room? id? retry_after_ms?",
}

func TestGatewayFrameVectors(t *testing.T) {
	covered := make(map[string]bool)
	for _, c := range vectors[gatewayFrame](t, "gateway-frames.json") {
		t.Run(c.Name, func(t *testing.T) {
			m := checkGatewayFrame(t, c)
			covered[m.Type] = true
			if m.Type != "message" {
				return
			}
			want, opcode := c.Raw.payload(t), wire.OpText
			if want.Kind == gateway.PayloadBinary {
				opcode = wire.OpBinary
			}
			op, raw := open(t, wire.AppendRawMessage(nil, m.message(c.Published.payload(t))))
			if op != opcode || string(raw) != string(want.Bytes) {
				t.Errorf("raw it is opcode %#x %q, want %#x %q", op, raw, opcode, want.Bytes)
			}
		})
	}
	for typ := range memberTable {
		if !covered[typ] && typ != "error" {
			t.Errorf("the frame %s has no vector", typ)
		}
	}
}

func checkGatewayFrame(t *testing.T, c gatewayFrame) *gatewayMembers {
	t.Helper()
	var m gatewayMembers
	strictly(t, c.Name, c.Members, &m)
	if got := text(t, m.encode(t, c.Published)); got != c.Frame {
		t.Errorf("the gateway sends\n%s\nwant\n%s", got, c.Frame)
	}
	if !sameJSON(t, []byte(c.Frame), c.Members) {
		t.Errorf("a client does not read %s\nin %s", c.Members, c.Frame)
	}
	isMessage := m.Type == "message"
	if isMessage != (c.Published != nil) || isMessage != (c.Raw != nil) || (m.Type == "error") != (c.ClosesRaw != 0) {
		t.Error("published and raw are a message's, closes_raw is an error's")
	}
	return &m
}

func TestErrorVectors(t *testing.T) {
	covered := make(map[gateway.Code]bool)
	for _, c := range vectors[gatewayFrame](t, "errors.json") {
		t.Run(c.Name, func(t *testing.T) {
			m := checkGatewayFrame(t, c)
			covered[m.Code] = true
			if m.Type != "error" || wire.CloseFor(m.Code) != c.ClosesRaw {
				t.Errorf("the %s %s closes raw connections with %d, want %d", m.Type, m.Code, wire.CloseFor(m.Code), c.ClosesRaw)
			}
		})
	}
	for _, code := range gateway.Codes {
		if !covered[code] {
			t.Errorf("the error %s has no vector", code)
		}
		delete(covered, code)
	}
	if len(covered) > 0 {
		t.Errorf("there are no errors %v", covered)
	}
}
