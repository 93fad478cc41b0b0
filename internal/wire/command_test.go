package wire_test

import (
	"strings"
	"testing"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// nest puts inner into n brackets.
func nest(n int, inner string) string {
	return strings.Repeat("[", n) + inner + strings.Repeat("]", n)
}

func TestDecodeTextCommands(t *testing.T) {
	long := strings.Repeat("r", gateway.MaxRoomIDBytes)
	for _, c := range []struct {
		name, frame    string
		typ            wire.CommandType
		room, id, data string
	}{
		{"ok message", `{"type":"message","data":1}`, wire.CommandMessage, "", "", `1`},
		{"ok message with all", `{"type":"message","room":"plant","id":"a1","data":{"x": [1, 2]}}`, wire.CommandMessage, "plant", "a1", `{"x": [1, 2]}`},
		{"ok any order", `{"data":"d","id":"i","room":"r","type":"message"}`, wire.CommandMessage, "r", "i", `"d"`},
		{"ok space everywhere", " \t\r\n{ \"type\" : \"message\" ,\n\"data\" :\t[ 1 , 2 ] } \n", wire.CommandMessage, "", "", `[ 1 , 2 ]`},
		{"ok data null", `{"type":"message","data":null}`, wire.CommandMessage, "", "", `null`},
		{"ok data true", `{"type":"message","data":true}`, wire.CommandMessage, "", "", `true`},
		{"ok data empty object", `{"type":"message","data":{ }}`, wire.CommandMessage, "", "", `{ }`},
		{"ok data empty array", `{"type":"message","data":[]}`, wire.CommandMessage, "", "", `[]`},
		{"ok data kept as sent", `{"type":"message","data":"\u00e9\/"}`, wire.CommandMessage, "", "", `"\u00e9\/"`},
		{"ok numbers kept as sent", `{"type":"message","data":[0,-0,1.0,1e5,1E+2,-1.25e-7,12345678901234567890]}`, wire.CommandMessage, "", "", `[0,-0,1.0,1e5,1E+2,-1.25e-7,12345678901234567890]`},
		{"ok members of other commands", `{"type":"message","after":-1,"after":-1,"epoch":5,"latest":7,"state":0,"state":0,"token":{},"token":{},"data":2}`, wire.CommandMessage, "", "", `2`},
		{"ok unknown members", `{"x":{"type":"ping"},"type":"message","after":5,"data":2,"y":[{"room":5}],"":0}`, wire.CommandMessage, "", "", `2`},
		{"ok duplicates inside data", `{"type":"message","data":{"type":1,"type":2}}`, wire.CommandMessage, "", "", `{"type":1,"type":2}`},
		{"ok duplicate unknown members", `{"type":"ping","x":1,"x":2}`, wire.CommandPing, "", "", ``},
		{"ok case counts", `{"type":"ping","Type":"message","ROOM":5,"Data":1}`, wire.CommandPing, "", "", ``},
		{"ok escaped key", `{"\u0074ype":"ping"}`, wire.CommandPing, "", "", ``},
		{"ok escaped type", `{"type":"\u0070\u0069ng"}`, wire.CommandPing, "", "", ``},
		{"ok escaped room", `{"type":"subscribe","room":"pl\u0061nt"}`, wire.CommandSubscribe, "plant", "", ``},
		{"ok escaped id", `{"type":"message","id":"\u00e9\"\\\/\b\f\n\r\t","data":0}`, wire.CommandMessage, "", "é\"\\/\b\f\n\r\t", `0`},
		{"ok surrogate pair", `{"type":"message","id":"\ud83d\ude00","data":0}`, wire.CommandMessage, "", "😀", `0`},
		{"ok surrogate pair in capitals", `{"type":"message","id":"\uD83D\uDE00","data":0}`, wire.CommandMessage, "", "😀", `0`},
		{"ok lone high surrogate", `{"type":"message","id":"\ud83d","data":0}`, wire.CommandMessage, "", "\uFFFD", `0`},
		{"ok lone low surrogate", `{"type":"message","id":"\ude00x","data":0}`, wire.CommandMessage, "", "\uFFFDx", `0`},
		{"ok two high surrogates", `{"type":"message","id":"\ud83d\ud83d","data":0}`, wire.CommandMessage, "", "\uFFFD\uFFFD", `0`},
		{"ok high surrogate before escape", `{"type":"message","id":"\ud83d\n","data":0}`, wire.CommandMessage, "", "\uFFFD\n", `0`},
		{"ok high surrogate before pair", `{"type":"message","id":"\ud83d\ud83d\ude00","data":0}`, wire.CommandMessage, "", "\uFFFD😀", `0`},
		{"ok NUL in id", `{"type":"message","id":"\u0000","data":0}`, wire.CommandMessage, "", "\x00", `0`},
		{"ok longest id", `{"type":"message","id":"` + strings.Repeat("é", 32) + `","data":0}`, wire.CommandMessage, "", strings.Repeat("é", 32), `0`},
		{"ok longest id is measured unescaped", `{"type":"message","id":"` + strings.Repeat(`\u0061`, 64) + `","data":0}`, wire.CommandMessage, "", strings.Repeat("a", 64), `0`},
		{"ok subscribe", `{"type":"subscribe","room":"plant"}`, wire.CommandSubscribe, "plant", "", ``},
		{"ok longest room", `{"type":"subscribe","room":"` + long + `"}`, wire.CommandSubscribe, long, "", ``},
		{"ok every mark in a room", `{"type":"subscribe","room":"0.A_z~:-"}`, wire.CommandSubscribe, "0.A_z~:-", "", ``},
		{"ok unsubscribe", `{"room":"plant","type":"unsubscribe"}`, wire.CommandUnsubscribe, "plant", "", ``},
		{"ok ping", `{"type":"ping"}`, wire.CommandPing, "", "", ``},
		{"ok typing", `{"type":"typing","state":"stop","room":"plant","id":"t"}`, wire.CommandTyping, "plant", "t", ``},
		{"ok auth", `{"type":"auth","token":"x","room":"plant"}`, wire.CommandAuth, "plant", "", ``},
		{"ok data nested 1000 deep", `{"type":"message","data":` + nest(1000, "") + `}`, wire.CommandMessage, "", "", nest(1000, "")},
		{"ok objects nested 1000 deep", `{"type":"message","data":` + strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000) + `}`, wire.CommandMessage, "", "",
			strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000)},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := wire.DecodeText([]byte(c.frame))
			if err != nil {
				t.Fatal(err)
			}
			if got.Type != c.typ || string(got.Room) != c.room || string(got.ID) != c.id ||
				string(got.Payload.Bytes) != c.data || got.Payload.Kind != gateway.PayloadJSON {
				t.Errorf("got type %d, room %q, id %q, data %q of kind %d", got.Type, got.Room, got.ID, got.Payload.Bytes, got.Payload.Kind)
			}
		})
	}
}

