package course_test

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gatewaytest"
)

// TestOverload has a gateway that takes no more connections: the client waits as
// long as it is told, and comes in when there is room.
func TestOverload(t *testing.T) {
	t.Parallel()
	s := open(t, "max_connections=1")
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	other, a, err := gatewaytest.Upgrade(conn, "?room=elsewhere", nil, "Authorization: Bearer "+s.admin)
	if err != nil || other == nil {
		t.Fatalf("the first connection: %d %v", a.Status, err)
	}
	d := s.drive()
	e := d.await("closed", 1)
	switch {
	case client.platform: // it cannot know, and has to ask before it comes again
		s.until("GET /auth/me", func() bool { return s.proxy.Requests("GET /auth/me") > 0 })
		if n := s.proxy.Requests("GET /ws"); n > 1 {
			t.Errorf("it came blind %d times", n)
		}
	case e.status() != http.StatusServiceUnavailable || e.WaitMS < 1000:
		t.Errorf("the full gateway was understood as %+v", e)
	}
	_ = conn.Close()
	d.await("connected", 1)
	d.publish("m", 1)
	d.await("ack", 1)
	d.stop()
}

// TestDisabled disables the account of a client that is connected: it stops.
func TestDisabled(t *testing.T) {
	t.Parallel()
	s := open(t)
	d := s.drive()
	d.await("subscribed", 1)
	s.do(http.StatusOK, "PATCH", "/devices/device", map[string]any{"disabled": true})
	if e := d.await("stopped", 1); e.status() != 4502 {
		t.Errorf("it stopped with %+v", e)
	}
	if code := d.ended(); code != 3 {
		t.Errorf("the driver ended with %d, want 3", code)
	}
	if n := s.proxy.Requests("GET /ws"); n != 1 {
		t.Errorf("it connected %d times", n)
	}
}

// TestTakenBack kills a gateway that has announced what is not on disk yet. What was
// taken back must be told as lost, and what was not acknowledged is there in the end.
func TestTakenBack(t *testing.T) {
	t.Parallel()
	s := open(t, "commit_window=30s")
	key := s.device("careless", "hasty")
	d := drive(t, "COURSE_URL="+s.proxy.URL, "COURSE_ROOM=hasty", "COURSE_DEVICE_KEY="+key)
	d.await("subscribed", 1)
	d.publish("first", 1)
	d.await("ack", 1) // the first commit after a quiet time starts at once
	d.publish("second", 2)
	d.awaitThat("message", 1, func(e *event) bool { return e.ID == "second" })
	s.kill()
	s.again()
	d.await("subscribed", 2)
	d.await("lost", 1)
	if len(d.of("ack")) > 1 {
		t.Fatal("the commit window is not what the test takes it for")
	}
	d.publish("third", 3)
	d.awaitThat("message", 1, func(e *event) bool { return e.ID == "third" })
	d.await("ack", 2) // the first commit again: what was sent again is in it
	ids := map[string]int{}
	for _, m := range s.history("hasty") {
		ids[m.ID]++
	}
	if ids["first"] != 1 || ids["second"] != 1 || ids["third"] > 1 {
		t.Errorf("the history has %v", ids)
	}
	d.stop()
}

// TestPassword logs in as a person.
func TestPassword(t *testing.T) {
	t.Parallel()
	s := open(t)
	const password = "canary-password-of-the-course"
	s.do(http.StatusCreated, "POST", "/users", map[string]any{"username": "ada", "password": password})
	d := drive(t, "COURSE_URL="+s.proxy.URL, "COURSE_ROOM=course", "COURSE_USER=ada", "COURSE_PASSWORD="+password)
	d.await("subscribed", 1)
	d.publish("m", "hello")
	d.await("ack", 1)
	s.proxy.Reset()
	d.await("connected", 2)
	d.stop()
	if n := s.proxy.Requests("POST /auth/login"); n != 1 {
		t.Errorf("the password was used %d times, want once", n)
	}
}

// TestWrongKey refuses the login: there is nothing to try again.
func TestWrongKey(t *testing.T) {
	t.Parallel()
	s := open(t)
	d := drive(t, "COURSE_URL="+s.proxy.URL, "COURSE_ROOM=course", "COURSE_DEVICE_KEY="+strings.Repeat("A", 43))
	d.await("stopped", 1)
	if code := d.ended(); code != 3 {
		t.Errorf("the driver ended with %d, want 3", code)
	}
	if n := s.proxy.Requests("POST /auth/device"); n != 1 {
		t.Errorf("the wrong key was tried %d times", n)
	}
}

