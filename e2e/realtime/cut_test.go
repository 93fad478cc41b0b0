package realtime_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"edgegw/internal/gatewaytest"
)

// victim is an account whose connections are cut: two sessions and a token
// without one.
type victim struct {
	s               *site
	name            string
	access, refresh [2]string
}

// event is something that takes rights away.
type event struct {
	what string
	// do takes them away. The connections of both sessions are in the room
	// "hall.NAME", and in "side.NAME" as well.
	do func(*testing.T, victim)
	// first and second say how the connections of the two sessions end; ""
	// that they live on.
	first, second string
}

func (v victim) path() string { return "/users/" + v.name }

func (v victim) admin(t *testing.T, status int, method, path string, body any) {
	t.Helper()
	v.ask(t, status, method, path, v.s.admin(), body)
}

func (v victim) ask(t *testing.T, status int, method, path, token string, body any) gatewaytest.Answer {
	t.Helper()
	a, err := v.s.try(method, path, token, body)
	if err != nil || a.Status != status {
		t.Errorf("%s %s: %d %s %v, want %d", method, path, a.Status, a.Code(), err, status)
	}
	return a
}

const (
	revoked   = "closed with 4501 session_revoked"
	disabled  = "closed with 4502 account_disabled"
	forbidden = "closed with 4503 forbidden"
)

var events = []event{
	{"logout", func(t *testing.T, v victim) { v.ask(t, 204, "POST", "/auth/logout", v.access[0], nil) }, revoked, ""},
	{"a session ended from another", func(t *testing.T, v victim) {
		a := v.ask(t, 200, "GET", "/auth/me", v.access[0], nil)
		id, _ := a.JSON()["session"].(string)
		v.ask(t, 204, "DELETE", "/auth/sessions/"+id, v.access[1], nil)
	}, revoked, ""},
	{"a changed password", func(t *testing.T, v victim) {
		v.ask(t, 204, "POST", "/auth/password", v.access[1], map[string]string{"current_password": password, "new_password": password + "-2"})
	}, revoked, ""},
	{"a password set by an administrator", func(t *testing.T, v victim) {
		v.admin(t, 200, "PATCH", v.path(), map[string]string{"password": password + "-3"})
	}, revoked, revoked},
	{"a reset password", func(t *testing.T, v victim) {
		a := v.ask(t, 200, "POST", v.path()+"/password-reset", v.s.admin(), nil)
		code, _ := a.JSON()["reset_token"].(string)
		v.ask(t, 204, "POST", "/auth/password-reset/confirm", "", map[string]string{"token": code, "new_password": password + "-4"})
	}, revoked, revoked},
	{"a refresh token used twice", func(t *testing.T, v victim) {
		next := v.refresh[0]
		for range 2 { // the first one is then no direct predecessor any more
			a := v.ask(t, 200, "POST", "/auth/refresh", "", map[string]string{"refresh_token": next})
			next, _ = a.JSON()["refresh_token"].(string)
		}
		v.ask(t, 401, "POST", "/auth/refresh", "", map[string]string{"refresh_token": v.refresh[0]})
	}, revoked, ""},
	{"a disabled account", func(t *testing.T, v victim) {
		v.admin(t, 200, "PATCH", v.path(), map[string]bool{"disabled": true})
	}, disabled, disabled},
	{"a deleted account", func(t *testing.T, v victim) { v.admin(t, 204, "DELETE", v.path(), nil) }, disabled, disabled},
	{"a lost grant of the default room", func(t *testing.T, v victim) {
		v.admin(t, 200, "PATCH", v.path(), map[string]any{"grants": []map[string]string{{"room": "side.*", "rights": "rw"}}})
	}, forbidden, forbidden},
	{"a lost grant of another room", func(t *testing.T, v victim) {
		v.admin(t, 200, "PATCH", v.path(), map[string]any{"grants": []map[string]string{{"room": "hall.*", "rights": "rw"}}})
	}, "unsubscribed", "unsubscribed"},
}

// outcome is how a connection took an event.
type outcome struct {
	session int
	raw     bool
	how     string // as in event
	at      time.Time
}

// linger reads a connection until it is cut or loses a room, or a while has
// passed.
func linger(l *link, raw bool) string {
	l.Patience = 1500 * time.Millisecond
	for {
		f, err := l.Read()
		switch {
		case isEnd(err):
			return err.Error()
		case err != nil:
			return ""
		case !raw && strings.HasPrefix(string(f.Payload), `{"type":"unsubscribed"`):
			return "unsubscribed"
		}
	}
}

