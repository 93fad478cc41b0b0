package wire_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// depth is how deeply valid JSON is nested.
func depth(b []byte) int {
	deepest, now := 0, 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			for i++; b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		case '[', '{':
			now++
			deepest = max(deepest, now)
		case ']', '}':
			now--
		}
	}
	return deepest
}

// isString reports whether encoding/json reads raw as a string, and which.
func isString(raw json.RawMessage) (string, bool) {
	var s string
	ok := len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &s) == nil
	return s, ok
}

func FuzzValidJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,-0.5e+3,"\u00e9\\",true,null,{}]}`, `[[[]]]`, `01`, `1.`, `"\ud800"`, `[1,]`, `{"a":1,}`, ` "x" `, "\"\x00\"", "\"\xff\"", `tru`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		want := json.Valid(b)
		if want && depth(b) > 1000 {
			want = false
		}
		if got := wire.ValidJSON(b); got != want {
			t.Fatalf("ValidJSON is %v, encoding/json says %v: %q", got, want, b)
		}
	})
}

// FuzzDecodeText compares the decoder with encoding/json, and gives what it
// reads to every encoder.
func FuzzDecodeText(f *testing.F) {
	for _, s := range []string{
		`{"type":"message","data":1}`, `{"type":"message","room":"plant","id":"a1","data":{"x":[1,2]}}`, `{"type":"ping"}`,
		`{"type":"subscribe","room":"plant"}`, `{"type":"unsubscribe","room":"plant","x":[{}]}`, `{"type":"x"}`, `Hello room!`, `{"type":1}`,
		`{"\u0074ype":"m\u0065ssage","id":"\ud83d\ude00\ud83d","data":"\n"}`, `{"type":"ping","type":"ping"}`, `{"type":"message","data":01}`, ` { } `,
		`{"type":"subscribe","room":"r","after":9007199254740992,"epoch":"3.\u0061","latest":true}`, `{"type":"subscribe","room":"r","after":-0,"latest":1}`,
		`{"type":"subscribe","room":"r","epoch":"e"}`, `{"type":"typing","state":"start"}`, `{"type":"typing","state":"x","room":"r"}`, `{"type":"auth","token":"e30.e30.c2ln"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if !utf8.Valid(frame) {
			return // the frame reader has refused it
		}
		sent := bytes.Clone(frame)
		c, err := wire.DecodeText(frame)
		if !bytes.Equal(frame, sent) {
			t.Fatal("the frame was changed")
		}
		var members map[string]json.RawMessage
		object := json.Unmarshal(frame, &members) == nil && members != nil
		typ, command := isString(members["type"])
		switch {
		case err != nil:
			checkRefusal(t, frame, members, object, err)
			room, id := string(c.Room), string(c.ID)
			checkFrame(t, wire.AppendError(nil, gateway.AsError(err), c.Room, c.ID), map[string]string{"room": room, "id": id})
			return
		case !object || !command || depth(frame) > 1001:
			if c.Type != wire.CommandMessage || c.Payload.Kind != gateway.PayloadText || !bytes.Equal(c.Payload.Bytes, sent) {
				t.Fatalf("no command, and not the text as sent: %+v", c)
			}
		default:
			checkCommand(t, c, typ, members)
		}
		checkEncoders(t, c)
	})
}

// checkRefusal knows every reason to refuse a frame; encoding/json keeps the
// last of duplicate members, so they are looked for with a decoder.
func checkRefusal(t *testing.T, frame []byte, members map[string]json.RawMessage, object bool, err error) {
	if gateway.CodeOf(err) != gateway.CodeInvalidRequest {
		t.Fatalf("refused with %v", err)
	}
	if !object {
		if bytes.Count(frame, []byte("["))+bytes.Count(frame, []byte("{")) <= 1000 {
			t.Fatalf("no JSON object, and refused: %v", err)
		}
		return
	}
	if depth(frame) > 1001 || duplicate(t, frame) {
		return
	}
	typ, command := isString(members["type"])
	room, roomOK := isString(members["room"])
	id, idOK := isString(members["id"])
	_, hasRoom := members["room"]
	_, hasID := members["id"]
	roomGood := !hasRoom || roomOK && gateway.ValidRoomID([]byte(room))
	idGood := !hasID || idOK && id != "" && len(id) <= gateway.MaxMessageIDBytes
	if !command || complete(typ, members) && roomGood && idGood {
		t.Fatalf("a good frame was refused: %v", err)
	}
}

