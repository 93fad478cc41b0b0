package app_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gatewaytest"
)

type connection struct {
	ID, User, Kind, Format, Room, IP string
	Rooms                            int
	Since                            int64
	LastSeen                         int64    `json:"last_seen"`
	RTT                              *float64 `json:"rtt_ms"`
	QueueBytes                       int      `json:"queue_bytes"`
}

func connections(t *testing.T, g *gatewaytest.Gateway) []connection {
	t.Helper()
	a := g.Do("GET", "/connections", g.Token("admin"), nil)
	var list struct{ Connections []connection }
	if err := json.Unmarshal(a.Body, &list); err != nil || a.Status != 200 || list.Connections == nil {
		t.Fatalf("connections: %d %s", a.Status, a.Body)
	}
	return list.Connections
}

func TestConnections(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "ping_interval=1s", "trusted_proxies=127.0.0.1")
	if list := connections(t, g); len(list) > 0 {
		t.Errorf("nobody is there: %+v", list)
	}
	g.Do("POST", "/devices", g.Token("admin"), map[string]string{"name": "pump", "room": "plant.1"})
	began := time.Now().UnixMilli()
	s := g.Dial(g.User("ann"), "?room=a")
	welcome, _ := s.Joined()
	s.Send(`{"type":"subscribe","room":"b"}`)
	s.Expect("subscribed")
	raw, _ := g.Handshake("?room=plant.1&format=raw", "Authorization: Bearer "+g.Token("pump"), "X-Forwarded-For: 198.51.100.7")
	await(t, "the raw socket in its room", func() bool { return connections(t, g)[1].Rooms == 1 })
	go func() { _, _ = s.Read() }() // answers pings; the raw one never does
	await(t, "a ping that comes back", func() bool { return connections(t, g)[0].RTT != nil })

	list := connections(t, g)
	for i, want := range []connection{
		{ID: welcome["connection"].(string), User: "ann", Kind: "user", Format: "json", Room: "a", IP: "127.0.0.1", Rooms: 2},
		{ID: list[1].ID, User: "pump", Kind: "device", Format: "raw", Room: "plant.1", IP: "198.51.100.7", Rooms: 1},
	} {
		c, now := list[i], time.Now().UnixMilli()
		if c.Since < began || c.LastSeen < c.Since || c.LastSeen > now || c.QueueBytes != 0 {
			t.Errorf("at %d: %+v", now, c)
		}
		want.Since, want.LastSeen, want.RTT = c.Since, c.LastSeen, c.RTT
		if c != want {
			t.Errorf("%+v, want %+v", c, want)
		}
	}
	if rtt := *list[0].RTT; rtt <= 0 || rtt > 5000 || list[1].RTT != nil {
		t.Errorf("the times are %v ms and %v", rtt, list[1].RTT)
	}
	// The silent one was last seen when it came, the other one with each ping.
	await(t, "silence", func() bool {
		list := connections(t, g)
		return list[0].LastSeen-list[1].LastSeen > 2000
	})
	_ = raw.Conn.Close()
	await(t, "the one that stays", func() bool { return len(connections(t, g)) == 1 })
}

// What waits for one that does not read is shown.
func TestConnectionsShowTheQueue(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "send_queue_bytes=1048576", "commit_window=1s")
	s := stuck(t, g, "?room=a")
	publisher := g.Dial(g.User("wes", "a:w"), "?room=a")
	publisher.Expect("welcome")
	filler := strings.Repeat("x", 60<<10)
	for i := 0; connections(t, g)[0].QueueBytes < 100<<10; i++ {
		if i == 100 {
			t.Fatal("nothing waits")
		}
		publisher.Send(fmt.Sprintf(`{"type":"message","data":"%s"}`, filler))
		time.Sleep(time.Millisecond)
	}
	if list := connections(t, g); list[1].QueueBytes != 0 || list[1].Rooms != 0 {
		t.Errorf("the publisher is %+v", list[1])
	}
	_ = s.Conn.Close()
}

// cuts are the audited cuts.
func cuts(g *gatewaytest.Gateway) (list []string) {
	events, _ := g.Do("GET", "/audit?limit=1000", g.Token("admin"), nil).JSON()["events"].([]any)
	for _, e := range events {
		if m := e.(map[string]any); m["event"] == "socket_cut" {
			list = append(list, fmt.Sprint(m["actor"], ">", m["subject"], " ", m["ip"], " ", m["result"], " ", m["reason"], m["count"]))
		}
	}
	return list
}

func TestCutConnection(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	root, ann := g.Login("admin"), g.User("ann")
	cut, other, raw := g.Dial(ann, "?room=a"), g.Dial(ann, "?room=a"), g.Dial(ann, "?room=a&format=raw")
	welcome, _ := cut.Joined()
	other.Joined()
	id := welcome["connection"].(string)
	for _, test := range []struct {
		path, body string
		status     int
	}{
		{"/connections/" + id + "0", ``, 404},
		{"/connections/" + id[:len(id)-1], ``, 404},
		{"/connections/" + strings.ToUpper(id) + "%00", ``, 404},
		{"/connections/ann", ``, 404},
		{"/connections/*", ``, 404},
		{"/connections/", ``, 404},
		{"/connections/" + id, `{"code":4502}`, 400},
		{"/connections/" + id, `nonsense`, 400},
	} {
		if a := g.Do("DELETE", test.path, root, test.body); a.Status != test.status {
			t.Errorf("DELETE %s %s: %d %s", test.path, test.body, a.Status, a.Body)
		}
	}
	if list := cuts(g); len(list) > 0 || len(connections(t, g)) != 3 {
		t.Fatalf("what was refused is in the audit: %v", list)
	}

	if a := g.Do("DELETE", "/connections/"+id, root, nil); a.Status != 204 {
		t.Fatalf("cut: %d %s", a.Status, a.Body)
	}
	// The answer stands for the audit: it outlives a power cut right behind it.
	const want = "[admin>ann 127.0.0.1 ok <nil>]"
	for _, g := range []*gatewaytest.Gateway{g, gatewaytest.StartIn(t, copyDir(t, g.Dir))} {
		if got := strings.ReplaceAll(fmt.Sprint(cuts(g)), "  ", " "); got != want {
			t.Errorf("the audit has %s, want %s", got, want)
		}
	}
	if end := cut.Ended(); end.Code != 4501 || end.Reason != "session_revoked" {
		t.Errorf("it ended with %v", end)
	}
	await(t, "its end", func() bool { return len(connections(t, g)) == 2 })
	if a := g.Do("DELETE", "/connections/"+id, root, `{}`); a.Status != 404 || len(cuts(g)) != 1 {
		t.Errorf("again: %d, the audit has %v", a.Status, cuts(g))
	}
	other.Send(`{"type":"ping"}`)
	other.Expect("pong")
	for _, c := range connections(t, g) {
		if c.Format == "raw" {
			g.Do("DELETE", "/connections/"+c.ID, root, nil)
		}
	}
	endsWith(t, raw, "raw", 4501)
	// Cutting ends no session: the account may come back.
	back := g.Dial(ann, "?room=a")
	back.Joined()
	if !strings.Contains(g.Log(), `"event":"socket_cut"`) {
		t.Error("the cut is not logged")
	}
}
