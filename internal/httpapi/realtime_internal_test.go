package httpapi

import (
	"strings"
	"testing"
	"time"

	"edgegw/internal/gateway"
)

func TestPresenceAndConnectionsAnswers(t *testing.T) {
	a, _, _ := serve(&people{setUp: true})
	for _, test := range []struct{ name, path, token, want string }{
		{"ok presence", "/rooms/plant.1/presence", memberToken,
			`{"room":"plant.1","count":2,"users":[{"user":"ann","since":5,"connections":2},{"user":"pump","since":6,"connections":0}]}`},
		{"ok nobody there", "/rooms/plant.empty/presence", memberToken, `{"room":"plant.empty","count":0,"users":[]}`},
		{"ok connections", "/connections", adminToken, `{"connections":[` +
			`{"id":"abcdefghijklmnopqrst-_","user":"ann","kind":"user","format":"json","room":"lobby","rooms":2,"ip":"192.0.2.1","since":1,"last_seen":2,"rtt_ms":1.234,"queue_bytes":300},` +
			`{"id":"c-2","user":"pump","kind":"device","format":"raw","room":"plant.1","rooms":0,"ip":"192.0.2.2","since":1,"last_seen":1,"queue_bytes":0}]}`},
	} {
		w := ask(a, "GET", test.path, test.token, "")
		if w.Code != 200 || w.Body.String() != test.want+"\n" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s", test.name, w.Code, w.Body)
		}
	}
}

// A cut is written down before it is done; what cannot be written down is not
// done.
func TestCutIsAuditedFirst(t *testing.T) {
	p := &people{setUp: true}
	a, _, _ := serve(p)
	if w := ask(a, "DELETE", "/connections/c-2", adminToken, ""); w.Code != 204 || w.Body.Len() > 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	p.wantCalls(t, "cut", `root: note socket_cut pump ""`, "cut c-2")

	for _, test := range []struct {
		name, path, token, body string
		status                  int
	}{
		{"bad another id", "/connections/c-3", adminToken, ``, 404},
		{"bad part of an id", "/connections/c", adminToken, ``, 404},
		{"bad body", "/connections/c-2", adminToken, `{"force":true}`, 400},
		{"bad member", "/connections/c-2", memberToken, ``, 403},
	} {
		p.calls = nil
		if w := ask(a, "DELETE", test.path, test.token, test.body); w.Code != test.status {
			t.Errorf("%s: %d %s", test.name, w.Code, w.Body)
		}
		p.wantCalls(t, test.name)
	}

	p.calls, p.fail = nil, gateway.Errorf(gateway.CodeUnavailable, "no")
	if w := ask(a, "DELETE", "/connections/c-2", adminToken, ""); w.Code != 503 {
		t.Errorf("without an audit: %d %s", w.Code, w.Body)
	}
	p.wantCalls(t, "cut without an audit", `root: note socket_cut pump ""`)
}

// What rooms refuse has its status, its code and, where it is worth coming back,
// the time for that.
func TestRefusalsOfRooms(t *testing.T) {
	for _, test := range []struct {
		name   string
		code   gateway.Code
		after  time.Duration
		status int
		header string
	}{
		{"bad full disk", gateway.CodeStorageFull, 30 * time.Second, 503, "30"},
		{"bad unavailable", gateway.CodeUnavailable, 0, 503, "1"},
		{"bad too often", gateway.CodeRateLimited, 1500 * time.Millisecond, 429, "2"},
		{"bad broken", gateway.CodeInternal, 0, 500, ""},
	} {
		for _, request := range []struct{ method, path, body string }{
			{"POST", "/rooms/plant.1/messages", `{"data":1,"id":"i"}`},
			{"PUT", "/rooms/plant.1", `{"durability":"memory"}`},
			{"DELETE", "/rooms/plant.1", ``},
		} {
			if request.method != "POST" && test.code == gateway.CodeRateLimited {
				continue // only publishing is ever limited
			}
			a, log, _ := serve(&people{setUp: true, fail: &gateway.Error{Code: test.code, Message: "not now", RetryAfter: test.after}})
			w := ask(a, request.method, request.path, adminToken, request.body)
			if w.Code != test.status || codeOf(w) != string(test.code) || w.Header().Get("Retry-After") != test.header {
				t.Errorf("%s: %s %s: %d %v %s", test.name, request.method, request.path, w.Code, w.Header(), w.Body)
			}
			wantConform(t, loadDocument(t), strings.Replace(request.path, "plant.1", "{id}", 1), request.method, w)
			if strings.Contains(log.String(), `"room_`) {
				t.Errorf("%s: %s: the log tells of a change: %s", test.name, request.method, log)
			}
		}
	}
}

// Who changes or deletes a room stands in the log.
func TestRoomChangesAreLogged(t *testing.T) {
	a, log, _ := serve(&people{setUp: true})
	for _, test := range []struct{ method, body, event string }{
		{"PUT", `{"max_messages":5}`, "room_changed"},
		{"DELETE", ``, "room_deleted"},
		{"PUT", `{}`, ""},
	} {
		log.Reset()
		if w := ask(a, test.method, "/rooms/plant.1", adminToken, test.body); w.Code >= 300 {
			t.Errorf("%s: %d %s", test.method, w.Code, w.Body)
		}
		told := strings.Contains(log.String(), `"event":"`+test.event+`","room":"plant.1","user":"root","ip":"192.0.2.1","request_id":`)
		if told != (test.event != "") {
			t.Errorf("%s %s: %s", test.method, test.body, log)
		}
	}
}
