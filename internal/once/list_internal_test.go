package once

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// TestListAgainstModel adds new and used ids at random times, cuts the list in two
// as a restart does, shortens it, and asks for all of them.
func TestListAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var all []Entry // everything that was ever added
		var l List
		now, cut := int64(1_700_000_000_000), 0
		find := func(sum Sum, ts int64) uint64 {
			for i := len(all) - 1; i >= 0; i-- {
				if e := all[i]; e.Sum == sum {
					if rank := len(all) - i; rank <= Newest || i >= cut && e.TS >= ts-5*60*1000 {
						return e.Seq
					}
					return 0
				}
			}
			return 0
		}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			// Rarely used ids push each other out; a few are used all the time.
			ids := rapid.SampledFrom([]int{3, 300, 100_000}).Draw(rt, "ids")
			pause := rapid.SampledFrom([]int64{0, 0, 1000, 20_000}).Draw(rt, "pause")
			for i := range rapid.IntRange(1, 150).Draw(rt, "messages") {
				now += pause
				e := Entry{Sum: SumOf(fmt.Sprint((len(all) * 7) % ids)), Seq: uint64(len(all) + 1), TS: now}
				all = append(all, e)
				l.Add(e)
				if i%16 == 0 {
					l.place(e.Sum) // makes the index, when there is one
				}
			}
			if at := rapid.IntRange(0, l.Len()).Draw(rt, "cut"); rapid.Bool().Draw(rt, "in two") {
				stored := l.entries
				l = List{entries: append([]Entry(nil), l.entries[at:]...)}
				l.Precede(stored) // the file has what is in memory, too
				l.Trim(now)
			}
			if n := rapid.IntRange(1, 200).Draw(rt, "taken"); rapid.Bool().Draw(rt, "shorten") {
				want := max(min(l.Len(), Newest), l.Len()-n)
				if Shorten([]*List{&l}, n); l.Len() != want {
					rt.Fatalf("%d entries are left, want %d", l.Len(), want)
				}
				cut = len(all) - l.Len()
			}
			ts := now + int64(rapid.SampledFrom([]int{0, 1, 5 * 60 * 1000, 5*60*1000 + 1}).Draw(rt, "later"))
			for i := range all {
				sum := all[i].Sum
				e, _ := l.Find(sum, ts)
				if want := find(sum, ts); e.Seq != want {
					rt.Fatalf("seq %d is found as %d, want %d; %d of %d are in the list", i+1, e.Seq, want, l.Len(), len(all))
				}
			}
		}
	})
}

// grown returns a list of n ids that were published at one time.
func grown(n int) *List {
	l := &List{}
	for i := range n {
		l.Add(Entry{Sum: SumOf(fmt.Sprint(i)), Seq: uint64(i + 1)})
	}
	return l
}

// TestShorten takes from the longest first.
func TestShorten(t *testing.T) {
	tests := []struct {
		name    string
		before  []int
		entries int
		after   []int
	}{
		{"ok the longest alone", []int{500, 200, 64, 3}, 300, []int{200, 200, 64, 3}},
		{"ok two alike", []int{500, 200, 64, 3}, 400, []int{150, 150, 64, 3}},
		{"ok a few more, so that two stay alike", []int{100, 100}, 1, []int{99, 99}},
		{"ok never below the newest", []int{500, 200, 64, 3}, 10_000, []int{64, 64, 64, 3}},
		{"ok nothing to take", []int{64, 3}, 1, []int{64, 3}},
		{"ok no lists", nil, 1, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var lists []*List
			for _, n := range test.before {
				lists = append(lists, grown(n))
			}
			Shorten(lists, test.entries)
			for i, l := range lists {
				if l.Len() != test.after[i] || l.Newest() != uint64(test.before[i]) {
					t.Errorf("list %d has %d entries up to seq %d, want the newest %d", i, l.Len(), l.Newest(), test.after[i])
				}
			}
		})
	}
}

// TestListGivesBack lets a long list become short, at once and little by little.
func TestListGivesBack(t *testing.T) {
	for _, step := range []int{1, 700, 100_000} {
		l := grown(30_000)
		l.place(Sum{})
		for l.Len() > Newest {
			Shorten([]*List{l}, step)
		}
		if l.held > 4*Newest+4 || l.index != nil {
			t.Errorf("in steps of %d: %d entries are held, index %v", step, l.held, l.index != nil)
		}
	}
}

func TestSums(t *testing.T) {
	seen := make(map[Sum]string)
	long := string(make([]byte, 200))
	for n := range len(long) {
		for _, id := range []string{long[:n], long[:n] + "x"} {
			sum := SumOf(id)
			if old, twice := seen[sum]; twice {
				t.Errorf("%q and %q have one sum", old, id)
			}
			seen[sum] = id
		}
	}
}

// TestHalfASumIsNotEnough asks for a sum that the index takes for another one.
func TestHalfASumIsNotEnough(t *testing.T) {
	l := grown(2 * indexed)
	sum := SumOf("7")
	if e, ok := l.Find(sum, 0); !ok || e.Seq != 8 {
		t.Errorf("found %+v, %v", e, ok)
	}
	sum[15]++
	if e, ok := l.Find(sum, 0); ok {
		t.Errorf("found %+v", e)
	}
}

// BenchmarkList asks for an id and adds it, in a list as long as five minutes at a
// hundred messages a second make it; old ones leave it as fast.
func BenchmarkList(b *testing.B) {
	l := &List{}
	sums := make([]Sum, 100_000)
	for i := range sums {
		sums[i] = SumOf(fmt.Sprint(i))
	}
	seq := uint64(0)
	publish := func() {
		seq++
		e := Entry{Sum: sums[seq%uint64(len(sums))], Seq: seq, TS: int64(seq * 10)}
		if _, found := l.Find(e.Sum, e.TS); found {
			b.Fatal("found what is not there")
		}
		l.Add(e)
	}
	for range 60_000 {
		publish()
	}
	b.ReportAllocs()
	for b.Loop() {
		publish()
	}
}
