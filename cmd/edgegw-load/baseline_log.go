package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/lxzan/gws"
	"go.etcd.io/bbolt"
)

// entry is one message on its way to the disk.
type entry struct {
	record    []byte
	publisher *gws.Conn
}

// appendLog is "gws + bbolt group commit": one bucket that only grows, one
// writer that commits whatever came while the last commit ran, and an ack for
// each message after its commit.
type appendLog struct {
	db     *bbolt.DB
	queue  chan entry
	window time.Duration // least time between two commits; 0 is none
	done   chan struct{}
}

// Bounds of the group commit. Publishers wait when the queue is full.
const (
	logQueue = 8192
	logBatch = 4096
)

var logBucket = []byte("log")

func openAppendLog(path string, window time.Duration) (*appendLog, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: time.Second, FreelistType: bbolt.FreelistMapType, InitialMmapSize: 64 << 20,
	})
	if err != nil {
		return nil, fmt.Errorf("open the baseline's log: %w", err)
	}
	if err := db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(logBucket)
		return err
	}); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	l := &appendLog{db: db, queue: make(chan entry, logQueue), window: window, done: make(chan struct{})}
	go l.writeLoop()
	return l, nil
}

func (l *appendLog) append(e entry) { l.queue <- e }

// close stops without waiting for what is queued: nobody was promised it.
func (l *appendLog) close() error {
	if l == nil {
		return nil
	}
	close(l.done)
	return l.db.Close()
}

func (l *appendLog) writeLoop() {
	batch := make([]entry, 0, logBatch)
	for {
		select {
		case e := <-l.queue:
			batch = append(batch[:0], e)
		case <-l.done:
			return
		}
		began := time.Now()
		for len(batch) < logBatch && len(l.queue) > 0 {
			batch = append(batch, <-l.queue)
		}
		if err := l.commit(batch); err != nil {
			fmt.Fprintln(os.Stderr, "edgegw-load: commit:", err)
			return
		}
		for _, e := range batch {
			sendAck(e)
		}
		// Let the acks out before the next commit, so that more publishers
		// get into it: 30 of 64 in a batch instead of 25 on one core.
		runtime.Gosched()
		time.Sleep(l.window - time.Since(began))
	}
}

func (l *appendLog) commit(batch []entry) error {
	return l.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(logBucket)
		// Keys only grow, so pages may be filled to the brim.
		b.FillPercent = 1
		for _, e := range batch {
			n, err := b.NextSequence()
			if err != nil {
				return err
			}
			if err := b.Put(binary.BigEndian.AppendUint64(nil, n), e.record); err != nil {
				return err
			}
		}
		return nil
	})
}
