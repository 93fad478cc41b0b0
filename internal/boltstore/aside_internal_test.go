package boltstore

import (
	"testing"

	"edgegw/internal/storetest"
)

// Long commits run aside: a large batch, and a fill of whatever size.
func TestLongCommitsRunAside(t *testing.T) {
	for _, tc := range []struct {
		name              string
		records, fillAt   int
		wantAside, wantIn int
	}{
		{"ok small", longCommit - 1, 5000, 0, longCommit - 1},
		{"ok large", longCommit, 5000, 1, longCommit},
		{"ok fill", 10, 10, 1, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			site := storetest.NewSite()
			aside := 0
			h := openTest(t, site, "", func(o *HistoryOptions) {
				o.fillRecords = tc.fillAt
				o.Aside = func(commit func()) { aside++; commit() }
			})
			publishIDs(t, h, site, "r", "ann", tc.records)
			h.flush(t)
			if aside != tc.wantAside || h.tail.records != tc.wantIn {
				t.Errorf("%d commits ran aside and %d records are in the log, want %d and %d", aside, h.tail.records, tc.wantAside, tc.wantIn)
			}
		})
	}
}
