package boltstore_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/boltstore"
	"edgegw/internal/gateway"
	"edgegw/internal/storetest"
)

// benchStore is a history with its writer running and closed-loop publishers:
// each has a window of messages that wait for their ack.
type benchStore struct {
	*boltstore.History
	stop    func()
	counted *atomic.Int64 // what the store says that it wrote
}

type benchPublisher struct {
	room  gateway.RoomID
	slots chan struct{}
	seq   gateway.Seq
	left  int
}

func openBench(b *testing.B) benchStore {
	site := storetest.NewSite()
	var counted atomic.Int64
	h, err := boltstore.OpenHistory(boltstore.HistoryOptions{
		Observer: boltstore.Observer{Commit: func(_ time.Duration, _ int, bytes int64) { counted.Add(bytes) }},
		Path:     filepath.Join(b.TempDir(), "history.db"),
		Settings: site.Settings,
		Now:      time.Now,
		Committed: func(recs []*gateway.Record) {
			for _, rec := range recs {
				if p, ok := rec.Ticket.(*benchPublisher); ok {
					p.slots <- struct{}{}
				}
			}
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	return benchStore{h, func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
		if err := h.Close(); err != nil {
			b.Error(err)
		}
	}, &counted}
}

func (p *benchPublisher) publish(b *testing.B, h *boltstore.History, payload []byte) {
	<-p.slots
	p.seq++
	rec := &gateway.Record{Room: p.room, Ticket: p, Message: gateway.Message{
		Seq: p.seq, TS: gateway.Timestamp(p.seq), User: "ada",
		Payload: gateway.Payload{Kind: gateway.PayloadText, Bytes: payload},
	}}
	if err := h.Append(rec); err != nil {
		b.Error(err)
	}
}

// BenchmarkAcked is acked and synced messages a second, with the store's real
// code. The plain loop has the same publishers, puts what waits into one bucket,
// acks, and does nothing else.
func BenchmarkAcked(b *testing.B) {
	loads := []struct{ publishers, window int }{{1, 64}, {64, 1}, {10, 1}}
	for _, load := range loads {
		b.Run(fmt.Sprintf("publishers=%d/window=%d/store", load.publishers, load.window), func(b *testing.B) {
			benchAcked(b, load.publishers, load.window)
		})
		b.Run(fmt.Sprintf("publishers=%d/window=%d/plain_loop", load.publishers, load.window), func(b *testing.B) {
			benchPlain(b, load.publishers, load.window)
		})
	}
}

func benchAcked(b *testing.B, publishers, window int) {
	h := openBench(b)
	defer h.stop()
	payload := make([]byte, 180)
	all := make([]*benchPublisher, publishers)
	for i := range all {
		all[i] = &benchPublisher{
			room: gateway.RoomID(fmt.Sprint("room-", i)), slots: make(chan struct{}, window), left: b.N / publishers,
		}
		for range window {
			all[i].slots <- struct{}{}
		}
	}
	before := writtenBytes(b)
	b.ReportAllocs()
	b.ResetTimer()
	var running sync.WaitGroup
	for _, p := range all {
		running.Go(func() {
			for range p.left {
				p.publish(b, h.History, payload)
			}
			for range window {
				<-p.slots
			}
		})
	}
	running.Wait()
	b.StopTimer()
	report(b, b.N/publishers*publishers, before)
}

func benchPlain(b *testing.B, publishers, window int) {
	db, err := bolt.Open(filepath.Join(b.TempDir(), "plain.db"), 0o600,
		&bolt.Options{FreelistType: bolt.FreelistMapType, InitialMmapSize: 1 << 30})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	queue := make(chan chan struct{}, publishers*window)
	before := writtenBytes(b)
	b.ReportAllocs()
	b.ResetTimer()
	var running sync.WaitGroup
	for range publishers {
		running.Go(func() {
			slots := make(chan struct{}, window)
			for range b.N / publishers {
				slots <- struct{}{}
				queue <- slots
			}
			for range window {
				slots <- struct{}{}
			}
		})
	}
	messages := b.N / publishers * publishers
	plainLoop(b, db, queue, messages)
	running.Wait()
	b.StopTimer()
	report(b, messages, before)
}

func plainLoop(b *testing.B, db *bolt.DB, queue chan chan struct{}, left int) {
	value := make([]byte, 200)
	n := uint64(0)
	for left > 0 {
		batch := []chan struct{}{<-queue}
		for len(queue) > 0 {
			batch = append(batch, <-queue)
		}
		err := db.Update(func(tx *bolt.Tx) error {
			bucket, err := tx.CreateBucketIfNotExists([]byte("log"))
			for i := 0; i < len(batch) && err == nil; i++ {
				n++
				bucket.FillPercent = 1
				err = bucket.Put(binary.BigEndian.AppendUint64(nil, n), value)
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		for _, slots := range batch {
			<-slots
		}
		left -= len(batch)
	}
}

func report(b *testing.B, messages int, before int64) {
	b.ReportMetric(float64(messages)/b.Elapsed().Seconds(), "msgs/s")
	b.ReportMetric(float64(writtenBytes(b)-before)/float64(messages), "B/msg")
}

// BenchmarkTenRooms publishes one message to each of ten rooms and waits until
// all are on disk: what a site with ten messages a second writes each second.
func BenchmarkTenRooms(b *testing.B) {
	h := openBench(b)
	defer h.stop()
	payload := make([]byte, 180)
	slots := make(chan struct{}, 10)
	rooms := make([]*benchPublisher, 10)
	for i := range rooms {
		rooms[i] = &benchPublisher{room: gateway.RoomID(fmt.Sprint("room-", i)), slots: slots}
		slots <- struct{}{}
	}
	before, counted := writtenBytes(b), h.counted.Load()
	b.ResetTimer()
	for range b.N {
		for _, p := range rooms {
			p.publish(b, h.History, payload)
		}
		for range rooms {
			<-slots
		}
		for range rooms {
			slots <- struct{}{}
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(h.counted.Load()-counted)/float64(10*b.N), "counted-B/msg")
	report(b, 10*b.N, before)
}

// BenchmarkPage reads 50 messages from anywhere in a room of 100,000, by seq and
// by time.
func BenchmarkPage(b *testing.B) {
	const n = 100_000
	h := openBench(b)
	defer h.stop()
	p := &benchPublisher{room: "room", slots: make(chan struct{}, 1000)}
	for range cap(p.slots) {
		p.slots <- struct{}{}
	}
	for range n {
		p.publish(b, h.History, make([]byte, 180))
	}
	for range cap(p.slots) {
		<-p.slots
	}
	queries := map[string]func(i int) gateway.HistoryQuery{
		"newest": func(int) gateway.HistoryQuery { return gateway.HistoryQuery{Limit: 50} },
		"before": func(i int) gateway.HistoryQuery { return gateway.HistoryQuery{Limit: 50, Before: gateway.Seq(i)} },
		"from": func(i int) gateway.HistoryQuery {
			return gateway.HistoryQuery{Limit: 50, From: gateway.Timestamp(i), OldestFirst: true}
		},
	}
	for name, query := range queries {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i += 7919
				page, err := h.Page("room", query(100+i%(n-200)))
				if err != nil || len(page.Messages) != 50 {
					b.Fatalf("%d messages, %v", len(page.Messages), err)
				}
			}
		})
	}
}

// BenchmarkOpen makes an empty store, and opens one that is there.
func BenchmarkOpen(b *testing.B) {
	site := storetest.NewSite()
	open := func(b *testing.B, path string) {
		h, err := boltstore.OpenHistory(boltstore.HistoryOptions{Path: path, Settings: site.Settings, Now: site.Now})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := h.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.Run("first", func(b *testing.B) {
		dir := b.TempDir()
		for i := range b.N {
			open(b, filepath.Join(dir, fmt.Sprint(i)))
		}
	})
	b.Run("again", func(b *testing.B) {
		path := filepath.Join(b.TempDir(), "history.db")
		for range b.N {
			open(b, path)
		}
	})
}
