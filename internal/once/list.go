// Package once remembers under which ids an account has published in a room, so
// that a message which is sent again is not stored again. It keeps no file and
// counts no memory: the stores do, and take from the lists what is too much.
package once

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sort"
	"time"
)

// What is remembered of the ids that an account gave to its messages in a room:
// the newest 64 whatever their age, and what else has been published in the last
// five minutes, unless it had to be cut.
const (
	Newest = 64
	Window = 5 * time.Minute
)

// EntryBytes is about what one id of a list takes of memory, its part of the index
// and the list's spare capacity included.
const EntryBytes = 88

const (
	// indexed is where looking through a list costs more than an index of it,
	// and unindexed is where that is over. Lists that have about that many ids
	// shall not make an index again and again.
	indexed   = 128
	unindexed = 96
)

// Sum stands for a message id, with 128 bits of its SHA-256.
type Sum [16]byte

// SumOf returns the sum of an id. It does not allocate for up to 64 bytes.
func SumOf(id string) Sum {
	var buf [64]byte
	n := copy(buf[:], id)
	sum := sha256.Sum256(buf[:n])
	if len(id) > len(buf) { // not from a client
		sum = sha256.Sum256([]byte(id))
	}
	return Sum(sum[:16])
}

func (s Sum) half() uint64 { return binary.LittleEndian.Uint64(s[:]) }

// Entry is one id that was published: its sum, and the seq and the time, in Unix
// milliseconds, of its message.
type Entry struct {
	Sum Sum
	Seq uint64
	TS  int64
}

// List holds what one account published in one room, ascending by seq. The zero
// List is empty. It is not safe for several goroutines.
type List struct {
	entries []Entry
	// held is the capacity of the array behind the entries, with what was
	// cut off in front of them.
	held int
	// index finds the newest seq of an id by half of its sum, which saves a
	// third of the memory. It is nil until the list is long and asked for
	// something.
	index map[uint64]uint64
}

// Add puts an entry at the end and lets those go that can never be found again.
func (l *List) Add(e Entry) {
	full := len(l.entries) == cap(l.entries)
	l.entries = append(l.entries, e)
	if full {
		l.held = cap(l.entries)
	}
	if l.index != nil {
		l.index[e.Sum.half()] = e.Seq
	}
	l.Trim(e.TS)
}

// Trim lets those go that can never be found again. It takes the time of the
// room's newest message, or a later one: the next message's is no less.
func (l *List) Trim(ts int64) {
	n, cutoff := 0, cutoff(ts)
	for len(l.entries)-n > Newest && l.entries[n].TS < cutoff {
		n++
	}
	l.drop(n)
}

// drop takes the oldest n. Each of them costs about the same, whatever n is.
func (l *List) drop(n int) {
	gone := l.entries[:n]
	l.entries = l.entries[n:]
	if len(l.entries) < unindexed || n > len(l.entries) {
		l.index = nil
	}
	if l.index != nil {
		for i := range gone {
			if e := &gone[i]; l.index[e.Sum.half()] == e.Seq {
				delete(l.index, e.Sum.half())
			}
		}
	}
	if len(l.entries) < l.held/4 {
		l.entries, l.index = slices.Clone(l.entries), nil
		l.held = cap(l.entries)
	}
}

// Find looks for an id that would be published again at ts.
func (l *List) Find(sum Sum, ts int64) (Entry, bool) {
	i := l.place(sum)
	if i < 0 || len(l.entries)-i > Newest && l.entries[i].TS < cutoff(ts) {
		return Entry{}, false
	}
	return l.entries[i], true
}

// place returns where the newest entry of the id stands, or -1.
func (l *List) place(sum Sum) int {
	if l.index == nil && len(l.entries) < indexed {
		for i := len(l.entries) - 1; i >= 0; i-- {
			if l.entries[i].Sum == sum {
				return i
			}
		}
		return -1
	}
	if l.index == nil {
		l.index = make(map[uint64]uint64, len(l.entries))
		for i := range l.entries {
			l.index[l.entries[i].Sum.half()] = l.entries[i].Seq
		}
	}
	seq, ok := l.index[sum.half()]
	if !ok {
		return -1
	}
	if i := l.from(seq); l.entries[i].Sum == sum {
		return i
	}
	return -1
}

// from returns where the entries from the seq on begin.
func (l *List) from(seq uint64) int {
	return sort.Search(len(l.entries), func(i int) bool { return l.entries[i].Seq >= seq })
}

// From returns the entries from the seq on. They are the list's own, until it is
// changed.
func (l *List) From(seq uint64) []Entry { return l.entries[l.from(seq):] }

// Precede puts the entries that are older than all of the list in front of it.
func (l *List) Precede(older []Entry) {
	if len(l.entries) > 0 {
		first := l.entries[0].Seq
		older = older[:sort.Search(len(older), func(i int) bool { return older[i].Seq >= first })]
	}
	l.entries, l.index = slices.Concat(older, l.entries), nil
	l.held = cap(l.entries)
}

// Oldest is the seq of the oldest entry, 0 when there is none.
func (l *List) Oldest() uint64 {
	if len(l.entries) == 0 {
		return 0
	}
	return l.entries[0].Seq
}

// Newest is the seq of the newest entry, 0 when there is none.
func (l *List) Newest() uint64 {
	if len(l.entries) == 0 {
		return 0
	}
	return l.entries[len(l.entries)-1].Seq
}

// Len is the number of entries.
func (l *List) Len() int { return len(l.entries) }

// Bytes is about what the list takes of memory.
func (l *List) Bytes() int { return EntryBytes * len(l.entries) }

// Shorten takes that many entries from the lists in all, or a few more: the oldest
// of the longest lists, until those are no longer than the next. Each list keeps
// its newest 64, and when nothing else is left, fewer are taken.
func Shorten(lists []*List, entries int) {
	longest := Newest
	for _, l := range lists {
		longest = max(longest, l.Len())
	}
	cut := sort.Search(longest-Newest, func(cut int) bool {
		taken := 0
		for _, l := range lists {
			taken += max(0, l.Len()-(longest-cut))
		}
		return taken >= entries
	})
	for _, l := range lists {
		l.drop(max(0, l.Len()-(longest-cut)))
	}
}

func cutoff(ts int64) int64 { return ts - Window.Milliseconds() }
