package wire_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

func payloadOf(kind gateway.PayloadKind, s string) gateway.Payload {
	return gateway.Payload{Kind: kind, Bytes: []byte(s)}
}

func TestAppendMessage(t *testing.T) {
	for _, c := range []struct {
		name string
		m    gateway.Message
		want string
	}{
		{"ok json object", gateway.Message{Seq: 1, TS: 2, User: "ann", Payload: payloadOf(gateway.PayloadJSON, `{"a" : [1]}`)},
			`{"type":"message","room":"plant.1","seq":1,"ts":2,"user":"ann","data":{"a" : [1]}}`},
		{"ok json null", gateway.Message{Seq: 1, User: "ann", Payload: payloadOf(gateway.PayloadJSON, `null`)},
			`{"type":"message","room":"plant.1","seq":1,"ts":0,"user":"ann","data":null}`},
		{"ok number as sent", gateway.Message{Seq: 1, User: "ann", Payload: payloadOf(gateway.PayloadJSON, `1.50e+00`)},
			`{"type":"message","room":"plant.1","seq":1,"ts":0,"user":"ann","data":1.50e+00}`},
		{"ok id", gateway.Message{Seq: 7, TS: 8, User: "ann", ID: "a\"1\n", Payload: payloadOf(gateway.PayloadJSON, `7`)},
			`{"type":"message","room":"plant.1","seq":7,"ts":8,"user":"ann","id":"a\"1\n","data":7}`},
		{"ok text", gateway.Message{Seq: 1, User: "ann", Payload: payloadOf(gateway.PayloadText, "Hello \"room\"!\\\x00é")},
			`{"type":"message","room":"plant.1","seq":1,"ts":0,"user":"ann","data":"Hello \"room\"!\\\u0000é"}`},
		{"ok empty text", gateway.Message{Seq: 1, User: "ann", Payload: payloadOf(gateway.PayloadText, "")},
			`{"type":"message","room":"plant.1","seq":1,"ts":0,"user":"ann","data":""}`},
		{"ok binary", gateway.Message{Seq: 1, User: "ann", ID: "i", Payload: payloadOf(gateway.PayloadBinary, "\xff\xfe\x00")},
			`{"type":"message","room":"plant.1","seq":1,"ts":0,"user":"ann","id":"i","encoding":"base64","data":"//4A"}`},
		{"ok padded binary", gateway.Message{Seq: 1, User: "ann", Payload: payloadOf(gateway.PayloadBinary, "x")},
			`{"type":"message","room":"plant.1","seq":1,"ts":0,"user":"ann","encoding":"base64","data":"eA=="}`},
		{"ok largest numbers", gateway.Message{Seq: math.MaxUint64, TS: math.MaxInt64, User: "a@b", Payload: payloadOf(gateway.PayloadJSON, `0`)},
			`{"type":"message","room":"plant.1","seq":18446744073709551615,"ts":9223372036854775807,"user":"a@b","data":0}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := text(t, wire.AppendMessage(nil, "plant.1", &c.m))
			if got != c.want {
				t.Errorf("frame\n %s\nwant\n %s", got, c.want)
			}
			if !json.Valid([]byte(got)) {
				t.Error("the frame is no JSON")
			}
			// A history element is the frame without type and room.
			history := string(wire.AppendHistoryMessage([]byte("[1,"), &c.m))
			if want := "[1,{" + strings.TrimPrefix(c.want, `{"type":"message","room":"plant.1",`); history != want {
				t.Errorf("history\n %s\nwant\n %s", history, want)
			}
		})
	}
}

func TestAppendRawMessage(t *testing.T) {
	for _, c := range []struct {
		name    string
		payload gateway.Payload
		op      wire.Opcode
		want    string
	}{
		{"ok text as it stands", payloadOf(gateway.PayloadText, "say \"hi\"\n"), wire.OpText, "say \"hi\"\n"},
		{"ok text that looks like JSON", payloadOf(gateway.PayloadText, `"quoted"`), wire.OpText, `"quoted"`},
		{"ok empty text", payloadOf(gateway.PayloadText, ""), wire.OpText, ""},
		{"ok binary as it stands", payloadOf(gateway.PayloadBinary, "\x00\xff"), wire.OpBinary, "\x00\xff"},
		{"ok empty binary", payloadOf(gateway.PayloadBinary, ""), wire.OpBinary, ""},
		{"ok JSON string becomes its text", payloadOf(gateway.PayloadJSON, `"a\"b\u00e9\ud83d\ude00\n"`), wire.OpText, "a\"bé😀\n"},
		{"ok plain JSON string", payloadOf(gateway.PayloadJSON, `"on"`), wire.OpText, "on"},
		{"ok empty JSON string", payloadOf(gateway.PayloadJSON, `""`), wire.OpText, ""},
		{"ok lone surrogate becomes U+FFFD", payloadOf(gateway.PayloadJSON, `"\ud800x"`), wire.OpText, "\uFFFDx"},
		{"ok JSON object as its text", payloadOf(gateway.PayloadJSON, `{"a": "b"}`), wire.OpText, `{"a": "b"}`},
		{"ok JSON number as its text", payloadOf(gateway.PayloadJSON, `-0.0`), wire.OpText, `-0.0`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := gateway.Message{Seq: 3, User: "ann", ID: "id", Payload: c.payload}
			op, got := open(t, wire.AppendRawMessage(nil, &m))
			if op != c.op || string(got) != c.want {
				t.Errorf("opcode %#x %q, want %#x %q", op, got, c.op, c.want)
			}
		})
	}
}

func TestFrames(t *testing.T) {
	refused := gateway.Errorf(gateway.CodeForbidden, "no \"grant\"")
	limited := gateway.Errorf(gateway.CodeRateLimited, "slower")
	limited.RetryAfter = 1500 * time.Millisecond
	soon := gateway.Errorf(gateway.CodeRateLimited, "slower")
	soon.RetryAfter = time.Microsecond
	secret := &gateway.Error{Code: gateway.CodeInternal, Message: "internal error", Op: "boltstore.Append", Err: limited}
	welcome := wire.Welcome{
		User: "ann", Role: gateway.RoleMember, Room: "lobby", Connection: "c-1", ServerTime: 1700000000123, Clock: "synced",
		ExpiresIn: 899*time.Second + 999*time.Millisecond, PingInterval: 25 * time.Second, MaxMessageBytes: 65536,
	}
	withSession := welcome
	withSession.Session = "s\"1"
	ack := wire.Ack{ID: "a\\1", Room: "lobby", Seq: 5, TS: 6, Durability: gateway.DurabilityFsynced}

	for _, c := range []struct{ name, got, want string }{
		{"ok welcome", text(t, wire.AppendWelcome(nil, welcome)),
			`{"type":"welcome","protocol":1,"user":"ann","role":"member","room":"lobby","connection":"c-1",` +
				`"server_time":1700000000123,"clock":"synced","expires_in":899,"ping_interval":25,"max_message_bytes":65536}`},
		{"ok welcome with session", text(t, wire.AppendWelcome(nil, withSession)),
			`{"type":"welcome","protocol":1,"user":"ann","role":"member","room":"lobby","connection":"c-1","session":"s\"1",` +
				`"server_time":1700000000123,"clock":"synced","expires_in":899,"ping_interval":25,"max_message_bytes":65536}`},
		{"ok subscribed", text(t, wire.AppendSubscribed(nil, wire.Subscribed{Room: "a:b~c", Epoch: "e\t1", Seq: 42})),
			`{"type":"subscribed","room":"a:b~c","epoch":"e\t1","seq":42}`},
		{"ok subscribed and recovered", text(t, wire.AppendSubscribed(nil, wire.Subscribed{Room: "r", Epoch: "e", Seq: 9, Recovery: wire.Recovered, Replay: 4, HasReplay: true, From: 2})),
			`{"type":"subscribed","room":"r","epoch":"e","seq":9,"recovered":true,"replay":4,"from":2}`},
		{"ok subscribed, recovered, nothing missed", text(t, wire.AppendSubscribed(nil, wire.Subscribed{Room: "r", Epoch: "e", Recovery: wire.Recovered, HasReplay: true, From: 1})),
			`{"type":"subscribed","room":"r","epoch":"e","seq":0,"recovered":true,"replay":0,"from":1}`},
		{"ok subscribed and not recovered", text(t, wire.AppendSubscribed(nil, wire.Subscribed{Room: "r", Epoch: "e", Seq: 9, Recovery: wire.NotRecovered, From: 7})),
			`{"type":"subscribed","room":"r","epoch":"e","seq":9,"recovered":false,"from":7}`},
		{"ok subscribed with replay only", text(t, wire.AppendSubscribed(nil, wire.Subscribed{Room: "r", Epoch: "e", Seq: 9, Replay: math.MaxUint64, HasReplay: true, From: math.MaxUint64})),
			`{"type":"subscribed","room":"r","epoch":"e","seq":9,"replay":18446744073709551615,"from":18446744073709551615}`},
		{"ok typing starts", text(t, wire.AppendTyping(nil, "r", "ann@x", true)), `{"type":"typing","room":"r","user":"ann@x","state":"start"}`},
		{"ok typing stops", text(t, wire.AppendTyping(nil, "r", "ann", false)), `{"type":"typing","room":"r","user":"ann","state":"stop"}`},
		{"ok presence joins", text(t, wire.AppendPresence(nil, "r", "ann", true, 3)), `{"type":"presence","room":"r","user":"ann","event":"join","count":3}`},
		{"ok presence leaves", text(t, wire.AppendPresence(nil, "r", "ann", false, 0)), `{"type":"presence","room":"r","user":"ann","event":"leave","count":0}`},
		{"ok token expiring", text(t, wire.AppendTokenExpiring(nil, 59*time.Second+999*time.Millisecond)), `{"type":"token_expiring","expires_in":59}`},
		{"ok token expired already", text(t, wire.AppendTokenExpiring(nil, -3*time.Second)), `{"type":"token_expiring","expires_in":0}`},
		{"ok auth", text(t, wire.AppendAuthOK(nil, 15*time.Minute)), `{"type":"auth_ok","expires_in":900}`},
		{"ok unsubscribed", text(t, wire.AppendUnsubscribed(nil, "lobby", "requested")),
			`{"type":"unsubscribed","room":"lobby","reason":"requested"}`},
		{"ok gap", text(t, wire.AppendGap(nil, "lobby", 3, 9, "drop_oldest")),
			`{"type":"gap","room":"lobby","from":3,"to":9,"reason":"drop_oldest"}`},
		{"ok ack", text(t, wire.AppendAck(nil, ack)),
			`{"type":"ack","id":"a\\1","room":"lobby","seq":5,"ts":6,"durability":"fsynced"}`},
		{"ok pong", text(t, wire.AppendPong(nil)), `{"type":"pong"}`},
		{"ok error", text(t, wire.AppendError(nil, refused, nil, nil)),
			`{"type":"error","code":"forbidden","message":"no \"grant\""}`},
		{"ok error with room and id", text(t, wire.AppendError(nil, refused, []byte("plant"), []byte("i\n1"))),
			`{"type":"error","code":"forbidden","message":"no \"grant\"","room":"plant","id":"i\n1"}`},
		{"ok error with retry", text(t, wire.AppendError(nil, limited, nil, []byte("7"))),
			`{"type":"error","code":"rate_limited","message":"slower","id":"7","retry_after_ms":1500}`},
		{"ok retry is never 0", text(t, wire.AppendError(nil, soon, nil, nil)),
			`{"type":"error","code":"rate_limited","message":"slower","retry_after_ms":1}`},
		{"ok error keeps its cause to itself", text(t, wire.AppendError(nil, secret, nil, nil)),
			`{"type":"error","code":"internal","message":"internal error"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.got != c.want {
				t.Errorf("frame\n %s\nwant\n %s", c.got, c.want)
			}
			if !json.Valid([]byte(c.got)) {
				t.Error("the frame is no JSON")
			}
		})
	}
}

func TestParseFormat(t *testing.T) {
	for in, want := range map[string]wire.Format{"": wire.FormatJSON, "json": wire.FormatJSON, "raw": wire.FormatRaw} {
		if got, err := wire.ParseFormat(in); err != nil || got != want {
			t.Errorf("ParseFormat(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"JSON", "xml", "raw ", "json,raw"} {
		if _, err := wire.ParseFormat(in); gateway.CodeOf(err) != gateway.CodeInvalidRequest {
			t.Errorf("ParseFormat(%q): %v, want invalid_request", in, err)
		}
	}
}
