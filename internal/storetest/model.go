package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"edgegw/internal/gateway"
)

// pagesLikeModel asks random queries of rooms with random gaps in time and
// compares the answers with those of the simplest thing that could be right.
func pagesLikeModel(t *testing.T, s Subject, site *Site) {
	rooms := 0
	rapid.Check(t, func(rt *rapid.T) {
		rooms++
		room := gateway.RoomID(fmt.Sprint("room-", rooms))
		site.Change(func(r *gateway.RoomSettings) {
			r.MaxMessages = rapid.SampledFrom([]int64{5, 20, 1 << 30}).Draw(rt, "max messages")
		})
		keep := site.Settings(room).MaxMessages
		var kept []gateway.Message
		start := gateway.Timestamp(site.Now().UnixMilli())
		for range rapid.IntRange(0, 40).Draw(rt, "messages") {
			site.Advance(time.Duration(rapid.IntRange(0, 2).Draw(rt, "gap")) * time.Millisecond)
			kept = append(kept, Publish(t, s, site, room, "x"))
			if rapid.IntRange(0, 9).Draw(rt, "settle") == 0 {
				s.settle()
			}
		}
		kept = kept[max(0, len(kept)-int(keep)):]
		for range 20 {
			q := gateway.HistoryQuery{
				After:       gateway.Seq(rapid.IntRange(0, 45).Draw(rt, "after")),
				Before:      gateway.Seq(rapid.IntRange(0, 45).Draw(rt, "before")),
				From:        drawTime(rt, "from", start),
				To:          drawTime(rt, "to", start),
				Limit:       rapid.IntRange(1, 45).Draw(rt, "limit"),
				OldestFirst: rapid.Bool().Draw(rt, "oldest first"),
			}
			got, err := s.Page(room, q)
			if err != nil {
				rt.Fatal(err)
			}
			head, err := s.Head(room)
			if err != nil || head != got.Head {
				rt.Fatalf("Head = %+v, %v; the page's is %+v", head, err, got.Head)
			}
			want := model(kept, q)
			want.Head = head
			if diff := cmp.Diff(want, got); diff != "" {
				rt.Fatalf("Page(%+v) (-want +got):\n%s", q, diff)
			}
		}
	})
}

func drawTime(t *rapid.T, name string, start gateway.Timestamp) gateway.Timestamp {
	ms := rapid.IntRange(-2, 60).Draw(t, name)
	if ms == -2 || rapid.Bool().Draw(t, "no "+name) {
		return 0
	}
	return start + gateway.Timestamp(ms)
}

// model answers a query by looking at every message.
func model(kept []gateway.Message, q gateway.HistoryQuery) gateway.HistoryPage {
	var page gateway.HistoryPage
	var older, newer int // messages of the time range beside the queried seqs
	for _, m := range kept {
		switch {
		case q.From != 0 && m.TS < q.From, q.To != 0 && m.TS >= q.To:
		case m.Seq > q.After && (q.Before == 0 || m.Seq < q.Before):
			page.Messages = append(page.Messages, m)
		default:
			if m.Seq <= q.After {
				older++
			}
			if q.Before != 0 && m.Seq >= q.Before {
				newer++
			}
		}
	}
	if extra := len(page.Messages) - q.Limit; extra > 0 && q.OldestFirst {
		page.Messages = page.Messages[:q.Limit]
		newer += extra
	} else if extra > 0 {
		page.Messages = page.Messages[extra:]
		older += extra
	}
	page.Older, page.Newer = older > 0, newer > 0
	return page
}

func pagingMeetsAll(t *testing.T, s Subject, site *Site) {
	const n = 450 // more than one read transaction takes, in both places
	for i := range n {
		site.Advance(time.Millisecond)
		Publish(t, s, site, "r", fmt.Sprint(i))
		if i == n/2+50 {
			s.settle()
		}
	}
	if all := All(t, s, "r"); len(all) != n {
		t.Errorf("forth: %d of %d messages", len(all), n)
	}
	for _, limit := range []int{1, 7, 200, 201, 1000} {
		want, q := gateway.Seq(n), gateway.HistoryQuery{Limit: limit}
		for {
			page, err := s.Page("r", q)
			if err != nil {
				t.Fatal(err)
			}
			for i := len(page.Messages) - 1; i >= 0; i-- {
				if page.Messages[i].Seq != want {
					t.Fatalf("limit %d: seq %d where %d was due", limit, page.Messages[i].Seq, want)
				}
				want--
			}
			if !page.Older {
				break
			}
			q.Before = page.Messages[0].Seq
		}
		if want != 0 {
			t.Errorf("limit %d: back: %d messages missing", limit, want)
		}
	}
}
