package boltstore

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"edgegw/internal/gateway"
)

// TestIDListAgainstModel adds new and used ids at random times, cuts the list in
// two as a restart does, and asks for all of them.
func TestIDListAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var all []idEntry // everything that was ever added
		var l idList
		now := gateway.Timestamp(1_700_000_000_000)
		find := func(sum idSum, ts gateway.Timestamp) gateway.Seq {
			for i := len(all) - 1; i >= 0; i-- {
				if e := all[i]; e.sum == sum {
					if rank := len(all) - i; rank <= newestIDs || rank <= mostIDs && e.ts >= ts-5*60*1000 {
						return e.seq
					}
					return 0
				}
			}
			return 0
		}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			// Rarely used ids push each other out; a few are used all the time.
			ids := rapid.SampledFrom([]int{3, 300, 100_000}).Draw(rt, "ids")
			pause := rapid.SampledFrom([]gateway.Timestamp{0, 0, 1000, 20_000}).Draw(rt, "pause")
			for i := range rapid.IntRange(1, 150).Draw(rt, "messages") {
				now += pause
				e := idEntry{sum: sumID(gateway.MessageID(fmt.Sprint((len(all) * 7) % ids))), seq: gateway.Seq(len(all) + 1), ts: now}
				all = append(all, e)
				l.add(e)
				if i%16 == 0 {
					l.place(e.sum) // makes the index, when there is one
				}
			}
			if cut := rapid.IntRange(0, len(l.entries)).Draw(rt, "cut"); rapid.Bool().Draw(rt, "in two") {
				stored := l.entries
				l = idList{entries: append([]idEntry(nil), l.entries[cut:]...)}
				l.precede(stored) // the file has what is in memory, too
				l.trim(now)
			}
			ts := now + gateway.Timestamp(rapid.SampledFrom([]int{0, 1, 5 * 60 * 1000, 5*60*1000 + 1}).Draw(rt, "later"))
			for i := range all {
				sum := all[i].sum
				e, _ := l.find(sum, ts)
				if want := find(sum, ts); e.seq != want {
					rt.Fatalf("seq %d is found as %d, want %d; %d of %d are in the list", i+1, e.seq, want, len(l.entries), len(all))
				}
			}
		}
	})
}

func TestSumsOfIDs(t *testing.T) {
	seen := make(map[idSum]string)
	long := string(make([]byte, 200))
	for n := range len(long) {
		for _, id := range []string{long[:n], long[:n] + "x"} {
			sum := sumID(gateway.MessageID(id))
			if old, twice := seen[sum]; twice {
				t.Errorf("%q and %q have one sum", old, id)
			}
			seen[sum] = id
		}
	}
}
