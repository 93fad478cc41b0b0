package boltstore

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/once"
	"edgegw/internal/storetest"
)

// TestFoundRecord waits for the original's commit, which alone may acknowledge it.
func TestFoundRecord(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	publishIDs(t, h, site, "r", "ann", 3)
	h.settle(t)
	publishIDs(t, h, site, "r", "ann", 2)
	h.flush(t)
	for i := range 3 {
		rec := storetest.Next(t, h, site, "r", fmt.Sprint(i))
		rec.Message.ID = gateway.MessageID(fmt.Sprint("waiting-", i))
		if err := h.Append(rec); err != nil {
			t.Fatal(err)
		}
		if found, err := h.Find("r", "ada", rec.Message.ID); found.Record != rec || found.Seq != rec.Message.Seq || err != nil {
			t.Errorf("found %+v, %v; want the record of seq %d", found, err, rec.Message.Seq)
		}
	}
	h.flush(t)
	for _, id := range []gateway.MessageID{"ann-0", "ann-3", "waiting-0", "waiting-2"} {
		user := gateway.AccountName("ada")
		if id[0] == 'a' {
			user = "ann"
		}
		if found, err := h.Find("r", user, id); found.Record != nil || found.Seq == 0 || err != nil {
			t.Errorf("%s: found %+v, %v; want no record", id, found, err)
		}
	}
}

// TestIDsInMemoryAreBounded has far more publishers than may stay in memory.
func TestIDsInMemoryAreBounded(t *testing.T) {
	const users, each = 100, 20
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	h.publishers.most = 10 * (publisherOverhead + once.EntryBytes*each)
	sent := make(map[gateway.AccountName][]gateway.Message)
	for round := range 3 {
		for i := range users {
			user := gateway.AccountName(fmt.Sprint("user-", i))
			sent[user] = append(sent[user], publishIDs(t, h, site, "r", user, each/2)...)
		}
		if round == 1 {
			h.settle(t)
			if n := len(h.rooms["r"].publishers); n > 10 || h.publishers.idle.Len() != n || len(h.rooms["r"].unfilled) != 0 {
				t.Errorf("%d publishers stay in memory, %d in the list", n, h.publishers.idle.Len())
			}
		}
	}
	if n := len(h.rooms["r"].publishers); n != users {
		t.Errorf("%d of %d publishers that no fill has stored are in memory", n, users)
	}
	for range 2 {
		for _, all := range sent {
			checkAllFound(t, h, "r", all)
		}
		h.settle(t)
		if h.publishers.bytes > h.publishers.most {
			t.Errorf("%d bytes are in memory", h.publishers.bytes)
		}
	}
	storetest.CheckNotFound(t, h, "r", "stranger", "x")
	if err := h.Delete("r"); err != nil || h.publishers.bytes != 0 || h.publishers.idle.Len() != 0 {
		t.Errorf("%d bytes are left (%v)", h.publishers.bytes, err)
	}
}

// TestFindingWhileFilling asks for every id before and after it is published,
// while the writer fills and publishers are forgotten all the time.
func TestFindingWhileFilling(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", func(o *HistoryOptions) { o.fillRecords = 5 })
	h.db.NoSync = true
	h.publishers.most = 2000
	running(t, h)
	var publishers sync.WaitGroup
	for i := range 4 {
		room := gateway.RoomID(fmt.Sprint("room-", i))
		publishers.Go(func() {
			var sent []gateway.Message
			for n := range 300 {
				user := gateway.AccountName(fmt.Sprint("user-", n%5))
				id := gateway.MessageID(fmt.Sprint("m-", n))
				if found, err := h.Find(room, user, id); found.Seq != 0 || err != nil {
					t.Errorf("found %+v, %v", found, err)
				}
				sent = append(sent, storetest.PublishAs(t, h, site, room, user, id))
				for _, m := range []gateway.Message{sent[n], sent[n/2], sent[n*7/8]} {
					if found, err := h.Find(room, m.User, m.ID); found.Seq != m.Seq || err != nil {
						t.Errorf("%s: found %+v, %v; want seq %d", room, found, err, m.Seq)
					}
				}
			}
		})
	}
	publishers.Wait()
}

// TestAppendWithIDAllocates what its list grows by, and nothing for each message.
func TestAppendWithIDAllocates(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	publishIDs(t, h, site, "r", "ada", 200)
	site.Advance(time.Hour)
	publishIDs(t, h, site, "r", "ada", 200)
	head, _ := h.Head("r")
	recs := make([]*gateway.Record, 1002)
	for i := range recs {
		recs[i] = record("r", head.Seq+gateway.Seq(i)+1, "x")
		recs[i].Message.TS, recs[i].Message.ID = head.TS, gateway.MessageID(fmt.Sprint("id-", i))
	}
	i := 0
	got := testing.AllocsPerRun(1000, func() {
		if found, err := h.Find("r", "ada", recs[i].Message.ID); found.Seq != 0 || err != nil {
			t.Fatal(found, err)
		}
		if err := h.Append(recs[i]); err != nil {
			t.Fatal(err)
		}
		i++
	})
	if got > 1 {
		t.Errorf("%v allocations for each message with an id", got)
	}
}
