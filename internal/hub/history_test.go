package hub_test

import (
	"fmt"
	"slices"
	"strings"

	"edgegw/internal/gateway"
)

// life is what a history knows of a room beside its records.
type life struct {
	epoch     gateway.Epoch
	past      []gateway.PastEpoch
	purged    gateway.Seq // the newest that is gone
	behind    gateway.Seq // what Begin was told
	committed gateway.Seq
	damaged   map[gateway.Seq]bool
}

func (h *history) lifeLocked(room gateway.RoomID) *life {
	at := h.lives[room]
	if at == nil {
		at = &life{epoch: "e1"}
		h.lives[room] = at
	}
	return at
}

// committedLocked is the newest that is on disk; in a volatile history all is as
// good as it ever gets.
func (h *history) committedLocked(room gateway.RoomID) gateway.Seq {
	if h.committed == nil {
		return gateway.Seq(len(h.rooms[room]))
	}
	return h.lifeLocked(room).committed
}

// Page shows of a fsynced room what is committed only.
func (h *history) Page(room gateway.RoomID, q gateway.HistoryQuery) (gateway.HistoryPage, error) {
	h.mu.Lock()
	paged := h.paged
	h.mu.Unlock()
	if paged != nil {
		paged()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	at := h.lifeLocked(room)
	page := gateway.HistoryPage{Head: h.headLocked(room)}
	if strings.HasPrefix(string(room), "fs") && h.committed != nil {
		page.Head.Seq = min(page.Head.Seq, at.committed)
	}
	first, last := max(q.After, at.purged)+1, page.Head.Seq
	if q.Before > 0 {
		last = min(last, q.Before-1)
	}
	for seq := first; seq <= last && q.OldestFirst && len(page.Messages) < q.Limit; seq++ {
		if !at.damaged[seq] {
			page.Messages = append(page.Messages, h.rooms[room][seq-1].Message)
		}
	}
	for seq := last; seq >= first && !q.OldestFirst && len(page.Messages) < q.Limit; seq-- {
		page.Messages = append(page.Messages, h.rooms[room][seq-1].Message)
	}
	if !q.OldestFirst {
		slices.Reverse(page.Messages)
	}
	return page, h.broken
}

func (h *history) Past(room gateway.RoomID) ([]gateway.PastEpoch, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.lifeLocked(room).past), nil
}

// Find knows all ids of a room.
func (h *history) Find(room gateway.RoomID, user gateway.AccountName, id gateway.MessageID) (gateway.Found, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, rec := range h.rooms[room] {
		m := rec.Message
		if m.User != user || m.ID != id {
			continue
		}
		found := gateway.Found{Seq: m.Seq, TS: m.TS}
		if m.Seq > h.committedLocked(room) {
			found.Record = rec
		}
		return found, h.broken
	}
	return gateway.Found{}, h.broken
}

func (h *history) Delete(room gateway.RoomID) error {
	h.commitOwn()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken != nil {
		return h.broken
	}
	h.rooms[room], h.lives[room] = nil, &life{epoch: h.nextEpochLocked()}
	return nil
}

// Begin has records of what is kept elsewhere, purged as they are.
func (h *history) Begin(room gateway.RoomID, head gateway.RoomHead, past []gateway.PastEpoch) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var elsewhere []*gateway.Record
	for seq := range head.Seq {
		elsewhere = append(elsewhere, &gateway.Record{Room: room, Message: gateway.Message{Seq: seq + 1, TS: head.TS}})
	}
	h.rooms[room], h.lives[room] = elsewhere, &life{epoch: h.nextEpochLocked(), past: past, purged: head.Seq, behind: head.Seq}
	return h.broken
}

func (h *history) Behind(room gateway.RoomID) gateway.Seq {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lifeLocked(room).behind
}

func (h *history) ForgetEpochs(room gateway.RoomID) error {
	if err := h.NewEpoch(room); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lifeLocked(room).past = nil
	return nil
}

func (h *history) nextEpochLocked() gateway.Epoch {
	h.epochs++
	return gateway.Epoch(fmt.Sprint(h.letter, h.epochs))
}

func (h *history) NewEpoch(room gateway.RoomID) error {
	h.commitOwn()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken == nil {
		h.newEpochLocked(room)
	}
	return h.broken
}

func (h *history) commitOwn() {
	if h.committed != nil {
		h.commit()
	}
}

func (h *history) newEpochLocked(room gateway.RoomID) {
	at := h.lifeLocked(room)
	at.past = append(at.past, gateway.PastEpoch{Epoch: at.epoch, End: h.headLocked(room).Seq})
	at.epoch = h.nextEpochLocked()
}

// crash forgets what is not committed, as a power cut does.
func (h *history) crash() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting = nil
	for room, records := range h.rooms {
		at := h.lifeLocked(room)
		h.rooms[room] = slices.Clip(records[:at.committed])
		at.purged = min(at.purged, at.committed)
		h.newEpochLocked(room)
	}
}

// purge takes the messages up to seq.
func (h *history) purge(room gateway.RoomID, seq gateway.Seq) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := h.lifeLocked(room)
	at.purged = max(at.purged, min(seq, h.headLocked(room).Seq))
}

func (h *history) damage(room gateway.RoomID, seqs ...gateway.Seq) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := h.lifeLocked(room)
	at.damaged = make(map[gateway.Seq]bool)
	for _, seq := range seqs {
		at.damaged[seq] = true
	}
}
