package app_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"edgegw/internal/gatewaytest"
)

// retryAfter is what the reason of a restart has to say.
var retryAfter = regexp.MustCompile(`^restart retry_after_ms=[1-9][0-9]*$`)

func wantRestart(t *testing.T, what string, s *gatewaytest.Socket) {
	t.Helper()
	if end := s.Ended(); end.Code != 1012 || !retryAfter.MatchString(end.Reason) {
		t.Errorf("%s: ended with %v", what, end)
	}
}

// publishAs publishes with an id over the socket and returns the ack.
func publishAs(t *testing.T, s *gatewaytest.Socket, room, id, data string) rawMessage {
	t.Helper()
	s.Send(fmt.Sprintf(`{"type":"message","room":%q,"id":%q,"data":%s}`, room, id, data))
	for {
		if m := nextOf(t, s, "ack"); m.ID == id {
			return m
		}
	}
}

// A change between queued and fsynced shows in the next ack, and nobody has to
// come back for it.
func TestDurabilityChangesAtOnce(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	s := g.Dial(g.Token("admin"), "?room=a")
	_, subscribed := s.Joined()
	for i, class := range []string{"queued", "fsynced", "queued"} {
		if info := put(t, g, "a", `{"durability":"`+class+`"}`); info["epoch"] != subscribed["epoch"] || info["subscribers"] != 1.0 {
			t.Errorf("%s: the room is %v", class, info)
		}
		if ack := publishAs(t, s, "a", fmt.Sprint("i", i), "1"); ack.Durability != class || ack.Seq != int64(2*i+1) {
			t.Errorf("%s: the ack is %+v", class, ack)
		}
		a := g.Do("POST", "/rooms/a/messages", g.Token("admin"), `{"data":1}`).JSON()
		if a["durability"] != class || a["seq"] != float64(2*i+2) {
			t.Errorf("%s: over HTTP %v", class, a)
		}
	}
}

// resumed connects as a client that has everything up to after, and returns the
// answer to that.
func resumed(t *testing.T, g *gatewaytest.Gateway, room, epoch string, after int) (map[string]any, *gatewaytest.Socket) {
	t.Helper()
	s := g.Dial(g.Token("admin"), fmt.Sprintf("?room=%s&epoch=%s&after=%d", room, epoch, after))
	_, subscribed := s.Joined()
	return subscribed, s
}

// wantResumed comes back as a client that has everything up to after, and is
// brought the seqs above it.
func wantResumed(t *testing.T, g *gatewaytest.Gateway, room, epoch string, after int, seqs ...int64) *gatewaytest.Socket {
	t.Helper()
	answer, s := resumed(t, g, room, epoch, after)
	if answer["recovered"] != true || answer["replay"] != float64(len(seqs)) {
		t.Errorf("epoch %s, after %d: %v", epoch, after, answer)
		return s
	}
	for _, seq := range seqs {
		if m := nextOf(t, s, "message"); m.Seq != seq {
			t.Errorf("epoch %s, after %d: %d has to come, and comes %+v", epoch, after, seq, m)
		}
	}
	return s
}

func wantNotResumed(t *testing.T, g *gatewaytest.Gateway, room, epoch string, after int) {
	t.Helper()
	if answer, _ := resumed(t, g, room, epoch, after); answer["recovered"] != false || answer["replay"] != nil {
		t.Errorf("epoch %s, after %d: %v", epoch, after, answer)
	}
}

