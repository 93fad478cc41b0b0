package boltstore_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"edgegw/internal/gateway"
)

// publishIDs has each of the publishers publish once under the id, and waits until
// all are on disk. It asks for the id first, unless that is empty.
func publishIDs(b *testing.B, h benchStore, id string, all []*benchPublisher, payload []byte) {
	for _, p := range all {
		<-p.slots
		p.seq++
		rec := &gateway.Record{Room: p.room, Ticket: p, Message: gateway.Message{
			Seq: p.seq, TS: gateway.Timestamp(time.Now().UnixMilli()), User: gateway.AccountName(fmt.Sprint("device-", p.left)),
			ID: gateway.MessageID(id), Payload: gateway.Payload{Kind: gateway.PayloadText, Bytes: payload},
		}}
		if id != "" {
			if found, err := h.Find(rec.Room, rec.Message.User, rec.Message.ID); found.Seq != 0 || err != nil {
				b.Fatal(found, err)
			}
		}
		if err := h.Append(rec); err != nil {
			b.Fatal(err)
		}
	}
	for _, p := range all {
		<-p.slots
	}
	for _, p := range all {
		p.slots <- struct{}{}
	}
}

// BenchmarkIDs is what BenchmarkTenRooms writes, a commit of ten messages, with ids
// and without, over so many pairs of a room and an account.
func BenchmarkIDs(b *testing.B) {
	for _, rooms := range []int{10, 100, 1000} {
		for _, ids := range []bool{false, true} {
			b.Run(fmt.Sprintf("rooms=%d/ids=%v", rooms, ids), func(b *testing.B) { benchIDs(b, rooms, ids) })
		}
	}
}

func benchIDs(b *testing.B, rooms int, ids bool) {
	h := openBench(b)
	defer h.stop()
	payload := make([]byte, 180)
	all := make([]*benchPublisher, rooms)
	for i := range all {
		all[i] = &benchPublisher{room: gateway.RoomID(fmt.Sprint("room-", i)), slots: make(chan struct{}, 1), left: i}
		all[i].slots <- struct{}{}
	}
	before, counted := writtenBytes(b), h.counted.Load()
	b.ResetTimer()
	for i := range b.N {
		at, id := i*10%rooms, ""
		if ids {
			id = fmt.Sprint("message-", i)
		}
		publishIDs(b, h, id, all[at:at+10], payload)
	}
	b.StopTimer()
	b.ReportMetric(float64(h.counted.Load()-counted)/float64(10*b.N), "counted-B/msg")
	report(b, 10*b.N, before)
}

// BenchmarkDelete deletes a room of 100,000 messages while another room commits
// one message after the other: what those wait.
func BenchmarkDelete(b *testing.B) {
	h := openBench(b)
	defer h.stop()
	payload := make([]byte, 180)
	large := &benchPublisher{room: "large", slots: make(chan struct{}, 1000)}
	other := []*benchPublisher{{room: "other", slots: make(chan struct{}, 1)}}
	other[0].slots <- struct{}{}
	for range cap(large.slots) {
		large.slots <- struct{}{}
	}
	var waited, deleting []time.Duration
	round := 0
	for range b.N {
		b.StopTimer()
		for range 100_000 {
			large.publish(b, h.History, payload)
		}
		for range cap(large.slots) {
			<-large.slots
		}
		for range cap(large.slots) {
			large.slots <- struct{}{}
		}
		large.seq = 0
		b.StartTimer()
		done := make(chan time.Duration, 1)
		go func() {
			started := time.Now()
			if err := h.Delete("large"); err != nil {
				b.Error(err)
			}
			done <- time.Since(started)
		}()
		for range 200 {
			started := time.Now()
			publishIDs(b, h, fmt.Sprint("message-", round), other, payload)
			waited = append(waited, time.Since(started))
			round++
		}
		deleting = append(deleting, <-done)
	}
	slices.Sort(waited)
	b.ReportMetric(float64(slices.Max(deleting).Microseconds())/1000, "ms/delete-max")
	b.ReportMetric(float64(waited[len(waited)/2].Microseconds())/1000, "ms/commit-median")
	b.ReportMetric(float64(waited[len(waited)-1].Microseconds())/1000, "ms/commit-max")
}
