package boltstore

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/storetest"
)

// TestKillNineWhileDeleting kills a process that publishes and deletes.
func TestKillNineWhileDeleting(t *testing.T) {
	if path := os.Getenv(killEnv); path != "" {
		deleteForever(t, path)
		return
	}
	path := filepath.Join(t.TempDir(), "history.db")
	const enough = 20 // deleted rooms
	lives := 0
	// A slow machine gets little done before it is killed, so it is killed more often.
	for round := 0; round < 6 || lives < enough && round < 30; round++ {
		acked := runAndKill(t, "TestKillNineWhileDeleting", path, time.Duration(60+40*round)*time.Millisecond)
		newest := make(map[string]string) // of a room: its epoch and the newest seq that was acknowledged in it
		deleted := make(map[string]string)
		for _, line := range acked {
			fields := strings.Fields(line)
			switch fields[0] {
			case "acked":
				newest[fields[1]] = fields[2] + " " + fields[3]
			case "deleted":
				deleted[fields[1]] = fields[2]
				delete(newest, fields[1])
				lives++
			}
		}
		site := storetest.NewSite()
		h := openTest(t, site, path, nil)
		for i := range 4 {
			room := gateway.RoomID(fmt.Sprint("room-", i))
			all := storetest.All(t, h, room)
			head, _ := h.Head(room)
			if len(all) != int(head.Seq) {
				t.Errorf("%s holds %d messages at %+v", room, len(all), head)
			}
			epoch := ""
			for n, m := range all {
				if epoch = string(m.Payload.Bytes); n > 0 && epoch != string(all[n-1].Payload.Bytes) || m.Seq != gateway.Seq(n+1) {
					t.Fatalf("%s: seq %d of %s behind seq %d of %s", room, m.Seq, m.Payload.Bytes, all[n-1].Seq, all[n-1].Payload.Bytes)
				}
				storetest.CheckFound(t, h, room, m)
			}
			var ackedEpoch string
			var ackedSeq gateway.Seq
			fmt.Sscan(newest[string(room)], &ackedEpoch, &ackedSeq)
			// The next deletion may have happened without being told.
			if epoch == ackedEpoch && head.Seq < ackedSeq || len(all) > 0 && epoch == deleted[string(room)] {
				t.Errorf("%s has %d messages of %s; %d of %s were acknowledged, %s was deleted", room, len(all), epoch,
					ackedSeq, ackedEpoch, deleted[string(room)])
			}
		}
		h.settle(t)
		if rooms, _ := inGarbage(t, h); rooms != 0 {
			t.Errorf("%d buckets stay", rooms)
		}
		checkDisk(t, h)
		if err := h.db.Close(); err != nil { // not clean either
			t.Fatal(err)
		}
	}
	if lives < enough {
		t.Errorf("only %d rooms were deleted", lives)
	}
}

// deleteForever fills rooms with messages that name the life they belong to, and
// deletes them.
func deleteForever(t *testing.T, path string) {
	site := storetest.NewSite()
	h, err := tryOpen(t, site, path, func(o *HistoryOptions) {
		o.fillRecords = 50
		o.Committed = func(recs []*gateway.Record) {
			for _, rec := range recs {
				rec.Ticket.(*sync.WaitGroup).Done()
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	go h.Run(context.Background())
	life := make(map[gateway.RoomID]gateway.Epoch)
	for i := range 4 { // what an earlier process left has another name
		room := gateway.RoomID(fmt.Sprint("room-", i))
		if err := h.Delete(room); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 1_000_000 {
		room := gateway.RoomID(fmt.Sprint("room-", n%4))
		if n%8 < 4 {
			head, _ := h.Head(room)
			life[room] = head.Epoch
		}
		var waiting sync.WaitGroup
		var last gateway.Seq
		for range 30 + n%50 {
			rec := storetest.Next(t, h, site, room, string(life[room]))
			rec.Ticket = &waiting
			waiting.Add(1)
			if err := h.Append(rec); err != nil {
				t.Fatal(err)
			}
			last = rec.Message.Seq
		}
		waiting.Wait()
		fmt.Printf("acked %s %s %d\n", room, life[room], last)
		if n%8 >= 4 {
			if err := h.Delete(room); err != nil {
				t.Fatal(err)
			}
			fmt.Printf("deleted %s %s\n", room, life[room])
		}
	}
}
