package boltstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/storetest"
)

// TestDeleteComesAfterWhatWaits runs with a writer whose window is far away: what
// was appended is acknowledged all the same, and before Delete returns.
func TestDeleteComesAfterWhatWaits(t *testing.T) {
	site := storetest.NewSite()
	var mu sync.Mutex
	acked := make(map[string]bool)
	h := openTest(t, site, "", func(o *HistoryOptions) {
		o.CommitWindow = time.Hour
		o.Committed = func(recs []*gateway.Record) {
			mu.Lock()
			defer mu.Unlock()
			for _, rec := range recs {
				acked[fmt.Sprint(rec.Room, rec.Message.Seq)] = true
			}
		}
	})
	stop := running(t, h)
	storetest.Publish(t, h, site, "first", "x")
	await(t, func() bool { return h.view("first", true).head.Seq == 1 })
	for _, room := range []gateway.RoomID{"r", "r", "other", "r"} {
		storetest.Publish(t, h, site, room, "x")
	}
	if err := h.Delete("r"); err != nil {
		t.Fatal(err)
	}
	if head := h.view("other", true).head; head.Seq != 1 {
		t.Errorf("what was appended before to another room is not on disk: %+v", head)
	}
	storetest.Publish(t, h, site, "r", "y")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if all := storetest.All(t, h, "r"); len(all) != 1 || all[0].Seq != 1 || string(all[0].Payload.Bytes) != "y" {
		t.Errorf("the room holds %+v", all)
	}
	for _, want := range []string{"r1", "r2", "r3", "other1"} {
		if !acked[want] {
			t.Errorf("%s was not acknowledged", want)
		}
	}
	if err := h.Delete("r"); gateway.CodeOf(err) != gateway.CodeUnavailable {
		t.Errorf("Delete after Run = %v", err)
	}
}

// TestDeleteDoesNotWaitForTheAnnouncer holds a lock that Committed wants, while
// more is unannounced than the writer otherwise goes on with.
func TestDeleteDoesNotWaitForTheAnnouncer(t *testing.T) {
	site := storetest.NewSite()
	var locked sync.Mutex
	h := openTest(t, site, "", func(o *HistoryOptions) {
		o.Committed = func([]*gateway.Record) {
			locked.Lock()
			defer locked.Unlock()
		}
	})
	h.db.NoSync = true
	running(t, h)
	locked.Lock()
	big := strings.Repeat("x", 1<<20)
	for i := 0; !h.acks.full() || h.queueEmpty(); i++ {
		storetest.Publish(t, h, site, gateway.RoomID(fmt.Sprint("room-", i%2)), big)
		if i < 24 {
			time.Sleep(time.Millisecond)
		}
	}
	time.Sleep(10 * time.Millisecond) // the writer waits for the announcer
	done := make(chan error, 1)
	go func() {
		done <- h.Delete("room-0")
		locked.Unlock()
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("Delete waits for the announcer")
		locked.Unlock()
	}
}

func (h *History) queueEmpty() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.queue.empty()
}

// TestAppendDuringAnOperation breaks the caller's promise.
func TestAppendDuringAnOperation(t *testing.T) {
	site := storetest.NewSite()
	var h *History
	var refused []error
	try := false
	h = openTest(t, site, "", func(o *HistoryOptions) {
		o.Observer.Commit = func(time.Duration, int, int64) {
			if try {
				refused = append(refused, h.Append(storetest.Next(t, h, site, "r", "x")))
			}
		}
	})
	publishIDs(t, h, site, "r", "ann", 5)
	h.flush(t)
	try = true
	err := errors.Join(h.NewEpoch("r"), h.Delete("r"), h.PutSettings("s", gateway.RoomSettings{}))
	try = false
	if err != nil || len(refused) != 4 {
		t.Fatalf("%v, %d tries", err, len(refused))
	}
	for i, err := range refused {
		if ok := i == 3; ok != (err == nil) || !ok && gateway.CodeOf(err) != gateway.CodeUnavailable {
			t.Errorf("try %d: Append = %v", i, err)
		}
	}
	h.settle(t)
	if all := storetest.All(t, h, "r"); len(all) != 1 || all[0].Seq != 1 {
		t.Errorf("the room holds %+v", all)
	}
}

// TestFailedOperationEndsTheStore takes the file away, with a writer and without.
func TestFailedOperationEndsTheStore(t *testing.T) {
	for _, run := range []bool{false, true} {
		site := storetest.NewSite()
		var file *os.File
		h := openTest(t, site, "", func(o *HistoryOptions) {
			o.open = func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
				file, err = os.OpenFile(name, flag, mode)
				return file, err
			}
		})
		publishIDs(t, h, site, "r", "ann", 5)
		h.settle(t)
		before, _ := h.Head("r")
		done := make(chan error, 1)
		if run {
			go func() { done <- h.Run(context.Background()) }()
		}
		file.Close()
		if err := h.Delete("r"); gateway.CodeOf(err) != gateway.CodeUnavailable {
			t.Errorf("Delete = %v", err)
		}
		if run {
			if err := <-done; gateway.CodeOf(err) != gateway.CodeInternal {
				t.Errorf("Run = %v", err)
			}
		}
		if head, _ := h.Head("r"); head != before {
			t.Errorf("the head went from %+v to %+v", before, head)
		}
		if err := h.NewEpoch("r"); gateway.CodeOf(err) != gateway.CodeUnavailable {
			t.Errorf("NewEpoch after the failure = %v", err)
		}
		h.Close() // its error is that of the missing file
		after := openTest(t, site, h.opts.Path, nil)
		if n := len(storetest.All(t, after, "r")); n != 5 {
			t.Errorf("%d messages are left", n)
		}
	}
}

// TestOperationWhileStopping has one come while the writer is busy and its end is
// near.
func TestOperationWhileStopping(t *testing.T) {
	site := storetest.NewSite()
	busy, goOn := make(chan struct{}), make(chan struct{})
	h := openTest(t, site, "", func(o *HistoryOptions) {
		o.Observer.Commit = func(_ time.Duration, records int, _ int64) {
			if records > 0 {
				close(busy)
				<-goOn
			}
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	publishIDs(t, h, site, "r", "ann", 1)
	<-busy
	done := make(chan error, 1)
	go func() { done <- h.Delete("r") }()
	await(t, h.operating)
	cancel()
	close(goOn)
	for _, result := range []chan error{done, ended} {
		select {
		case err := <-result:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the operation or the writer does not end")
		}
	}
	if head, _ := h.Head("r"); head.Seq != 0 {
		t.Errorf("the head is %+v", head)
	}
}

// TestOperationsAtOnce has many callers, before Run, around its start and after.
func TestOperationsAtOnce(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	h.db.NoSync = true
	var callers sync.WaitGroup
	for i := range 8 {
		room := gateway.RoomID(fmt.Sprint("room-", i))
		callers.Go(func() {
			for n := range 40 {
				err := errors.Join(h.PutSettings(room, gateway.RoomSettings{MaxMessages: int64(n)}), h.NewEpoch(room))
				publishIDs(t, h, site, room, "ann", 3)
				if err = errors.Join(err, h.Delete(room)); err != nil {
					t.Error(err)
				}
			}
		})
		if i == 4 {
			running(t, h)
		}
	}
	callers.Wait()
	if stored := *h.decided.Load(); len(stored) != 8 || stored["room-7"].MaxMessages != 39 {
		t.Errorf("settings %+v", stored)
	}
}
