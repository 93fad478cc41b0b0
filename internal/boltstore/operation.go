package boltstore

import (
	"time"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

// operation is something that is rarely done to the file and is on disk when its
// caller goes on. It runs on the writer's goroutine, between commits, after
// everything that had been appended before.
type operation struct {
	// room, unless it is nil, takes nothing until the operation is over, and
	// everything that the log holds has been filled when it runs.
	room *room
	// change is its transaction.
	change func(*bolt.Tx) error
	// whole takes the place of change when it is no transaction. Its error is the
	// operation's, and ends the store when it is fatal.
	whole func() (fatal bool, err error)
	// apply, unless it is nil, does the same in memory, under History.mu.
	apply func()

	// early does not wait for what was appended before.
	early bool

	after  uint64 // as many records are to be on disk before
	result chan error
}

// operate has the operation done and returns when it is on disk. The writer does
// it; while there is none, before Run, the caller is the writer for so long.
func (h *History) operate(op *operation) error {
	op.result = make(chan error, 1)
	h.mu.Lock()
	if h.err != nil {
		err := h.stoppedError("boltstore.operate")
		h.mu.Unlock()
		return err
	}
	if op.room != nil {
		op.room.busy++
	}
	if !op.early {
		op.after = h.queue.added
	}
	h.operations = append(h.operations, op)
	h.mu.Unlock()
	signal(h.wake)
	signal(h.announced)
	for h.operating() && h.writing.TryLock() {
		// An error ends the operations, this one among them, and the store.
		_ = h.runOperations()
		h.writing.Unlock()
	}
	return <-op.result
}

// operating reports whether an operation waits. Whoever waits for one may hold
// what Committed waits for: until it is done nothing waits for the announcer.
func (h *History) operating() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.operations) > 0
}

// runOperations does what waits, and commits what was appended before it.
func (h *History) runOperations() error {
	for {
		h.mu.Lock()
		if len(h.operations) == 0 {
			h.mu.Unlock()
			return nil
		}
		op := h.operations[0]
		due := h.queue.taken >= op.after
		h.mu.Unlock()
		var err error
		switch {
		case h.stuck != nil || op.room != nil && len(h.lost) > 0:
			// It has to wait for what may never be stored.
			h.finishOperation(op, fullError("boltstore.operate", errDiskFull))
		case due:
			err = h.perform(op)
			if gateway.CodeOf(err) == gateway.CodeStorageFull {
				h.finishOperation(op, err)
				err = nil
			}
		default:
			err = h.commit(h.take(true))
		}
		if err != nil {
			return h.fail(err)
		}
	}
}

func (h *History) finishOperation(op *operation, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.endLocked(op, err)
	h.operations = h.operations[1:]
}

func (h *History) perform(op *operation) error {
	if op.whole != nil {
		fatal, err := op.whole()
		if fatal {
			return err
		}
		h.finishOperation(op, err)
		return nil
	}
	if op.room != nil && h.tail.records > 0 {
		// In a transaction of its own: bbolt moves no bucket that the same
		// transaction has written to.
		if err := h.update(0, h.fill); err != nil {
			return err
		}
		h.filled()
	}
	if err := h.update(0, op.change); err != nil {
		return err
	}
	h.mu.Lock()
	if op.apply != nil {
		op.apply()
	}
	h.endLocked(op, nil)
	h.operations = h.operations[1:]
	h.mu.Unlock()
	return nil
}

func (h *History) endLocked(op *operation, err error) {
	if op.room != nil {
		op.room.busy--
	}
	op.result <- err
}

// endOperations ends what waits, after the store has stopped.
func (h *History) endOperations() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, op := range h.operations {
		h.endLocked(op, h.stoppedError("boltstore.operate"))
	}
	h.operations = nil
}

// stoppedError says when to try again: it answers publications, and to a device one
// that is refused without is refused for good.
func (h *History) stoppedError(op string) error {
	return &gateway.Error{Code: gateway.CodeUnavailable, Message: "the message store has stopped; try again", Op: op, Err: h.err,
		RetryAfter: time.Second}
}

// roomFor returns the room, and makes it when it is not there yet.
func (h *History) roomFor(id gateway.RoomID) *room {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[id]
	if r == nil {
		r = h.newRoom(id)
		h.rooms[id] = r
	}
	return r
}
