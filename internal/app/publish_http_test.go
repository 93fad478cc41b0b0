package app_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"edgegw/internal/gatewaytest"
)

// receipt is what an answer or an ack says of a message.
type receipt struct {
	seq, ts    int64
	durability string
}

func post(t *testing.T, g *gatewaytest.Gateway, token, room, id, data string) receipt {
	t.Helper()
	a := g.Do("POST", "/rooms/"+room+"/messages", token, fmt.Sprintf(`{"id":%q,"data":%s}`, id, data))
	m := a.JSON()
	if a.Status != 201 || m["room"] != room || m["id"] != id {
		t.Fatalf("POST %s to %s: %d %s", id, room, a.Status, a.Body)
	}
	return receipt{int64(m["seq"].(float64)), int64(m["ts"].(float64)), m["durability"].(string)}
}

func receiptOf(m rawMessage) receipt { return receipt{m.Seq, m.TS, m.Durability} }

const allClasses = `
[[rooms]]
match = "memory"
durability = "memory"
[[rooms]]
match = "fsynced"
durability = "fsynced"
`

// The same (account, room, id) is one message, whichever way it comes in, and
// whatever it carries the second time.
func TestPublishingAgain(t *testing.T) {
	t.Parallel()
	config := "config=" + writeConfig(t, allClasses)
	g := gatewaytest.Start(t, config)
	ann, bob := g.User("ann"), g.User("bob")
	rooms := []string{"queued", "fsynced", "memory"}
	s := g.Dial(ann, "?room=lobby")
	s.Joined()
	firsts := map[string][2]receipt{}
	for _, room := range rooms {
		overHTTP, overSocket := post(t, g, ann, room, "h", `1`), receiptOf(publishAs(t, s, room, "w", `2`))
		if overHTTP.seq != 1 || overSocket.seq != 2 || overHTTP.durability != room || overSocket.durability != room {
			t.Errorf("%s: %+v, %+v", room, overHTTP, overSocket)
		}
		firsts[room] = [2]receipt{overHTTP, overSocket}
	}
	check := func(g *gatewaytest.Gateway, when string, s *gatewaytest.Socket, rooms ...string) {
		t.Helper()
		for _, room := range rooms {
			for i, id := range []string{"h", "w"} {
				if got := post(t, g, ann, room, id, `"again"`); got != firsts[room][i] {
					t.Errorf("%s, %s %s over HTTP: %+v, first %+v", when, room, id, got, firsts[room][i])
				}
				if got := receiptOf(publishAs(t, s, room, id, `"again"`)); got != firsts[room][i] {
					t.Errorf("%s, %s %s over WebSocket: %+v, first %+v", when, room, id, got, firsts[room][i])
				}
			}
			if page := history(t, g, ann, room, ""); len(page.Messages) != 2 || string(page.Messages[0].Data) != "1" || string(page.Messages[1].Data) != "2" {
				t.Errorf("%s: %s holds %+v", when, room, page.Messages)
			}
		}
	}
	check(g, "at once", s, rooms...)

	afterCut := gatewaytest.StartIn(t, copyDir(t, g.Dir), config)
	s2 := afterCut.Dial(ann, "?room=lobby")
	s2.Joined()
	check(afterCut, "after a power cut", s2, "queued", "fsynced")
	if got := post(t, afterCut, ann, "memory", "h", `1`); got.seq != 1 {
		t.Errorf("in memory after a restart: %+v", got)
	}
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	g = gatewaytest.StartIn(t, g.Dir, config)
	s = g.Dial(ann, "?room=lobby")
	s.Joined()
	check(g, "after a restart", s, "queued", "fsynced")

	// Another account, another room, another case and no id at all are other
	// messages.
	for i, got := range []receipt{post(t, g, bob, "queued", "h", `3`), post(t, g, ann, "queued", "H", `3`), post(t, g, ann, "other", "h", `3`)} {
		if want := []int64{3, 4, 1}[i]; got.seq != want {
			t.Errorf("another message has seq %d, want %d", got.seq, want)
		}
	}
	for seq := range 2 {
		if a := g.Do("POST", "/rooms/queued/messages", ann, `{"data":1}`).JSON(); a["seq"] != float64(5+seq) || a["id"] != nil {
			t.Errorf("without an id: %v", a)
		}
	}
}

// Many at once are one message: all get its answer, or are told to come back
// when more wait for one commit than may.
func TestPublishingTheSameAtOnce(t *testing.T) {
	t.Parallel()
	// The first commit begins the window in which the others wait.
	g := gatewaytest.Start(t, "commit_window=3s")
	admin := g.Token("admin")
	post(t, g, admin, "a", "first", `0`)
	const n = 130
	var mu sync.Mutex
	var all sync.WaitGroup
	answers, refused := map[string]int{}, 0
	for range n {
		all.Go(func() {
			a, err := g.Try("POST", "/rooms/a/messages", admin, `{"id":"same","data":1}`)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if a.Status == 429 && a.Code() == "rate_limited" {
				refused++
				return
			}
			m := a.JSON()
			answers[fmt.Sprint(a.Status, " ", m["seq"], " ", m["ts"], " ", m["durability"])]++
		})
	}
	all.Wait()
	if len(answers) != 1 || refused == 0 || refused > n/2 {
		t.Errorf("%d were told to come back, and the answers are %v", refused, answers)
	}
	if page := history(t, g, admin, "a", ""); len(page.Messages) != 2 {
		t.Errorf("%d messages are stored", len(page.Messages))
	}
	if got := post(t, g, admin, "a", "same", `1`); got.seq != 2 {
		t.Errorf("later: %+v", got)
	}
}

func TestPublishedSize(t *testing.T) {
	t.Parallel()
	const most = 2048
	g := gatewaytest.Start(t, fmt.Sprintf("max_message_bytes=%d", most))
	admin := g.Token("admin")
	text := func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }
	if got := post(t, g, admin, "a", strings.Repeat("i", 64), text(most)); got.seq != 1 {
		t.Errorf("the largest: %+v", got)
	}
	for name, test := range map[string]struct {
		body   string
		status int
		code   string
	}{
		"bad one byte more":        {`{"data":` + text(most+1) + `}`, 413, "too_large"},
		"bad one byte more of id":  {`{"data":1,"id":"` + strings.Repeat("i", 65) + `"}`, 400, "invalid_request"},
		"bad 65 bytes, 33 letters": {`{"data":1,"id":"` + strings.Repeat("é", 32) + `xx"}`, 400, "invalid_request"},
	} {
		if a := g.Do("POST", "/rooms/a/messages", admin, test.body); a.Status != test.status || a.Code() != test.code {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
	if page := history(t, g, admin, "a", ""); len(page.Messages) != 1 {
		t.Errorf("%d messages are stored", len(page.Messages))
	}
}
