package boltstore

import (
	"fmt"
	"testing"

	"edgegw/internal/gateway"
	"edgegw/internal/once"
	"edgegw/internal/storetest"
)

// BenchmarkAppend is the publisher's side alone, over 100 rooms; what is queued
// is thrown away from time to time.
func BenchmarkAppend(b *testing.B) {
	site := storetest.NewSite()
	h := openTest(b, site, "", nil)
	recs := make([]gateway.Record, 10_000)
	for i := range recs {
		recs[i] = *record(gateway.RoomID(fmt.Sprint("room-", i%100)), gateway.Seq(i/100+1), "a short payload")
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if n := i % len(recs); n == 0 && i > 0 {
			b.StopTimer()
			h.queue.items, h.queue.bytes = h.queue.items[:0], 0
			clear(h.rooms)
			b.StartTimer()
		}
		if err := h.Append(&recs[i%len(recs)]); err != nil {
			b.Fatal(err)
		}
	}
	h.queue.items = nil
}

// BenchmarkAppendID asks for each id and appends, as a hub does, when the accounts
// have their lists: 20 in each of 5 rooms, of 64 ids, or one in each, of 30,000.
func BenchmarkAppendID(b *testing.B) {
	for _, load := range []struct{ accounts, list int }{{20, once.Newest}, {1, 4096}, {1, 30_000}} {
		b.Run(fmt.Sprintf("accounts=%d/list=%d", load.accounts, load.list), func(b *testing.B) {
			const rooms, timed = 5, 20_000
			site := storetest.NewSite()
			h := openTest(b, site, "", nil)
			now := gateway.Timestamp(site.Now().UnixMilli())
			warm := rooms * load.accounts * load.list
			recs := make([]gateway.Record, warm+timed)
			for i := range recs {
				recs[i] = *record(gateway.RoomID(fmt.Sprint("room-", i%rooms)), gateway.Seq(i/rooms+1), "a short payload")
				m := &recs[i].Message
				m.User, m.ID, m.TS = gateway.AccountName(fmt.Sprint("device-", i/rooms%load.accounts)), gateway.MessageID(fmt.Sprintf("%022d", i)), now
				if load.list == once.Newest && i < warm {
					m.TS -= 1_000_000
				}
			}
			publish := func(i int) {
				rec := &recs[i]
				if found, err := h.Find(rec.Room, rec.Message.User, rec.Message.ID); found.Seq != 0 || err != nil {
					b.Fatal(found, err)
				}
				if err := h.Append(rec); err != nil {
					b.Fatal(err)
				}
				if i%1000 == 0 {
					h.queue.items, h.queue.bytes = h.queue.items[:0], 0
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				if i%timed == 0 {
					b.StopTimer()
					clear(h.rooms)
					h.publishers = publishers{most: maxIDBytes, full: maxIDBytes}
					for at := range warm {
						publish(at)
					}
					b.StartTimer()
				}
				publish(warm + i%timed)
			}
			h.queue.items = nil
		})
	}
}

// BenchmarkFind asks for an id that is not there: of an account that is in memory,
// and of one that has to be read.
func BenchmarkFind(b *testing.B) {
	site := storetest.NewSite()
	h := openTest(b, site, "", nil)
	for i := range 100 {
		publishIDs(b, h, site, "r", gateway.AccountName(fmt.Sprint("device-", i)), once.Newest)
	}
	h.settle(b)
	for _, most := range []int{maxIDBytes, 1} {
		b.Run(fmt.Sprint("forgotten=", most == 1), func(b *testing.B) {
			h.publishers.most = most
			users := []gateway.AccountName{"device-7", "device-8"}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				user := users[i%2]
				if most == 1 {
					delete(h.rooms["r"].publishers, user)
				}
				if found, err := h.Find("r", user, "a-new-one"); found.Seq != 0 || err != nil {
					b.Fatal(found, err)
				}
			}
		})
	}
}

// BenchmarkEncode is what the writer does for a record besides bbolt.
func BenchmarkEncode(b *testing.B) {
	rec := record("plant.1", 1, string(make([]byte, 200)))
	b.ReportAllocs()
	var arena []byte
	for b.Loop() {
		arena = appendLogEntry(arena[:0], rec)
	}
}
