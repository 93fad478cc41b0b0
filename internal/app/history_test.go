package app_test

import (
	"crypto/rand"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gatewaytest"
)

const pagedRooms = `
[[rooms]]
match = "memory"
durability = "memory"
[[rooms]]
match = "short.*"
max_messages = 10
[[rooms]]
match = "shortmemory"
durability = "memory"
max_messages = 10
`

// fill publishes n messages whose data are their seqs.
func fill(t *testing.T, g *gatewaytest.Gateway, room string, n int) {
	t.Helper()
	s := g.Dial(g.Token("admin"), "?room="+room)
	s.Joined()
	for i := range n {
		s.Send(fmt.Sprintf(`{"type":"message","id":"%s","data":%d}`, rand.Text(), i+1))
	}
	for range n {
		nextOf(t, s, "ack")
	}
	_ = s.Conn.Close()
}

func seqsOf(messages []rawMessage) (seqs []int64) {
	for _, m := range messages {
		seqs = append(seqs, m.Seq)
	}
	return seqs
}

func upTo(from, to int64) (seqs []int64) {
	for i := from; i <= to; i++ {
		seqs = append(seqs, i)
	}
	return seqs
}

var linkTarget = regexp.MustCompile(`<([^>]*)>; rel="(next|prev)"`)

// linksOf are the targets of an answer's Link headers.
func linksOf(a gatewaytest.Answer) map[string]string {
	links := map[string]string{}
	for _, m := range linkTarget.FindAllStringSubmatch(strings.Join(a.Header.Values("Link"), ", "), -1) {
		links[m[2]] = m[1]
	}
	return links
}

func TestHistoryWalks(t *testing.T) {
	t.Parallel()
	const n = 230
	g := gatewaytest.Start(t, "config="+writeConfig(t, pagedRooms))
	token := g.Token("admin")
	for _, room := range []string{"stored", "memory"} {
		fill(t, g, room, n)
		// By the cursors, from the newest to the oldest.
		var back []int64
		for query, pages := "?limit=7", 0; ; pages++ {
			page := history(t, g, token, room, query)
			back = append(seqsOf(page.Messages), back...)
			if page.Prev == nil || pages > n {
				break
			}
			query = fmt.Sprintf("?limit=7&before=%d", *page.Prev)
		}
		if !slices.Equal(back, upTo(1, n)) {
			t.Errorf("%s: backwards came %v", room, back)
		}
		// By the links, from the oldest to the newest and back again.
		for _, rel := range []string{"next", "prev"} {
			path := "/rooms/" + room + "/messages?limit=9&after=0"
			if rel == "prev" {
				path = "/rooms/" + room + "/messages?limit=9"
			}
			var seqs []int64
			for pages := 0; path != "" && pages <= n; pages++ {
				a := g.Do("GET", path, token, nil)
				page := history(t, g, token, room, path[strings.Index(path, "?"):])
				if rel == "next" {
					seqs = append(seqs, seqsOf(page.Messages)...)
				} else {
					seqs = append(seqsOf(page.Messages), seqs...)
				}
				path = linksOf(a)[rel]
			}
			if !slices.Equal(seqs, upTo(1, n)) {
				t.Errorf("%s: by rel=%s came %v", room, rel, seqs)
			}
		}
	}
}

func TestHistoryRanges(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	token := g.Token("admin")
	fill(t, g, "a", 60)
	time.Sleep(3 * time.Millisecond) // so that the second half is later
	fill(t, g, "a", 60)
	all := history(t, g, token, "a", "?limit=1000").Messages
	if len(all) != 120 {
		t.Fatalf("%d messages", len(all))
	}
	from, to := all[60].TS, all[119].TS
	inTime := func(from, to int64) (seqs []int64) {
		for _, m := range all {
			if m.TS >= from && m.TS < to {
				seqs = append(seqs, m.Seq)
			}
		}
		return seqs
	}
	tests := []struct {
		name, query string
		want        []int64
	}{
		{"ok newest by default", "", upTo(71, 120)},
		{"ok limit 1", "?limit=1", upTo(120, 120)},
		{"ok limit 1000", "?limit=1000", upTo(1, 120)},
		{"ok before", "?limit=5&before=50", upTo(45, 49)},
		{"ok before the first", "?before=1", nil},
		{"ok before beyond the end", "?limit=3&before=9000", upTo(118, 120)},
		{"ok after", "?limit=5&after=50", upTo(51, 55)},
		{"ok after 0", "?limit=5&after=0", upTo(1, 5)},
		{"ok after the last", "?after=120", nil},
		{"ok after and before", "?after=10&before=14", upTo(11, 13)},
		{"ok after and before that cross", "?after=14&before=10", nil},
		{"ok from", fmt.Sprintf("?limit=1000&from=%d", from), inTime(from, 1<<62)},
		{"ok to", fmt.Sprintf("?limit=1000&to=%d", from), inTime(0, from)},
		{"ok from and to", fmt.Sprintf("?limit=1000&from=%d&to=%d", from, to), inTime(from, to)},
		{"ok from, the oldest first", fmt.Sprintf("?limit=2&from=%d", from), inTime(from, 1<<62)[:2]},
		{"ok from 0", "?limit=2&from=0", upTo(1, 2)},
		{"ok from the future", "?from=9000000000000", nil},
	}
	for _, test := range tests {
		if got := seqsOf(history(t, g, token, "a", test.query).Messages); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	for _, bad := range []string{
		"limit=0", "limit=1001", "limit=-1", "limit=abc", "limit=1e2", "limit=", "limit=5&limit=6", "limit=+5", "limit=%zz", "limit=5;after=1",
		"before=0", "before=-1", "before=18446744073709551616", "before=9007199254740992", "after=-1", "after=x", "after=1&after=2",
		"from=-1", "from=2026-01-01", "to=0", "to=x", "unknown=1", "Limit=5", "limit=" + strings.Repeat("9", 100),
	} {
		if a := g.Do("GET", "/rooms/a/messages?"+bad, token, nil); a.Status != 400 || a.Code() != "invalid_request" {
			t.Errorf("%s: %d %s", bad, a.Status, a.Body)
		}
	}
}

func TestRetentionByCount(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "config="+writeConfig(t, pagedRooms))
	token := g.Token("admin")
	for _, room := range []string{"short.1", "shortmemory"} {
		fill(t, g, room, 100)
		page := history(t, g, token, room, "?limit=1000")
		if got := seqsOf(page.Messages); !slices.Equal(got, upTo(91, 100)) {
			t.Errorf("%s keeps %v", room, got)
		}
		if page := history(t, g, token, room, "?limit=1000&after=0"); len(page.Messages) != 10 {
			t.Errorf("%s: after 0 come %v", room, seqsOf(page.Messages))
		}
	}
	if info := g.Do("GET", "/rooms/short.1", token, nil).JSON(); info["max_messages"] != 10.0 || info["seq"] != 100.0 {
		t.Errorf("the room is %v", info)
	}
}
