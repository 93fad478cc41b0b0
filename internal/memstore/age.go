package memstore

import "edgegw/internal/gateway"

// byAge is a heap of the rooms that keep messages; the first is the one whose
// oldest message is the oldest of all.
type byAge []*room

func (h byAge) oldest(i int) gateway.Timestamp { return h[i].messages[h[i].gone].TS }

func (h byAge) Len() int           { return len(h) }
func (h byAge) Less(i, j int) bool { return h.oldest(i) < h.oldest(j) }

func (h byAge) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

// Push is for container/heap.
func (h *byAge) Push(x any) {
	r := x.(*room)
	r.place = len(*h)
	*h = append(*h, r)
}

// Pop is for container/heap.
func (h *byAge) Pop() any {
	last := len(*h) - 1
	r := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	r.place = -1
	return r
}
