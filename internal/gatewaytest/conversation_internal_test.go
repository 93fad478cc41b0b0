package gatewaytest

import (
	"strings"
	"testing"
)

func TestReadConversations(t *testing.T) {
	step := func(s string) string { return `[{"name":"ok x","steps":[` + s + `]}]` }
	for _, c := range []struct{ name, script, want string }{
		{"ok", step(`{"connect":"a","as":"ann","query":"?room=x"},{"on":"a","expect":{"type":"welcome"},"skip":["pong"]}`), ""},
		{"bad unknown member of a case", `[{"name":"ok x","comment":"","steps":[{"connect":"a"}]}]`, "comment"},
		{"bad unknown member of a step", step(`{"connect":"a","wait":1}`), "wait"},
		{"bad unknown member of a request", step(`{"http":{"methode":"GET"}}`), "methode"},
		{"bad two kinds", step(`{"on":"a","send":{},"expect":{}}`), "one thing"},
		{"bad no kind", step(`{"on":"a"}`), "one thing"},
		{"bad no connection", step(`{"send":{}}`), "another kind"},
		{"bad status of an expect", step(`{"on":"a","expect":{},"status":401}`), "another kind"},
		{"bad skip of a send", step(`{"on":"a","send":{},"skip":["pong"]}`), "another kind"},
		{"bad then without repeat", step(`{"on":"a","send":{},"then":{"on":"a","expect":{}}}`), "another kind"},
		{"bad then that is no expect", step(`{"on":"a","send":{},"repeat":2,"then":{"on":"a","drop":true}}`), "then"},
		{"bad run without numbers of a text", step(`{"on":"a","send_text":"","first":1}`), "another kind"},
		{"bad no steps", `[{"name":"ok x","steps":[]}]`, "no steps"},
		{"bad same name twice", `[{"name":"ok x","steps":[{"connect":"a"}]},{"name":"ok x","steps":[{"connect":"a"}]}]`, "name"},
		{"bad something behind it", step(`{"connect":"a"}`) + `[]`, "behind"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := readConversations([]byte(c.script))
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error about %q", err, c.want)
			}
		})
	}
}

