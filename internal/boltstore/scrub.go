package boltstore

import (
	"context"
	"time"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

const (
	// scrubShare is how many times as long as it has read a scrub then rests: it
	// takes a twentieth of one processor at most.
	scrubShare = 19
	// scrubRest is the shortest rest, which bounds what it reads on a fast disk.
	scrubRest = 5 * time.Millisecond
	// scrubPause is the longest: the clock that times it may jump.
	scrubPause = time.Second
)

// Scrubbed tells what a scrub has read.
type Scrubbed struct {
	// Messages were read, Damaged of them fail their sums.
	Messages, Damaged int
}

// Scrub reads every message that is stored, slowly, and counts those that fail
// their sums: what a start has no time for. A page that is damaged ends the store,
// as it does whoever else meets it, and the next start mends the file. Messages
// that come, go or move meanwhile may be read or not. It returns CodeUnavailable
// when the file cannot be read, and the error of ctx when that ends first.
func (h *History) Scrub(ctx context.Context) (found Scrubbed, err error) {
	ids, err := h.Rooms()
	if err != nil {
		return found, err
	}
	for _, id := range ids {
		if err := h.scrubRoom(ctx, id, &found); err != nil {
			return found, err
		}
	}
	return found, nil
}

func (h *History) scrubRoom(ctx context.Context, id gateway.RoomID, found *Scrubbed) error {
	var scratch []byte
	const last = ^gateway.Seq(0)
	for first := gateway.Seq(1); ; {
		var raw rawBatch
		began := h.opts.Now()
		err := h.read(id, func(bucket *bolt.Bucket) { raw.load(bucket.Cursor(), first, last, readBatch, false) })
		if err != nil || len(raw.seqs) == 0 {
			return err
		}
		bad := 0
		for i, seq := range raw.seqs {
			if _, ok := messageTime(id, seq, raw.value(i), &scratch); !ok {
				bad++
			}
		}
		h.reportDamaged(id, bad)
		found.Messages, found.Damaged = found.Messages+len(raw.seqs), found.Damaged+bad
		if first = raw.seqs[len(raw.seqs)-1] + 1; first == 0 {
			return nil // a damaged key was the last
		}
		rest := max(scrubRest, min(scrubPause, scrubShare*h.opts.Now().Sub(began)))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rest):
		}
	}
}