func TestRoomToMemoryAndBack(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	admin := g.Token("admin")
	fill(t, g, "a", 5)
	inRoom, raw, alsoIn := g.Dial(admin, "?room=a"), g.Dial(admin, "?room=a&format=raw"), g.Dial(admin, "?room=other")
	_, first := inRoom.Joined()
	alsoIn.Joined()
	alsoIn.Send(`{"type":"subscribe","room":"a"}`)
	alsoIn.Expect("subscribed")
	bystander := g.Dial(admin, "?room=other")
	bystander.Joined()
	await(t, "the raw subscriber", func() bool { return g.Do("GET", "/rooms/a", admin, nil).JSON()["subscribers"] == 3.0 })

	info := put(t, g, "a", `{"durability":"memory"}`)
	if info["epoch"] == first["epoch"] || info["durability"] != "memory" || info["seq"] != 5.0 {
		t.Errorf("in memory: %v", info)
	}
	for what, s := range map[string]*gatewaytest.Socket{"subscriber": inRoom, "raw subscriber": raw, "subscriber among others": alsoIn} {
		wantRestart(t, what, s)
	}
	e1, e2 := first["epoch"].(string), info["epoch"].(string)
	second := wantResumed(t, g, "a", e1, 5)
	if ack := publishAs(t, second, "a", "m", `"in memory"`); ack.Seq != 6 || ack.Durability != "memory" {
		t.Errorf("in memory the ack is %+v", ack)
	}
	wantResumed(t, g, "a", e1, 5, 6)
	wantResumed(t, g, "a", e2, 5, 6)
	wantNotResumed(t, g, "a", e1, 3) // 4 and 5 are on disk
	wantNotResumed(t, g, "a", e1, 6) // which was never there

	back := put(t, g, "a", `{"durability":"queued"}`)
	e3 := back["epoch"].(string)
	if e3 == e1 || e3 == e2 || back["seq"] != 5.0 {
		t.Errorf("back on disk: %v", back)
	}
	wantRestart(t, "subscriber in memory", second)
	// Whoever was there before has missed the message that was in memory.
	for _, epoch := range []string{e1, e2, "nonsense"} {
		for _, after := range []int{0, 3, 5, 6} {
			wantNotResumed(t, g, "a", epoch, after)
		}
	}
	third := wantResumed(t, g, "a", e3, 3, 4, 5)
	if ack := publishAs(t, third, "a", "d", `6`); ack.Seq != 6 || ack.Durability != "queued" {
		t.Errorf("back on disk the ack is %+v", ack)
	}
	bystander.Send(`{"type":"ping"}`)
	bystander.Expect("pong")
}

// The same by the configuration: what was published while it said memory is
// gone, and nobody knows any more that there was something.
func TestConfiguredToMemoryAndBack(t *testing.T) {
	t.Parallel()
	queued, memory := writeConfig(t, ""), writeConfig(t, "[[rooms]]\nmatch = \"*\"\ndurability = \"memory\"\n")
	g := gatewaytest.Start(t, "config="+queued)
	fill(t, g, "used", 5)
	rooms := []string{"used", "unused"}
	epochs := make(map[string]string)
	for _, room := range rooms {
		_, subscribed := g.Dial(g.Token("admin"), "?room="+room).Joined()
		epochs[room] = subscribed["epoch"].(string)
	}
	restart := func(config string) {
		t.Helper()
		if err := g.Stop(); err != nil {
			t.Fatal(err)
		}
		g = gatewaytest.StartIn(t, g.Dir, "config="+config)
	}
	restart(queued)
	wantResumed(t, g, "used", epochs["used"], 3, 4, 5)
	wantResumed(t, g, "unused", epochs["unused"], 0)
	restart(memory)
	for _, room := range rooms {
		wantNotResumed(t, g, room, epochs[room], 0)
		fill(t, g, room, 3)
	}
	restart(memory)
	restart(queued)
	wantNotResumed(t, g, "used", epochs["used"], 5)
	wantNotResumed(t, g, "used", epochs["used"], 3)
	wantNotResumed(t, g, "unused", epochs["unused"], 0)
	if page := history(t, g, g.Token("admin"), "used", ""); len(page.Messages) != 5 {
		t.Errorf("stored are %+v", page.Messages)
	}
}