// Whatever takes rights away cuts the live connections that have had them, and no
// others, within a second and with the right code.
func TestCuts(t *testing.T) {
	t.Parallel()
	s := open(t, tokenRooms, "access_ttl=1h")
	var mu sync.Mutex
	slowest := make(map[string]time.Duration)
	t.Run("events", func(t *testing.T) {
		for i, e := range events {
			t.Run(e.what, func(t *testing.T) {
				v := victim{s: s, name: fmt.Sprintf("v%d", i)}
				s.person(v.name)
				for k := range v.access {
					v.access[k], v.refresh[k] = s.login(v.name)
				}
				took := v.suffer(t, e)
				mu.Lock()
				slowest[e.what] = took
				mu.Unlock()
			})
		}
	})
	for _, e := range events {
		t.Logf("cuts: %s: %v from the request to the last of 10 connections", e.what, slowest[e.what].Round(100*time.Microsecond))
		if slowest[e.what] > time.Second {
			t.Errorf("%s: it took %v to cut, want a second at most", e.what, slowest[e.what])
		}
	}
}

// suffer opens connections, lets the event happen, and returns how long the last
// cut took from the request on.
func (v victim) suffer(t *testing.T, e event) (slowest time.Duration) {
	const each = 4
	outcomes := make(chan outcome, 100)
	n := 0
	watch := func(session int, token string, raw bool) {
		query := "room=hall." + v.name
		if raw {
			query += "&format=raw"
		}
		l, err := v.s.connect(token, query)
		if err != nil {
			t.Fatal(err)
		}
		if !raw {
			l.Send(`{"type":"subscribe","room":"side.` + v.name + `"}`)
			for range 2 {
				if _, err := l.until("subscribed"); err != nil {
					t.Fatal(err)
				}
			}
		}
		n++
		go func() {
			defer l.cut()
			outcomes <- outcome{session, raw, linger(l, raw), time.Now()}
		}()
	}
	for session, token := range v.access {
		for range each {
			watch(session, token, false)
		}
		watch(session, token, true)
	}
	began := time.Now()
	e.do(t, v)
	for range n {
		o := <-outcomes
		want := []string{e.first, e.second}[o.session]
		if o.raw && want == "unsubscribed" {
			want = "" // it is in the other room only
		}
		if o.how != want {
			t.Errorf("%s: a connection of session %d (raw: %v) ended %q, want %q", e.what, o.session+1, o.raw, o.how, want)
		}
		if want != "" {
			slowest = max(slowest, o.at.Sub(began))
		}
	}
	return slowest
}

// A device is cut when it is disabled or deleted, too; and who was cut does not
// get in again.
func TestCutDevices(t *testing.T) {
	t.Parallel()
	s := open(t, tokenRooms)
	for what, do := range map[string]func(name string){
		"a disabled device": func(name string) {
			s.do(http.StatusOK, "PATCH", "/devices/"+name, s.admin(), map[string]bool{"disabled": true})
		},
		"a deleted device": func(name string) { s.do(http.StatusNoContent, "DELETE", "/devices/"+name, s.admin(), nil) },
	} {
		name := strings.ReplaceAll(what, " ", "-")
		a := s.do(http.StatusCreated, "POST", "/devices", s.admin(), map[string]string{"name": name, "room": "hall"})
		key, _ := a.JSON()["device_key"].(string)
		a = s.do(http.StatusOK, "POST", "/auth/device", "", map[string]string{"device_key": key})
		token, _ := a.JSON()["access_token"].(string)
		l, _ := s.enter(t, token, "")
		began := time.Now()
		do(name)
		closed, err := l.ended()
		took := time.Since(began)
		if err != nil || closed.Error() != disabled {
			t.Errorf("%s: ended with %v, %v", what, closed, err)
		}
		var refused *refusal
		if _, err := s.connect(token, "room=hall"); !errors.As(err, &refused) || refused.Status != http.StatusUnauthorized {
			t.Errorf("%s comes back: %v", what, err)
		}
		t.Logf("cuts: %s: %v from the request", what, took.Round(100*time.Microsecond))
		if took > time.Second {
			t.Errorf("%s: it took %v to cut, want a second at most", what, took)
		}
	}
}