// TestPlayRefuses plays scripts that the gateway does not keep to.
func TestPlayRefuses(t *testing.T) {
	const welcome = `{"type":"welcome","protocol":1,"user":"ann","role":"member","room":"${*}","connection":"${*}","server_time":"${*}","clock":"${*}","expires_in":"${*}","ping_interval":"${*}","max_message_bytes":"${*}","session":"${?}"}`
	const begin = `{"connect":"a","as":"ann","query":"?room=ROOM"},{"on":"a","expect":` + welcome + `},{"on":"a","expect":{"type":"subscribed","room":"ROOM","epoch":"${e}","seq":0}},`
	const message = `{"type":"message","room":"ROOM","seq":1,"ts":"${*}","user":"ann","data":{"x":1}}`
	stage := Start(t).Stage()
	for i, c := range []struct{ name, steps, want string }{
		{"ok", begin + `{"on":"a","send":{"type":"message","data":{"x":1}}},{"on":"a","expect":` + message + `},{"on":"a","close":1000}`, ""},
		{"ok numbers by value", begin + `{"on":"a","send":{"type":"message","data":{"x":1}}},{"on":"a","expect":` + strings.ReplaceAll(message, `1`, `1.0e0`) + `}`, ""},
		{"bad frame that was not expected", begin + `{"on":"a","send":{"type":"ping"}},{"on":"a","send":{"type":"message","data":{"x":1}}},{"on":"a","expect":` + message + `}`, "step 6"},
		{"bad frame behind the last step", begin + `{"on":"a","send":{"type":"message","data":1}}`, "behind the last"},
		{"bad end behind the last step", begin + `{"on":"a","send_text":"${x}"},{"on":"a","expect":{"type":"message","room":"ROOM","seq":1,"ts":"${*}","user":"ann","data":"${*}"}},{"http":{"as":"admin","method":"PUT","path":"/rooms/ROOM","body":{"durability":"memory"},"status":200}}`, "behind the last"},
		{"bad member too many", begin + `{"on":"a","send":{"type":"message","id":"i","data":{"x":1}}},{"on":"a","expect":` + message + `,"skip":["ack"]}`, "id was not expected"},
		{"bad member inside too many", begin + `{"on":"a","send":{"type":"message","data":{"x":1,"y":2}}},{"on":"a","expect":` + message + `}`, "y was not expected"},
		{"bad member too few", begin + `{"on":"a","send":{"type":"message","data":{}}},{"on":"a","expect":` + message + `}`, "x is missing"},
		{"bad number", begin + `{"on":"a","send":{"type":"message","data":{"x":2}}},{"on":"a","expect":` + message + `}`, "2 instead of 1"},
		{"bad number for a string", begin + `{"on":"a","send":{"type":"message","data":{"x":"1"}}},{"on":"a","expect":` + message + `}`, "instead of"},
		{"bad value of a name", begin + `{"on":"a","send":{"type":"subscribe","room":"ROOM"}},{"on":"a","expect":{"type":"subscribed","room":"${e}","epoch":"${*}","seq":0}}`, "instead of e"},
		{"bad value that is not to be", begin + `{"on":"a","send":{"type":"subscribe","room":"ROOM"}},{"on":"a","expect":{"type":"subscribed","room":"ROOM","epoch":"${!e}","seq":0}}`, "is not to be"},
		{"bad name in what is sent", begin + `{"on":"a","send":{"type":"message","data":"${nothing}"}}`, "nothing is known"},
		{"bad silence", begin + `{"on":"a","expect":{"type":"pong"},"within_ms":50}`, "nothing came"},
		{"bad close code", begin + `{"on":"a","send_base64":"gA=="},{"on":"a","expect_close":{"code":4002,"name":"slow_consumer"},"skip":["message"],"within_ms":50}`, "nothing came"},
		{"bad frame before the close", begin + `{"on":"a","send":{"type":"ping"}},{"on":"a","expect_close":{"code":4002,"name":"slow_consumer"}}`, "there came"},
		{"bad any order", begin + `{"on":"a","send":{"type":"ping"}},{"on":"a","expect_any_order":[{"type":"auth_ok","expires_in":1}]}`, "there came"},
		{"bad run", begin + `{"on":"a","send":{"type":"message","data":1},"repeat":3},{"on":"a","expect_run":{"type":"message","room":"ROOM","seq":"${n}","ts":"${*}","user":"ann","data":1},"first":1,"last":4}`, "frame 4"},
		{"bad let in", `{"connect":"a","as":"ann","query":"?room=ROOM","status":403,"code":"forbidden"}`, "let in"},
		{"bad refused otherwise", `{"connect":"a","as":"ann","query":"?room=no/room","status":400,"code":"forbidden"}`, "refused"},
		{"bad expired token", `{"connect":"a","as":"ann","query":"?room=ROOM","token_ttl_s":-10}`, "refused"},
		{"bad status of a request", `{"http":{"as":"ann","method":"GET","path":"/rooms/ROOM","status":403}}`, "200"},
		{"bad answer of a request", `{"http":{"as":"ann","method":"GET","path":"/rooms/ROOM","status":200,"answer":{"seq":3}}}`, "seq"},
		{"bad text", begin + `{"on":"a","expect_text":"x"}`, "there came"},
		{"bad connection", `{"on":"a","drop":true}`, "no connection"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			room := "room." + string(rune('a'+i))
			steps := strings.ReplaceAll(c.steps, "ROOM", room)
			cases, err := readConversations([]byte(`[{"name":"ok x","steps":[` + steps + `]}]`))
			if err != nil {
				t.Fatal(err)
			}
			err = stage.Play(&cases[0])
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error about %q", err, c.want)
			}
		})
	}
}
