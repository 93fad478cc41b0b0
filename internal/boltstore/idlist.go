package boltstore

import (
	"crypto/sha256"
	"slices"
	"sort"
	"time"

	"edgegw/internal/gateway"
)

// What is remembered of the ids that an account gave to its messages in a room:
// the newest 64 whatever their age, and what else has been published in the last
// five minutes. The last bound keeps one busy account from taking all memory.
const (
	newestIDs = 64
	idWindow  = 5 * time.Minute
	mostIDs   = 4096
)

// indexedIDs is where looking through a list costs more than an index of it.
const indexedIDs = 128

// idSum stands for a message id, with 128 bits of its SHA-256.
type idSum [16]byte

func sumID(id gateway.MessageID) idSum {
	var buf [gateway.MaxMessageIDBytes]byte
	n := copy(buf[:], id)
	sum := sha256.Sum256(buf[:n])
	if len(id) > len(buf) { // not from a client
		sum = sha256.Sum256([]byte(id))
	}
	return idSum(sum[:16])
}

// idEntry is one id that was published.
type idEntry struct {
	sum idSum
	seq gateway.Seq
	ts  gateway.Timestamp
}

// idList holds what one account published in one room, ascending by seq.
type idList struct {
	entries []idEntry
	// index finds the newest seq of an id. It is nil until the list is
	// long and asked for something.
	index map[idSum]gateway.Seq
}

// add puts an entry at the end and lets those go that can never be found again.
func (l *idList) add(e idEntry) {
	l.entries = append(l.entries, e)
	if l.index != nil {
		l.index[e.sum] = e.seq
	}
	l.trim(e.ts)
}

// trim takes the time of the room's newest message: the next one's is no less.
func (l *idList) trim(ts gateway.Timestamp) {
	n, cutoff := 0, idCutoff(ts)
	for left := len(l.entries); left > newestIDs && (left > mostIDs || l.entries[n].ts < cutoff); left-- {
		if e := &l.entries[n]; l.index != nil && l.index[e.sum] == e.seq {
			delete(l.index, e.sum)
		}
		n++
	}
	l.entries = l.entries[n:]
}

// find looks for an id that would be published again at ts.
func (l *idList) find(sum idSum, ts gateway.Timestamp) (idEntry, bool) {
	i := l.place(sum)
	if i < 0 || len(l.entries)-i > newestIDs && l.entries[i].ts < idCutoff(ts) {
		return idEntry{}, false
	}
	return l.entries[i], true
}

// place returns where the newest entry of the id stands, or -1.
func (l *idList) place(sum idSum) int {
	if len(l.entries) < indexedIDs {
		l.index = nil
		for i := len(l.entries) - 1; i >= 0; i-- {
			if l.entries[i].sum == sum {
				return i
			}
		}
		return -1
	}
	if l.index == nil {
		l.index = make(map[idSum]gateway.Seq, len(l.entries))
		for i := range l.entries {
			l.index[l.entries[i].sum] = l.entries[i].seq
		}
	}
	seq, ok := l.index[sum]
	if !ok {
		return -1
	}
	return sort.Search(len(l.entries), func(i int) bool { return l.entries[i].seq >= seq })
}

// precede puts the entries that are older than all of the list in front of it.
func (l *idList) precede(older []idEntry) {
	if len(l.entries) > 0 {
		first := l.entries[0].seq
		older = older[:sort.Search(len(older), func(i int) bool { return older[i].seq >= first })]
	}
	l.entries, l.index = slices.Concat(older, l.entries), nil
}

func (l *idList) newest() gateway.Seq {
	if len(l.entries) == 0 {
		return 0
	}
	return l.entries[len(l.entries)-1].seq
}

// bytes is about what the list takes of memory, its index included.
func (l *idList) bytes() int { return 64 * len(l.entries) }

func idCutoff(ts gateway.Timestamp) gateway.Timestamp {
	return ts - gateway.Timestamp(idWindow.Milliseconds())
}
