package boltstore

import (
	"strings"
	"testing"

	"edgegw/internal/gateway"
	"edgegw/internal/storetest"
)

// TestReadTransactionsAreShort counts them: a long one keeps the memory map and
// freed pages in place.
func TestReadTransactionsAreShort(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	for range 1000 {
		storetest.Publish(t, h, site, "r", "x")
	}
	h.settle(t)
	before := h.db.Stats().TxN
	page, err := h.Page("r", gateway.HistoryQuery{Limit: 1000})
	if err != nil || len(page.Messages) != 1000 {
		t.Fatalf("%d messages, %v", len(page.Messages), err)
	}
	if n := h.db.Stats().TxN - before; n != 1000/readBatch {
		t.Errorf("1000 messages took %d read transactions; want %d", n, 1000/readBatch)
	}
}

// TestLargePagesAreCut reads messages that together are larger than a page may
// be, both ways and from both places.
func TestLargePagesAreCut(t *testing.T) {
	const n = 40
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	for i := range n {
		storetest.Publish(t, h, site, "r", strings.Repeat("x", maxPageBytes/8))
		h.flush(t)
		if i == n/2 {
			h.settle(t)
		}
	}
	for _, oldestFirst := range []bool{false, true} {
		q := gateway.HistoryQuery{Limit: 1000, OldestFirst: oldestFirst}
		for seen := 0; ; {
			page, err := h.Page("r", q)
			got := len(page.Messages)
			if err != nil || got == 0 || got > 8 {
				t.Fatalf("a page of %d messages, %v", got, err)
			}
			seen += got
			more := page.Older
			if q.Before = page.Messages[0].Seq; oldestFirst {
				q.Before, q.After, more = 0, page.Messages[got-1].Seq, page.Newer
			}
			if !more {
				if seen != n {
					t.Errorf("%d of %d messages seen", seen, n)
				}
				break
			}
		}
	}
}
