package password

import (
	"context"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// held is how much of the heap has pages, in MiB: what is in use and what was and
// has not been given back.
func held() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return (m.HeapSys - m.HeapReleased) >> 20
}

func hashInARow(t *testing.T, p Params, n int) (most uint64) {
	t.Helper()
	h, err := New(Options{Params: p, Concurrency: 1, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		if err := h.VerifyDummy(context.Background(), "x"); err != nil {
			t.Fatal(err)
		}
		most = max(most, held())
	}
	return most
}

// Hashes in a row must not pile their blocks up, and after the last the pages
// must go back. One block more than there is may have pages: when something small
// has come to lie in its place, the next one needs another.
func TestMemoryStaysBounded(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(1000))
	debug.FreeOSMemory()
	before := held()
	most := hashInARow(t, Params{MemoryKiB: 48 << 10, Time: 1, Threads: 1}, 8)
	t.Logf("%d MiB were held before and %d at most", before, most)
	if most >= before+3*48 {
		t.Errorf("%d MiB were held: blocks of 48 MiB piled up on %d MiB", most, before)
	}
	for deadline := time.Now().Add(10 * time.Second); held() >= before+48; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d MiB are still held after the last hash", held())
		}
	}
}

// In a large gateway a collection is dear and not made for every hash; what waits
// for it is bounded all the same, even where the collector takes its time.
func TestMemoryStaysBoundedBesideALargeHeap(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(1000))
	type node struct {
		next *node
		_    [48]byte // about what a small object has
	}
	var list *node
	for range 1 << 20 {
		list = &node{next: list}
	}
	debug.FreeOSMemory()
	before, cycles := held(), collections()
	most := hashInARow(t, Params{MemoryKiB: 19 << 10, Time: 1, Threads: 1}, 12)
	cycles = collections() - cycles
	t.Logf("%d MiB were held before and %d at most, %d collections in 12 hashes", before, most, cycles)
	if most >= before+5*19 {
		t.Errorf("%d MiB were held: blocks of 19 MiB piled up on %d MiB", most, before)
	}
	runtime.KeepAlive(list)
}

// countCollections counts the collections while do runs, and does it again when
// there were not as many as wanted: the runtime collects every two minutes,
// whatever is set.
func countCollections(want uint64, do func()) (got uint64) {
	for range 3 {
		before := collections()
		do()
		if got = collections() - before; got == want {
			break
		}
	}
	return got
}

func TestCollectionsAreSpared(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	const block = 19 << 10
	tests := []struct {
		name         string
		cost, took   time.Duration // of a collection and of a hash
		kib          uint32
		hashes, want uint64 // hashes and the collections that they ask for
	}{
		{"ok cheap, each time", time.Millisecond, 50 * time.Millisecond, block, 6, 6},
		{"ok dear, every third of 19 MiB", 50 * time.Millisecond, 50 * time.Millisecond, block, 7, 3},
		{"ok dear, every sixth of 7 MiB", 50 * time.Millisecond, 20 * time.Millisecond, 7 << 10, 13, 3},
		{"ok dear, each of 64 MiB", 50 * time.Millisecond, 50 * time.Millisecond, 64 << 10, 4, 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := countCollections(tt.want, func() {
				var now time.Time
				m := memory{delay: time.Hour, now: func() time.Time {
					now = now.Add(tt.cost)
					return now
				}}
				for range tt.hashes {
					m.spent(tt.kib, tt.took)
				}
			})
			if got != tt.want {
				t.Errorf("%d collections for %d hashes, want %d", got, tt.hashes, tt.want)
			}
		})
	}
	t.Run("ok the collector was here by itself", func(t *testing.T) {
		var m memory
		const other = 15 << 10 // three would be too much, two are not
		got := countCollections(6, func() {
			var now time.Time
			m = memory{delay: time.Hour, cost: time.Second, now: func() time.Time { return now }}
			for range 6 {
				m.spent(other, time.Millisecond)
				runtime.GC()
			}
		})
		if got != 6 {
			t.Errorf("%d collections were asked for beside those that came by themselves", got-6)
		}
		if m.dead != 2*other {
			t.Errorf("%d KiB count as there, want the last two blocks, %d", m.dead, 2*other)
		}
	})
}

// Pages go back once, when it has been quiet for a while.
func TestPagesGoBackWhenItIsQuiet(t *testing.T) {
	m := memory{delay: 50 * time.Millisecond, cost: time.Hour, now: time.Now}
	armed := func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.armed
	}
	forced := func() uint32 { // collections that somebody asked for
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.NumForcedGC
	}
	for range 3 {
		m.spent(1, 0)
	}
	if !armed() {
		t.Fatal("nobody gives the pages back")
	}
	before := forced()
	for deadline := time.Now().Add(10 * time.Second); armed() || forced() == before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the pages were never given back")
		}
	}
	m.spent(1, 0)
	if !armed() {
		t.Error("after the next hash nobody gives the pages back")
	}
}
