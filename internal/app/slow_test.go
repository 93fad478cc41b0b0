package app_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gatewaytest"
)

const overflowRooms = `
[[rooms]]
match = "oldest"
overflow = "drop_oldest"
[[rooms]]
match = "latest"
overflow = "keep_latest"
durability = "memory"
`

// stuck is a subscriber that reads no more once it is in.
func stuck(t *testing.T, g *gatewaytest.Gateway, query string) *gatewaytest.Socket {
	t.Helper()
	s := g.Dial(g.Token("admin"), query)
	if err := s.TCP().SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(query, "format=raw") {
		s.Joined()
	}
	return s
}

// flood publishes big messages to a room, a multiple of what may wait, and reads
// them all on a subscriber of its own, which shows that nobody waits for the
// stuck one. They are no more than a slow machine handles before the write
// deadline.
func flood(t *testing.T, g *gatewaytest.Gateway, room string, n int) {
	t.Helper()
	s := g.Dial(g.Token("admin"), "?room="+room)
	s.Joined()
	filler := strings.Repeat("x", 60<<10)
	for i := range n {
		s.Send(fmt.Sprintf(`{"type":"message","data":[%d,"%s"]}`, i, filler))
		if m := nextOf(t, s, "message"); m.Seq != int64(i+1) {
			t.Fatalf("the fast subscriber got seq %d, want %d", m.Seq, i+1)
		}
	}
}

func TestSlowConsumerIsClosed(t *testing.T) {
	t.Parallel()
	for name, more := range map[string][]string{"plain": nil, "TLS": {"listen=", "tls_listen=127.0.0.1:0"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slowConsumerIsClosed(t, gatewaytest.Start(t, append(more, "commit_window=1s", "send_queue_bytes=131072")...))
		})
	}
}

func slowConsumerIsClosed(t *testing.T, g *gatewaytest.Gateway) {
	t.Helper()
	const counted = `edgegw_ws_messages_dropped_total{reason="slow_consumer"}`
	for _, query := range []string{"?room=a", "?room=b&format=raw"} {
		before := metric(t, g, counted)
		s := stuck(t, g, query)
		if strings.Contains(query, "raw") {
			await(t, "the raw subscriber", func() bool {
				return g.Do("GET", "/rooms/b", g.Token("admin"), nil).JSON()["subscribers"] == 1.0
			})
		}
		flood(t, g, query[6:7], 25)
		if metric(t, g, counted) == before {
			t.Errorf("%s: no loss was counted", query)
		}
		// One who reads again finds what was on its way, and then why it ends.
		if end := s.Ended(); end.Code != 4002 || end.Reason != "slow_consumer" {
			t.Errorf("%s ended with %v", query, end)
		}
	}
	await(t, "the count of the slow ones", func() bool { return metric(t, g, `edgegw_ws_closed_total{code="4002"}`) == 2 })
}

// One who never reads again is given up when the write deadline is over.
func TestStuckConsumerIsCutOff(t *testing.T) {
	t.Parallel()
	for name, more := range map[string][]string{"plain": nil, "TLS": {"listen=", "tls_listen=127.0.0.1:0"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stuckConsumerIsCutOff(t, gatewaytest.Start(t, append(more, "commit_window=1s", "send_queue_bytes=131072")...))
		})
	}
}

func stuckConsumerIsCutOff(t *testing.T, g *gatewaytest.Gateway) {
	t.Helper()
	s := stuck(t, g, "?room=a")
	flood(t, g, "a", 25)
	for deadline := time.Now().Add(20 * time.Second); metric(t, g, `edgegw_ws_closed_total{code="4002"}`) == 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it is still there")
		}
	}
	if end := s.Ended(); end.Code != 1006 && end.Code != 4002 {
		t.Errorf("it ended with %v", end)
	}
	if !strings.Contains(g.Log(), `"code":4002`) {
		t.Error("the log does not say 4002")
	}
}

// span is the seqs that a subscriber got or was told of.
type span struct {
	next, delivered, gaps int64
	newest                int64 // of the last message
}

// follow reads up to the message or gap that ends with last, and checks that
// every seq comes once and in order, as a message or in a gap.
func follow(t *testing.T, s *gatewaytest.Socket, room, reason string, last int64) span {
	t.Helper()
	got := span{next: 1}
	for got.next <= last {
		f, err := s.Read()
		if err != nil {
			t.Fatalf("after %d of %d: %v", got.next-1, last, err)
		}
		var m struct {
			Type, Room, Reason string
			Seq, From, To      int64
		}
		if err := json.Unmarshal(f.Payload, &m); err != nil {
			t.Fatal(err)
		}
		switch {
		case m.Room != room:
			t.Fatalf("frame %.100s", f.Payload)
		case m.Type == "message" && m.Seq == got.next:
			got.next, got.newest = m.Seq+1, m.Seq
			got.delivered++
		case m.Type == "gap" && m.From == got.next && m.To >= m.From && m.Reason == reason:
			got.next = m.To + 1
			got.gaps++
		default:
			t.Fatalf("frame %.100s, want seq %d or a gap from it", f.Payload, got.next)
		}
	}
	return got
}

func TestOverflowPolicies(t *testing.T) {
	t.Parallel()
	const n = 30
	g := gatewaytest.Start(t, "commit_window=1s", "send_queue_bytes=131072", "config="+writeConfig(t, overflowRooms))
	for room, reason := range map[string]string{"oldest": "drop_oldest", "latest": "keep_latest"} {
		s := stuck(t, g, "?room="+room)
		flood(t, g, room, n)
		got := follow(t, s, room, reason, n)
		if got.gaps == 0 || got.newest != n {
			t.Errorf("%s: %+v", room, got)
		}
		// Two messages fit into the queue and one into the writer's hands;
		// the rest is what the kernel took on both sides.
		if got.delivered > n/2 {
			t.Errorf("%s: %d messages waited for one socket", room, got.delivered)
		}
		if dropped := metric(t, g, `edgegw_ws_messages_dropped_total{reason="`+reason+`"}`); dropped != float64(n-got.delivered) {
			t.Errorf("%s: %v losses counted, %d messages are missing", room, dropped, n-got.delivered)
		}
		s.Send("still there")
		if m := nextOf(t, s, "message"); m.Seq != n+1 {
			t.Errorf("%s: after the gap came %d", room, m.Seq)
		}
		// What is missing is in the history.
		if page := history(t, g, g.Token("admin"), room, "?after=0&limit=1000"); int64(len(page.Messages)) != n+1 && room == "oldest" {
			t.Errorf("%s: history has %d messages", room, len(page.Messages))
		}
	}
}
