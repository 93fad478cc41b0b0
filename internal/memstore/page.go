package memstore

import (
	"slices"
	"sort"

	"edgegw/internal/gateway"
)

// Page reads a page of the room's history. Without messages in the page, Older
// and Newer tell what lies before and after the queried seqs. It returns
// CodeInvalidRequest for a limit out of range.
func (s *Store) Page(id gateway.RoomID, q gateway.HistoryQuery) (gateway.HistoryPage, error) {
	if q.Limit < gateway.MinHistoryLimit || q.Limit > gateway.MaxHistoryLimit {
		return gateway.HistoryPage{}, gateway.Errorf(gateway.CodeInvalidRequest,
			"limit has to be %d to %d", gateway.MinHistoryLimit, gateway.MaxHistoryLimit)
	}
	settings, cutoff := s.limits(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms[id]
	if r == nil {
		return gateway.HistoryPage{Head: gateway.RoomHead{Epoch: s.epoch, Oldest: 1}}, nil
	}
	s.trimLocked(r, settings, cutoff)
	page := gateway.HistoryPage{Head: r.head}
	kept := r.messages[r.gone:]
	if q.To != 0 {
		kept = kept[:since(kept, q.To)]
	}
	if q.From != 0 {
		kept = kept[since(kept, q.From):]
	}
	if len(kept) == 0 {
		return page, nil
	}
	// Seqs have no holes: positions in kept are arithmetic.
	low, high := kept[0].Seq, kept[len(kept)-1].Seq
	first, last := max(low, q.After+1), high
	if q.Before > 0 {
		last = min(last, q.Before-1)
	}
	if first > last {
		page.Older = q.After >= low
		page.Newer = q.Before > 0 && q.Before <= high
		return page, nil
	}
	if n := gateway.Seq(q.Limit); last-first >= n {
		if q.OldestFirst {
			last = first + n - 1
		} else {
			first = last - n + 1
		}
	}
	page.Messages = slices.Clone(kept[first-low : last-low+1])
	page.Older, page.Newer = first > low, last < high
	return page, nil
}

// since returns the index of the first message that is not before ts.
func since(messages []gateway.Message, ts gateway.Timestamp) int {
	return sort.Search(len(messages), func(i int) bool { return messages[i].TS >= ts })
}
