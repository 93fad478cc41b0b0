package app_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gatewaytest"
)

type presence struct {
	Room  string
	Count int
	Users []struct {
		User        string
		Since       int64
		Connections int
	}
}

// String is the names and their connections.
func (p presence) String() string {
	s := fmt.Sprint(p.Room, " ", p.Count, ":")
	for _, u := range p.Users {
		s += fmt.Sprint(" ", u.User, " ", u.Connections)
	}
	return s
}

func presentIn(t *testing.T, g *gatewaytest.Gateway, token, room string) (p presence) {
	t.Helper()
	a := g.Do("GET", "/rooms/"+room+"/presence", token, nil)
	if a.Status != 200 {
		t.Fatalf("presence in %s: %d %s", room, a.Status, a.Body)
	}
	if err := json.Unmarshal(a.Body, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func awaitPresence(t *testing.T, g *gatewaytest.Gateway, token, want string) {
	t.Helper()
	var got string
	room, _, _ := strings.Cut(want, " ")
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if got = presentIn(t, g, token, room).String(); got == want {
			return
		}
	}
	t.Fatalf("present are %s, want %s", got, want)
}

func TestPresence(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	ann, bob, writer := g.User("ann", "*:rw"), g.User("bob", "a:r"), g.User("wes", "a:w")
	if p := presentIn(t, g, bob, "a"); p.String() != "a 0:" || p.Users == nil {
		t.Errorf("in an unused room: %v", p)
	}
	began := time.Now().UnixMilli()
	first, second, raw := g.Dial(ann, "?room=a"), g.Dial(ann, "?room=b"), g.Dial(bob, "?room=a&format=raw")
	first.Joined()
	second.Joined()
	second.Send(`{"type":"subscribe","room":"a"}`)
	second.Expect("subscribed")
	// Who only writes is not there, and neither is who publishes over HTTP.
	silent := g.Dial(writer, "?room=a")
	silent.Expect("welcome")
	g.Do("POST", "/rooms/a/messages", g.Token("admin"), `{"data":1}`)
	awaitPresence(t, g, bob, "a 2: ann 2 bob 1")
	awaitPresence(t, g, ann, "b 1: ann 1")
	since := presentIn(t, g, bob, "a").Users[0].Since
	if since < began || since > time.Now().UnixMilli() {
		t.Errorf("since %d, began at %d", since, began)
	}

	_ = first.Conn.Close()
	awaitPresence(t, g, bob, "a 2: ann 1 bob 1")
	left := time.Now()
	second.Send(`{"type":"unsubscribe","room":"a"}`)
	nextOf(t, second, "unsubscribed")
	_ = raw.Conn.Close()
	awaitPresence(t, g, bob, "a 2: ann 0 bob 0")
	// Bob comes back in time: he was never away.
	raw = g.Dial(bob, "?room=a&format=raw")
	awaitPresence(t, g, bob, "a 2: ann 0 bob 1")
	for time.Since(left) < 14*time.Second {
		if p := presentIn(t, g, bob, "a"); p.String() != "a 2: ann 0 bob 1" || p.Users[0].Since != since {
			t.Fatalf("after %v: %v", time.Since(left), p)
		}
		time.Sleep(100 * time.Millisecond)
	}
	awaitPresence(t, g, bob, "a 1: bob 1")
	if took := time.Since(left); took < 15*time.Second || took > 18*time.Second {
		t.Errorf("ann was there for %v more", took)
	}
	_ = raw.Conn.Close()
}

func TestPresenceNeedsAGrant(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	s := g.Dial(g.Token("admin"), "?room=a")
	s.Joined()
	for _, test := range []struct {
		name, token, room string
		status            int
	}{
		{"ok reader", g.User("reader", "a:r"), "a", 200},
		{"ok administrator", g.Token("admin"), "a", 200},
		{"ok longest id", g.Token("admin"), strings.Repeat("r", 128), 200},
		{"bad nobody", "", "a", 401},
		{"bad writer", g.User("writer", "a:w"), "a", 403},
		{"bad other room", g.User("other", "b:rw"), "a", 403},
		{"bad no grants", g.User("none", "x.y:r"), "a", 403},
		{"bad room id", g.Token("admin"), ".a", 400},
		{"bad longer id", g.Token("admin"), strings.Repeat("r", 129), 400},
	} {
		a := g.Do("GET", "/rooms/"+test.room+"/presence", test.token, nil)
		if a.Status != test.status || test.status != 200 && strings.Contains(string(a.Body), "admin\"") {
			t.Errorf("%s: %d %s", test.name, a.Status, a.Body)
		}
	}
	if a := g.Do("DELETE", "/rooms/a/presence", g.Token("admin"), nil); a.Status != 405 || a.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("DELETE: %d, Allow %q", a.Status, a.Header.Get("Allow"))
	}
}