// complete reports whether a command has what its type needs.
func complete(typ string, members map[string]json.RawMessage) bool {
	_, hasRoom := members["room"]
	_, hasData := members["data"]
	_, hasToken := isString(members["token"])
	state, _ := isString(members["state"])
	switch typ {
	case "message":
		return hasData
	case "subscribe":
		_, ok := resumeOf(members)
		return hasRoom && ok
	case "unsubscribe":
		return hasRoom
	case "typing":
		return state == "start" || state == "stop"
	case "auth":
		return hasToken
	}
	return typ == "ping"
}

// duplicate reports whether a member that commands know is given twice.
func duplicate(t *testing.T, frame []byte) bool {
	d := json.NewDecoder(bytes.NewReader(frame))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]int)
	for d.More() {
		key, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		seen[key.(string)]++
		var skip json.RawMessage
		if err := d.Decode(&skip); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"type", "room", "id", "data", "after", "epoch", "latest", "state", "token"} {
		if seen[name] > 1 {
			return true
		}
	}
	return false
}

func checkCommand(t *testing.T, c wire.Command, typ string, members map[string]json.RawMessage) {
	want := map[string]wire.CommandType{
		"message": wire.CommandMessage, "subscribe": wire.CommandSubscribe,
		"unsubscribe": wire.CommandUnsubscribe, "ping": wire.CommandPing, "typing": wire.CommandTyping, "auth": wire.CommandAuth,
	}[typ]
	if want == wire.CommandUnknown || c.Type != want || !complete(typ, members) {
		t.Fatalf("type %q was read as %d", typ, c.Type)
	}
	room, _ := isString(members["room"])
	id, _ := isString(members["id"])
	if string(c.Room) != room || string(c.ID) != id {
		t.Fatalf("room %q and id %q were read as %q and %q", room, id, c.Room, c.ID)
	}
	resume, _ := resumeOf(members)
	token, _ := isString(members["token"])
	state, _ := isString(members["state"])
	switch {
	case c.Type == wire.CommandMessage && !bytes.Equal(c.Payload.Bytes, members["data"]):
		t.Fatalf("data %s was read as %s", members["data"], c.Payload.Bytes)
	case c.Type == wire.CommandSubscribe && c.Resume != resume:
		t.Fatalf("%s was read as %+v", members, c.Resume)
	case c.Type == wire.CommandAuth && string(c.Token) != token:
		t.Fatalf("token %q was read as %q", token, c.Token)
	case c.Type == wire.CommandTyping && c.Start != (state == "start"):
		t.Fatalf("state %q was read as %v", state, c.Start)
	}
}

// checkFrame opens a text frame and compares members, left out where empty.
func checkFrame(t *testing.T, frame []byte, want map[string]string) {
	payload := text(t, frame)
	if !utf8.ValidString(payload) {
		t.Fatalf("no UTF-8: %q", payload)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(payload), &got); err != nil {
		t.Fatalf("%v: %s", err, payload)
	}
	for name, value := range want {
		if s, _ := got[name].(string); s != value {
			t.Fatalf("%s is %q, want %q: %s", name, s, value, payload)
		}
	}
}

func checkEncoders(t *testing.T, c wire.Command) {
	if c.Type != wire.CommandMessage {
		return
	}
	m := gateway.Message{Seq: 1, TS: 2, User: "ann", ID: gateway.MessageID(c.ID), Payload: c.Payload}
	frame := wire.AppendMessage(nil, "lobby", &m)
	checkFrame(t, frame, map[string]string{"type": "message", "room": "lobby", "id": string(c.ID)})
	var got struct{ Data json.RawMessage }
	if err := json.Unmarshal([]byte(text(t, frame)), &got); err != nil {
		t.Fatal(err)
	}
	s, quoted := isString(got.Data)
	if c.Payload.Kind == gateway.PayloadText && s != string(c.Payload.Bytes) ||
		c.Payload.Kind == gateway.PayloadJSON && !bytes.Equal(got.Data, c.Payload.Bytes) {
		t.Fatalf("sent %q, came back as %s", c.Payload.Bytes, got.Data)
	}
	op, raw := open(t, wire.AppendRawMessage(nil, &m))
	if want := string(c.Payload.Bytes); op != wire.OpText || string(raw) != want && !(quoted && string(raw) == s) {
		t.Fatalf("sent %q, came back raw as opcode %#x %q", want, op, raw)
	}
	if history := wire.AppendHistoryMessage(nil, &m); !json.Valid(history) {
		t.Fatalf("no JSON: %s", history)
	}
	checkFrame(t, wire.AppendAck(nil, wire.Ack{ID: m.ID, Room: "lobby", Seq: 1}), map[string]string{"id": string(c.ID), "room": "lobby"})

	m.Payload.Kind = gateway.PayloadBinary
	checkFrame(t, wire.AppendMessage(nil, "lobby", &m), map[string]string{
		"encoding": "base64", "data": base64.StdEncoding.EncodeToString(m.Payload.Bytes),
	})
}
