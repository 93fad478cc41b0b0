package wire_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// refusal is the error frame that answers a bad frame.
type refusal struct {
	Code gateway.Code `json:"code"`
	Room string       `json:"room"`
	ID   string       `json:"id"`
}

type clientCommand struct {
	Type   string          `json:"type"`
	Room   string          `json:"room"`
	ID     string          `json:"id"`
	Data   json.RawMessage `json:"data"`
	After  *gateway.Seq    `json:"after"`
	Epoch  gateway.Epoch   `json:"epoch"`
	Latest bool            `json:"latest"`
	State  string          `json:"state"`
	Token  string          `json:"token"`
}

func (c *clientCommand) resume() wire.Resume {
	r := wire.Resume{Epoch: c.Epoch, Latest: c.Latest}
	if c.After != nil {
		r.After, r.HasAfter = *c.After, true
	}
	return r
}

var commandTypes = map[string]wire.CommandType{
	"message": wire.CommandMessage, "typing": wire.CommandTyping, "subscribe": wire.CommandSubscribe,
	"unsubscribe": wire.CommandUnsubscribe, "auth": wire.CommandAuth, "ping": wire.CommandPing,
}

type clientFrame struct {
	Name      string          `json:"name"`
	Odd       bool            `json:"odd"`
	Frame     *string         `json:"frame"`
	Base64    *string         `json:"base64"`
	Command   json.RawMessage `json:"command"`
	Published *published      `json:"published"`
	Error     *refusal        `json:"error"`
}

func TestClientFrameVectors(t *testing.T) {
	covered := make(map[string]bool)
	for _, c := range vectors[clientFrame](t, "client-frames.json") {
		t.Run(c.Name, func(t *testing.T) {
			if (c.Frame == nil) == (c.Base64 == nil) || (c.Error != nil) != strings.HasPrefix(c.Name, "bad ") {
				t.Fatal("the case has neither or both of two members")
			}
			if c.Base64 != nil { // a message, as it stands
				if got := c.Published.payload(t); got.Kind != gateway.PayloadBinary || *c.Published.Base64 != *c.Base64 {
					t.Errorf("%s is published as %q", *c.Base64, got.Bytes)
				}
				return
			}
			got, err := wire.DecodeText([]byte(*c.Frame))
			switch {
			case c.Error != nil:
				if gateway.CodeOf(err) != c.Error.Code || string(got.Room) != c.Error.Room || string(got.ID) != c.Error.ID {
					t.Errorf("error %v about room %q and id %q, want %+v", err, got.Room, got.ID, *c.Error)
				}
			case err != nil:
				t.Error(err)
			default:
				checkClientFrame(t, c, got)
			}
			if c.Command != nil && !c.Odd {
				covered[commandOf(t, c).Type] = true
			}
		})
	}
	for typ := range commandTypes {
		if !covered[typ] {
			t.Errorf("the command %s has no vector", typ)
		}
	}
}

func commandOf(t *testing.T, c clientFrame) *clientCommand {
	t.Helper()
	var command clientCommand
	strictly(t, c.Name, c.Command, &command)
	return &command
}

func checkClientFrame(t *testing.T, c clientFrame, got wire.Command) {
	t.Helper()
	want := wire.Command{Type: wire.CommandMessage}
	if c.Published != nil {
		want.Payload = c.Published.payload(t)
	}
	if c.Command != nil {
		cmd := commandOf(t, c)
		want.Type = commandTypes[cmd.Type]
		want.Room, want.ID, want.Token = []byte(cmd.Room), []byte(cmd.ID), []byte(cmd.Token)
		want.Resume, want.Start = cmd.resume(), cmd.State == "start"
		if (cmd.Type == "message") != (c.Published != nil) || (cmd.Type == "typing") != (cmd.State == "start" || cmd.State == "stop") {
			t.Fatal("the command does not fit itself")
		}
		if cmd.Data != nil && !sameJSON(t, cmd.Data, []byte(*c.Published.JSON)) {
			t.Errorf("data %s is published as %s", cmd.Data, *c.Published.JSON)
		}
		if !c.Odd && !sameJSON(t, c.Command, []byte(*c.Frame)) {
			t.Errorf("a client that is told %s would not send %s", c.Command, *c.Frame)
		}
	} else if c.Published == nil {
		t.Fatal("the case says nothing about the frame")
	}
	if got.Type != want.Type || !bytes.Equal(got.Room, want.Room) || !bytes.Equal(got.ID, want.ID) || !bytes.Equal(got.Token, want.Token) ||
		got.Resume != want.Resume || got.Start != want.Start ||
		got.Payload.Kind != want.Payload.Kind || !bytes.Equal(got.Payload.Bytes, want.Payload.Bytes) {
		t.Errorf("%s\nis read as %+v\nwant       %+v", *c.Frame, got, want)
	}
}

type queryCase struct {
	Name   string         `json:"name"`
	Odd    bool           `json:"odd"`
	Query  string         `json:"query"`
	Resume *clientCommand `json:"resume"`
	Error  *refusal       `json:"error"`
}

func TestQueryVectors(t *testing.T) {
	for _, c := range vectors[queryCase](t, "queries.json") {
		t.Run(c.Name, func(t *testing.T) {
			query, err := url.ParseQuery(c.Query)
			if err != nil {
				t.Fatal(err)
			}
			got, err := wire.ParseResume(query)
			switch {
			case (c.Resume == nil) == (c.Error == nil):
				t.Fatal("the case has neither or both of resume and error")
			case c.Error != nil:
				if gateway.CodeOf(err) != c.Error.Code {
					t.Errorf("error %v, want %s", err, c.Error.Code)
				}
			case err != nil || got != c.Resume.resume():
				t.Errorf("%+v, %v; want %+v", got, err, c.Resume.resume())
			}
		})
	}
}
