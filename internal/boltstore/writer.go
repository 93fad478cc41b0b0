package boltstore

import (
	"context"
	"errors"
	"time"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

// writeLoop is the only writer of the file while Run runs. It returns nil after
// ctx ended and everything appended is on disk.
func (h *History) writeLoop(ctx context.Context) error {
	window := time.NewTimer(0)
	defer window.Stop()
	sweep := time.NewTicker(h.opts.RetentionEvery)
	defer sweep.Stop()
	windowOver := false // the timer says when
	for {
		if err := h.catchUp(); err != nil {
			return err
		}
		if h.stuck != nil {
			if err := h.unstick(ctx); err != nil {
				return h.fail(err)
			}
			continue
		}
		batch := h.take(windowOver)
		if batch != nil && h.opts.CommitWindow > 0 {
			windowOver = false
			window.Reset(h.opts.CommitWindow)
		}
		var err error
		switch {
		case batch != nil:
			err = h.commit(batch)
			select { // the one below is not reached while there is always a batch
			case <-sweep.C:
				h.sweep()
			default:
			}
		case h.purge:
			err = h.purgeSome()
			if gateway.CodeOf(err) == gateway.CodeStorageFull {
				h.purge, err = false, nil // the next sweep tries again
			}
		default:
			select {
			case <-ctx.Done():
				return h.drain()
			case <-h.wake:
			case <-window.C:
				windowOver = true
			case <-sweep.C:
				h.sweep()
			}
		}
		if err != nil {
			return h.fail(err)
		}
		if ctx.Err() != nil {
			return h.drain()
		}
	}
}

// catchUp does what comes before the next commit.
func (h *History) catchUp() error {
	if err := h.sick.Load(); err != nil {
		return h.fail(*err)
	}
	if err := h.runOperations(); err != nil {
		return err
	}
	if len(h.lost) > 0 && !h.opts.Space.Full() {
		if err := h.recoverLost(); err != nil && gateway.CodeOf(err) != gateway.CodeStorageFull {
			return h.fail(err)
		}
	}
	return nil
}

// drain commits what is left. Nothing can be appended any more.
func (h *History) drain() error {
	h.stop(errClosed)
	for {
		batch := h.stuck
		if h.stuck = nil; batch == nil {
			batch = h.take(true)
		}
		if batch == nil {
			return h.runOperations()
		}
		if err := h.commit(batch); err != nil {
			return h.fail(err)
		}
		if h.stuck != nil {
			// The file stays marked as open: rooms begin new epochs.
			h.log.Error("messages are lost: the disk is full", "event", "messages_lost", "records", len(h.stuck))
			h.endOperations()
			return nil
		}
	}
}

// fail ends the store's service: what the failed commit left on the disk is not
// known, so that no later one may build on it.
func (h *History) fail(err error) error {
	h.broken = true
	if isDamaged(err) {
		h.markDamaged()
	}
	err = gateway.Wrap("boltstore.Run", err)
	h.log.Error("a commit failed; the gateway has to stop", "event", "store_failed", "db", "history", "err", err)
	h.stop(err)
	h.endOperations()
	return err
}

// commit puts the batch on disk and hands it to the announcer. When there is no
// space for it, it is stuck.
func (h *History) commit(batch []queued) error {
	for h.acks.full() && !h.operating() {
		<-h.announced
	}
	size := 0
	for i := range batch {
		r := batch[i].room
		if r.pending == 0 {
			h.tail.rooms = append(h.tail.rooms, r)
		}
		r.pending++
		size += batch[i].size
	}
	full := h.tail.records+len(batch) >= h.opts.fillRecords || h.tail.bytes+size >= fillBytes
	err := h.aside(full || len(batch) >= longCommit, func() error {
		return h.update(len(batch), func(tx *bolt.Tx) error {
			if full {
				return h.fill(tx)
			}
			return h.appendLog(tx, batch, size)
		})
	})
	if gateway.CodeOf(err) == gateway.CodeStorageFull {
		h.hold(batch)
		return nil
	}
	if err != nil {
		return err
	}
	if full {
		h.filled()
	} else {
		h.tail.records += len(batch)
		h.tail.bytes += size
	}
	h.mu.Lock()
	for i := range batch {
		batch[i].room.committed = batch[i].rec.Message.Seq
	}
	h.mu.Unlock()
	h.acks.put(batch)
	h.recycle(batch)
	return nil
}

// longCommit is how many records make a commit take milliseconds.
const longCommit = 256

func (h *History) aside(long bool, commit func() error) (err error) {
	if !long {
		return commit()
	}
	h.opts.Aside(func() { err = commit() })
	return err
}

// appendLog is the commit of every day: the records go to the end of one
// bucket, whatever their rooms, so that few pages change.
func (h *History) appendLog(tx *bolt.Tx, batch []queued, size int) error {
	bucket := tx.Bucket(bucketLog)
	bucket.FillPercent = 1
	arena := h.arenaFor(size)
	for i := range batch {
		start := len(arena)
		arena = appendLogEntry(arena, batch[i].rec)
		h.tail.next++
		if err := bucket.Put(seqKey(gateway.Seq(h.tail.next)), arena[start:len(arena):len(arena)]); err != nil {
			return err
		}
	}
	return nil
}

// arenaFor returns an empty buffer that size bytes fit into. bbolt keeps no
// copies of values, only until the commit: the buffer is then used again.
func (h *History) arenaFor(size int) []byte {
	const keep = 256 << 10
	if size > keep {
		return make([]byte, 0, size)
	}
	if cap(h.arena) < size {
		h.arena = make([]byte, 0, max(size, 16<<10))
	}
	return h.arena[:0]
}

// update is one durable transaction. CodeStorageFull means that nothing has
// changed; every other error is final. fn may be called twice.
func (h *History) update(records int, fn func(*bolt.Tx) error) error {
	err := h.tryUpdate(records, fn)
	if isFull(err) && h.opts.Space.ranOut() {
		err = h.retryUpdate(records, fn)
	}
	if isFull(err) {
		return errors.Join(h.reload(), fullError("boltstore.update", err))
	}
	return err
}

func (h *History) retryUpdate(records int, fn func(*bolt.Tx) error) error {
	if err := h.reload(); err != nil {
		return err
	}
	return h.tryUpdate(records, fn)
}

func (h *History) tryUpdate(records int, fn func(*bolt.Tx) error) error {
	started := h.opts.Now()
	var bytes int64
	err := guard(h.opts.Path, func() (err error) {
		bytes, err = updateFile(h.db, h.place, &h.size, fn)
		return err
	})
	if err != nil {
		return err
	}
	if h.opts.Observer.Commit != nil {
		h.opts.Observer.Commit(h.opts.Now().Sub(started), records, bytes)
	}
	return nil
}