// What is no command is a message that carries the frame as it was sent.
func TestDecodeTextPlain(t *testing.T) {
	for _, c := range []struct{ name, frame string }{
		{"ok words", "Hello room!"},
		{"ok nothing", ""},
		{"ok space", " \n"},
		{"ok JSON string", `"type"`},
		{"ok JSON number", `42`},
		{"ok JSON array", `[{"type":"ping"}]`},
		{"ok deep array", nest(2000, "")},
		{"ok empty object", `{}`},
		{"ok empty object with space", ` { } `},
		{"ok object without type", `{"data":1,"room":"../x","room":7}`},
		{"ok type is a number", `{"type":1}`},
		{"ok type is null", `{"type":null,"data":1}`},
		{"ok type is an array", `{"type":["message"],"data":1}`},
		{"ok type only inside", `{"data":{"type":"ping"}}`},
		{"ok type in capitals", `{"TYPE":"ping"}`},
		{"ok object without type nested 1000 deep", `{"x":` + nest(1000, "") + `}`},
		{"ok unfinished object nested 1000 deep", `{"x":` + nest(1000, "")},
		{"ok trailing comma", `{"type":"ping",}`},
		{"ok trailing bytes", `{"type":"ping"} x`},
		{"ok two objects", `{"type":"ping"}{}`},
		{"ok unfinished", `{"type":"ping"`},
		{"ok only a bracket", `{`},
		{"ok no colon", `{"type" "ping"}`},
		{"ok no comma", `{"type":"ping" "x":1}`},
		{"ok unquoted key", `{type:"ping"}`},
		{"ok unfinished key", `{"type`},
		{"ok single quotes", `{'type':'ping'}`},
		{"ok comment", `{"type":"ping"/**/}`},
		{"ok bad literal", `{"type":"ping","x":nul}`},
		{"ok literal that ends wrong", `{"type":"ping","x":nulL}`},
		{"ok bad literal in capitals", `{"type":"ping","x":True}`},
		{"ok number with plus", `{"type":"message","data":+1}`},
		{"ok number with leading zero", `{"type":"message","data":01}`},
		{"ok number with bare point", `{"type":"message","data":1.}`},
		{"ok number without whole part", `{"type":"message","data":.5}`},
		{"ok number without exponent", `{"type":"message","data":1e}`},
		{"ok minus alone", `{"type":"message","data":-}`},
		{"ok hex number", `{"type":"message","data":0x1}`},
		{"ok NaN", `{"type":"message","data":NaN}`},
		{"ok control byte in string", "{\"type\":\"message\",\"data\":\"\n\"}"},
		{"ok bad escape", `{"type":"message","data":"\x41"}`},
		{"ok short unicode escape", `{"type":"message","data":"\u00e"}`},
		{"ok unicode escape with another letter", `{"type":"message","data":"\u00eg"}`},
		{"ok escape at the end", `{"type":"message","data":"\`},
		{"ok brackets crossed", `{"type":"message","data":[}]`},
		{"ok vertical tab is no space", "\v{\"type\":\"ping\"}"},
		{"ok byte order mark", "\uFEFF{\"type\":\"ping\"}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			frame := []byte(c.frame)
			got, err := wire.DecodeText(frame)
			if err != nil {
				t.Fatal(err)
			}
			if got.Type != wire.CommandMessage || got.Payload.Kind != gateway.PayloadText || string(got.Payload.Bytes) != c.frame ||
				got.Room != nil || got.ID != nil {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestDecodeTextRefuses(t *testing.T) {
	for _, c := range []struct {
		name, frame, message string
		room, id             string // what the error frame repeats
	}{
		{"bad unknown type", `{"type":"nonsense","room":"r","id":"i"}`, "type is unknown", "r", "i"},
		{"bad empty type", `{"type":""}`, "type is unknown", "", ""},
		{"bad type in capitals", `{"type":"PING"}`, "type is unknown", "", ""},
		{"bad server frame", `{"type":"welcome"}`, "type is unknown", "", ""},
		{"bad no data", `{"type":"message","id":"i"}`, "needs the member data", "", "i"},
		{"bad no room", `{"type":"subscribe"}`, "member room is missing", "", ""},
		{"bad no room to leave", `{"type":"unsubscribe","id":"i"}`, "member room is missing", "", "i"},
		{"bad room is a number", `{"type":"subscribe","room":5}`, "room has to be a string", "", ""},
		{"bad room is null", `{"type":"message","room":null,"data":1}`, "room has to be a string", "", ""},
		{"bad room is empty", `{"type":"message","room":"","data":1}`, "room has 1 to 128 bytes", "", ""},
		{"bad room is too long", `{"type":"subscribe","room":"` + strings.Repeat("r", 129) + `"}`, "room has 1 to 128 bytes", "", ""},
		{"bad room has a slash", `{"type":"subscribe","room":"a/b"}`, "not a room id", "", ""},
		{"bad room begins with a dot", `{"type":"subscribe","room":".a"}`, "not a room id", "", ""},
		{"bad room has a star", `{"type":"subscribe","room":"a*"}`, "not a room id", "", ""},
		{"bad room has a space", `{"type":"subscribe","room":"a b","id":"i"}`, "not a room id", "", "i"},
		{"bad room is not ASCII", `{"type":"subscribe","room":"räum"}`, "not a room id", "", ""},
		{"bad room with escaped NUL", `{"type":"subscribe","room":"a\u0000"}`, "not a room id", "", ""},
		{"bad id is a number", `{"type":"message","room":"r","id":7,"data":1}`, "id has to be a string", "r", ""},
		{"bad id is empty", `{"type":"message","id":"","data":1}`, "id has 1 to 64 bytes", "", ""},
		{"bad id is too long", `{"type":"message","id":"` + strings.Repeat("i", 65) + `","data":1}`, "id has 1 to 64 bytes", "", ""},
		{"bad id is too long unescaped", `{"type":"message","id":"` + strings.Repeat(`\u20ac`, 22) + `","data":1}`, "id has 1 to 64 bytes", "", ""},
		{"bad type twice", `{"type":"ping","type":"message","data":1}`, `"type" is given twice`, "", ""},
		{"bad room twice", `{"type":"message","room":"a","room":"b","data":1}`, `"room" is given twice`, "a", ""},
		{"bad id twice", `{"type":"message","id":"a","id":"b","data":1}`, `"id" is given twice`, "", "a"},
		{"bad data twice", `{"type":"message","data":1,"data":1}`, `"data" is given twice`, "", ""},
		{"bad escaped duplicate", `{"type":"message","data":1,"d\u0061ta":1}`, `"data" is given twice`, "", ""},
		{"bad typing without state", `{"type":"typing","room":"r"}`, "needs the member state", "r", ""},
		{"bad typing state", `{"type":"typing","state":"begin"}`, "needs the member state", "", ""},
		{"bad typing state is true", `{"type":"typing","state":true}`, "needs the member state", "", ""},
		{"bad typing state in capitals", `{"type":"typing","state":"Start"}`, "needs the member state", "", ""},
		{"bad typing state twice", `{"type":"typing","state":"start","state":"start"}`, `"state" is given twice`, "", ""},
		{"bad auth without token", `{"type":"auth","id":"a"}`, "needs the member token", "", "a"},
		{"bad auth token is null", `{"type":"auth","token":null}`, "needs the member token", "", ""},
		{"bad auth token twice", `{"type":"auth","token":"canary-token","token":"canary-token"}`, `"token" is given twice`, "", ""},
		{"bad auth with bad room", `{"type":"auth","token":"canary-token","room":"/"}`, "not a room id", "", ""},
		{"bad resume without room", `{"type":"subscribe","after":1}`, "member room is missing", "", ""},
		{"bad data nested 1001 deep", `{"type":"message","data":` + nest(1001, "") + `}`, "nested deeper than 1000", "", ""},
		{"bad unknown member nested 1001 deep", `{"type":"ping","x":` + nest(1001, "") + `}`, "nested deeper than 1000", "", ""},
		{"bad brackets in strings do not hide depth", `{"x":"]]]\"}}","y":` + nest(1001, "") + `}`, "nested deeper than 1000", "", ""},
		{"bad ten thousand brackets", `{"type":"message","data":` + strings.Repeat("[", 10_000), "nested deeper than 1000", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := wire.DecodeText([]byte(c.frame))
			if gateway.CodeOf(err) != gateway.CodeInvalidRequest {
				t.Fatalf("error %v, want invalid_request; got %+v", err, got)
			}
			if !strings.Contains(err.Error(), c.message) {
				t.Errorf("message %q, want one with %q", err, c.message)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("the token stands in the message: %v", err)
			}
			if string(got.Room) != c.room || string(got.ID) != c.id {
				t.Errorf("the error frame would repeat room %q and id %q, want %q and %q", got.Room, got.ID, c.room, c.id)
			}
		})
	}
}

func TestDecodeTyping(t *testing.T) {
	for frame, start := range map[string]bool{
		`{"type":"typing","state":"start"}`: true, `{"state":"st\u0061rt","type":"typing"}`: true, `{"type":"typing","state":"stop"}`: false,
	} {
		if got, err := wire.DecodeText([]byte(frame)); err != nil || got.Type != wire.CommandTyping || got.Start != start {
			t.Errorf("%s: %+v, %v", frame, got, err)
		}
	}
}

// Tokens are judged by whoever verifies them, and so are none and long ones.
func TestDecodeAuth(t *testing.T) {
	for _, token := range []string{"", "e30.e30.c2ln", strings.Repeat("x", 2*gateway.MaxTokenBytes)} {
		got, err := wire.DecodeText([]byte(`{"type":"auth","token":"` + token + `"}`))
		if err != nil || got.Type != wire.CommandAuth || string(got.Token) != token {
			t.Errorf("%d bytes: %+v, %v", len(token), got, err)
		}
	}
}

// Brackets inside strings are no depth.
func TestDecodeTextBracketsInStrings(t *testing.T) {
	frame := `{"x":"` + strings.Repeat("[", 5000) + `"`
	got, err := wire.DecodeText([]byte(frame))
	if err != nil || string(got.Payload.Bytes) != frame {
		t.Errorf("got %v, %v; want the text as sent", got.Type, err)
	}
}

func TestValidJSONDepth(t *testing.T) {
	for _, c := range []struct {
		name string
		json string
		want bool
	}{
		{"ok 1000 deep", nest(1000, "1"), true},
		{"bad 1001 deep", nest(1001, "1"), false},
		{"ok mixed 1000 deep", strings.Repeat(`[{"a":`, 500) + "null" + strings.Repeat("}]", 500), true},
		{"bad mixed 1002 deep", strings.Repeat(`[{"a":`, 501) + "null" + strings.Repeat("}]", 501), false},
		{"ok an array where an object was", `[{"a":1},[1,2]]`, true},
		{"ok an object where an array was", `[[1,2],{"a":1,"b":2}]`, true},
		{"ok wide is not deep", "[" + strings.Repeat("[],", 5000) + "[]]", true},
		{"bad kinds crossed at every depth", strings.Repeat(`[{"a":`, 400) + "1" + strings.Repeat("]}", 400), false},
		{"bad nothing", "", false},
		{"bad two values", "1 2", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := wire.ValidJSON([]byte(c.json)); got != c.want {
				t.Errorf("ValidJSON is %v", got)
			}
		})
	}
}
