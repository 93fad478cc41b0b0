package boltstore

import (
	"fmt"
	"testing"

	"edgegw/internal/gateway"
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

// BenchmarkEncode is what the writer does for a record besides bbolt.
func BenchmarkEncode(b *testing.B) {
	rec := record("plant.1", 1, string(make([]byte, 200)))
	b.ReportAllocs()
	var arena []byte
	for b.Loop() {
		arena = appendLogEntry(arena[:0], rec)
	}
}