// TestOthers has a client hear of somebody else who comes, types and goes. One that
// knows nothing of that passes over it.
func TestOthers(t *testing.T) {
	t.Parallel()
	s := open(t)
	d := s.drive()
	d.await("subscribed", 1)
	other, a, err := s.join("other")
	if err != nil || other == nil {
		t.Fatalf("the other connection: %d %v", a.Status, err)
	}
	other.Send(`{"type":"typing","state":"start"}`)
	if client.typing {
		if e := d.await("presence", 1); e.User != "other" || e.What != "join" || e.Count != 2 {
			t.Errorf("the presence reads %+v", e)
		}
		if e := d.await("typing", 1); e.User != "other" || e.State != "start" || e.Room != "course" {
			t.Errorf("the typing reads %+v", e)
		}
		d.say(map[string]any{"do": "typing", "state": "start"})
		for typ := ""; typ != "typing"; {
			f, err := other.Read()
			if err != nil {
				t.Fatalf("waiting for the client's typing: %v", err)
			}
			var m struct{ Type string }
			_ = json.Unmarshal(f.Payload, &m)
			typ = m.Type
		}
	}
	_ = other.Conn.Close()
	if client.typing {
		if e := d.awaitThat("presence", 1, func(e *event) bool { return e.What == "leave" }); e.User != "other" || e.Count != 1 {
			t.Errorf("the presence reads %+v", e)
		}
	}
	d.publish("m", 1)
	d.await("ack", 1)
	if ends := d.of("closed"); len(ends) > 0 {
		t.Errorf("the connection ended: %+v", ends[0])
	}
	d.stop()
}

// join connects somebody else to the client's room.
func (s *site) join(name string) (*gatewaytest.Socket, gatewaytest.Answer, error) {
	s.t.Helper()
	s.device(name, "course")
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		s.t.Fatal(err)
	}
	return gatewaytest.Upgrade(conn, "?room=course", nil, "Authorization: Bearer "+s.Token(name, time.Hour))
}

// TestRooms joins a second room, and comes back to both.
func TestRooms(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.do(http.StatusOK, "PATCH", "/devices/device", map[string]any{"grants": []map[string]string{{"room": "*", "rights": "rw"}}})
	d := s.drive()
	d.await("subscribed", 1)
	d.say(map[string]any{"do": "subscribe", "room": "other"})
	d.await("subscribed", 2)
	say := func(room string, n int) {
		s.do(http.StatusCreated, "POST", "/rooms/"+room+"/messages", map[string]any{"data": n})
	}
	say("other", 1)
	d.await("message", 1)
	s.proxy.Refuse(true)
	s.proxy.Reset()
	d.await("closed", 1)
	say("course", 2)
	say("other", 3)
	s.proxy.Refuse(false)
	d.await("message", 3)
	for room, data := range map[string][]float64{"course": {2}, "other": {1, 3}} {
		var got []float64
		for _, e := range d.of("message") {
			if n, _ := e.Data.(float64); e.Room == room {
				got = append(got, n)
			}
		}
		if len(got) != len(data) || got[len(got)-1] != data[len(data)-1] {
			t.Errorf("in %s it heard %v, want %v", room, got, data)
		}
	}
	if lost := d.of("lost"); len(lost) > 0 {
		t.Errorf("it was told of a loss: %+v", lost)
	}
	d.stop()
}

// TestTLS comes in by the gateway's own CA, also when the device's calendar is wrong
// and when the gateway has restarted, and by no other CA.
func TestTLS(t *testing.T) {
	t.Parallel()
	s := open(t, "tls_listen=127.0.0.1:0")
	other := open(t, "tls_listen=127.0.0.1:0")
	ca := filepath.Join(s.Dir, "tls", "ca.crt")
	if _, err := os.Stat(ca); err != nil {
		t.Fatal(err)
	}
	devices := map[string][]string{"ok today": nil}
	if client.untimed {
		devices["ok in 1970"] = in1970()
	}
	for name, variables := range devices {
		t.Run(name, func(t *testing.T) {
			d := drive(t, append([]string{"COURSE_URL=" + s.secured(), "COURSE_CA=" + ca, "COURSE_ROOM=course", "COURSE_DEVICE_KEY=" + s.key}, variables...)...)
			d.await("subscribed", 1)
			d.publish(name, 1)
			d.await("ack", 1)
			d.stop()
		})
	}
	t.Run("bad another CA", func(t *testing.T) {
		d := drive(t, "COURSE_URL="+s.secured(), "COURSE_CA="+filepath.Join(other.Dir, "tls", "ca.crt"), "COURSE_ROOM=course", "COURSE_DEVICE_KEY="+s.key)
		d.await("closed", 2) // it may be put right at the gateway
		if len(d.of("login")) > 0 || len(d.of("connected")) > 0 {
			t.Error("it trusted a gateway of another CA")
		}
		d.stop()
	})
}

// secured is the URL of the gateway's TLS.
func (s *site) secured() string {
	s.t.Helper()
	for line := range strings.Lines(s.Logged()) {
		var said struct{ Event, URL string }
		if json.Unmarshal([]byte(line), &said) == nil && said.Event == "listening" && strings.HasPrefix(said.URL, "https://") {
			return said.URL
		}
	}
	s.t.Fatal("the gateway has no TLS")
	return ""
}
