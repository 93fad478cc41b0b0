package client

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strconv"
)

// incoming has the members of all frames that a gateway sends (PROTOCOL section
// 5). What a frame does not have is zero.
type incoming struct {
	Type            string          `json:"type"`
	Protocol        int             `json:"protocol"`
	User            string          `json:"user"`
	Role            string          `json:"role"`
	Room            string          `json:"room"`
	Connection      string          `json:"connection"`
	Session         string          `json:"session"`
	ServerTime      int64           `json:"server_time"`
	Clock           string          `json:"clock"`
	ExpiresIn       int64           `json:"expires_in"`
	PingInterval    int64           `json:"ping_interval"`
	MaxMessageBytes int             `json:"max_message_bytes"`
	Epoch           string          `json:"epoch"`
	Seq             uint64          `json:"seq"`
	Recovered       *bool           `json:"recovered"`
	Replay          *uint64         `json:"replay"`
	From            uint64          `json:"from"`
	To              uint64          `json:"to"`
	TS              int64           `json:"ts"`
	ID              string          `json:"id"`
	Encoding        string          `json:"encoding"`
	Data            json.RawMessage `json:"data"`
	Durability      string          `json:"durability"`
	Reason          string          `json:"reason"`
	State           string          `json:"state"`
	Event           string          `json:"event"`
	Count           int             `json:"count"`
	Code            string          `json:"code"`
	Message         string          `json:"message"`
	RetryAfterMS    int64           `json:"retry_after_ms"`
}

// command is a frame to the gateway (PROTOCOL section 4).
type command struct {
	Type   string  `json:"type"`
	Room   string  `json:"room,omitempty"`
	ID     string  `json:"id,omitempty"`
	State  string  `json:"state,omitempty"`
	After  *uint64 `json:"after,omitempty"`
	Epoch  string  `json:"epoch,omitempty"`
	Latest bool    `json:"latest,omitempty"`
	Token  string  `json:"token,omitempty"`
}

func (c command) encode() []byte {
	b, err := marshal(c)
	if err != nil {
		panic("client: " + err.Error()) // strings and numbers can be encoded
	}
	return b
}

// encodeMessage is the message command. The data is put in as it is: JSON that
// goes through an encoder does not come out the same.
func encodeMessage(room, id string, data json.RawMessage) []byte {
	b := command{Type: "message", Room: room, ID: id}.encode()
	b = append(b[:len(b)-1], `,"data":`...)
	return append(append(b, data...), '}')
}

// marshal is json.Marshal without escapes that only HTML needs.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// resume is what a client has of a room when it comes.
type resume struct {
	after  *uint64
	epoch  string
	latest bool
}

func (r resume) command(room string) command {
	return command{Type: "subscribe", Room: room, After: r.after, Epoch: r.epoch, Latest: r.latest}
}

// addTo is the resume in the query of /ws (PROTOCOL section 2).
func (r resume) addTo(q url.Values) {
	if r.after != nil {
		q.Set("after", strconv.FormatUint(*r.after, 10))
	}
	if r.epoch != "" {
		q.Set("epoch", r.epoch)
	}
	if r.latest {
		q.Set("latest", "1")
	}
}