func TestDeleteRoom(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "config="+writeConfig(t, "[[rooms]]\nmatch = \"mem.*\"\ndurability = \"memory\"\n[[rooms]]\nmatch = \"fs.*\"\ndurability = \"fsynced\"\n"))
	for _, room := range []string{"queued", "fs.1", "mem.1"} {
		t.Run("ok "+room, func(t *testing.T) { testDeleteRoom(t, g, room) })
	}
}

func testDeleteRoom(t *testing.T, g *gatewaytest.Gateway, room string) {
	admin := g.Token("admin")
	fill(t, g, room, 5)
	s, raw := g.Dial(admin, "?room="+room), g.Dial(admin, "?format=raw&room="+room)
	_, before := s.Joined()
	if ack := publishAs(t, s, room, "same id", `"old"`); ack.Seq != 6 {
		t.Fatalf("the ack is %+v", ack)
	}
	put(t, g, room, `{"max_messages":50}`)
	await(t, "the raw subscriber", func() bool { return g.Do("GET", "/rooms/"+room, admin, nil).JSON()["subscribers"] == 2.0 })

	deleteRoom(t, g, room)
	for { // its own message may stand before that
		m := s.Next()
		if m["type"] == "message" {
			continue
		}
		if m["type"] != "unsubscribed" || m["room"] != room || m["reason"] != "deleted" {
			t.Errorf("the subscriber was told %v", m)
		}
		break
	}
	wantRestart(t, "the raw subscriber", raw)
	info := g.Do("GET", "/rooms/"+room, admin, nil).JSON()
	if info["seq"] != 0.0 || info["epoch"] == before["epoch"] || info["max_messages"] != 100000.0 || info["subscribers"] != 0.0 {
		t.Errorf("the room is %v", info)
	}
	if p := presentIn(t, g, admin, room); p.Count != 0 {
		t.Errorf("present are %v", p)
	}
	if page := history(t, g, admin, room, "?after=0"); len(page.Messages) > 0 || page.Epoch != info["epoch"] {
		t.Errorf("there is history: %+v", page)
	}
	// The socket lives and may publish; what came before is forgotten, its id
	// too.
	if ack := publishAs(t, s, room, "same id", `"new"`); ack.Seq != 1 {
		t.Errorf("the next ack is %+v", ack)
	}
	for epoch, after := range map[string]int{before["epoch"].(string): 1, "nonsense": 0} {
		if answer, _ := resumed(t, g, room, epoch, after); answer["recovered"] != false || answer["epoch"] != info["epoch"] {
			t.Errorf("epoch %s: %v", epoch, answer)
		}
	}
	if page := history(t, g, admin, room, ""); len(page.Messages) != 1 || string(page.Messages[0].Data) != `"new"` {
		t.Errorf("the history is %+v", page)
	}
}

// What was deleted does not come back, whatever happens next, and a room that
// nobody has used can be deleted like any other.
func TestDeletedIsDeleted(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	fill(t, g, "a", 5)
	fill(t, g, "b", 1)
	old := history(t, g, g.Token("admin"), "a", "").Epoch
	deleteRoom(t, g, "a")
	deleteRoom(t, g, "a")
	deleteRoom(t, g, "unused")
	deleteRoom(t, g, strings.Repeat("r", 128))
	for _, g := range []*gatewaytest.Gateway{g, gatewaytest.StartIn(t, copyDir(t, g.Dir))} {
		var list struct{ Rooms []struct{ Room string } }
		if err := json.Unmarshal(g.Do("GET", "/rooms", g.Token("admin"), nil).Body, &list); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(list.Rooms) != "[{b}]" {
			t.Errorf("the rooms are %v", list.Rooms)
		}
		if page := history(t, g, g.Token("admin"), "a", ""); len(page.Messages) > 0 || page.Epoch == old {
			t.Errorf("the history is %+v", page)
		}
		a := g.Do("POST", "/rooms/a/messages", g.Token("admin"), `{"data":1}`).JSON()
		if a["seq"] != 1.0 {
			t.Errorf("the next message is %v", a)
		}
		deleteRoom(t, g, "a")
	}
}
