package boltstore

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/storetest"
)

// commits notes when commits with records start, on the test's clock.
type commits struct {
	mu    sync.Mutex
	at    []time.Duration
	sizes []int
}

func (c *commits) observe(start time.Time) func(time.Duration, int, int64) {
	return func(_ time.Duration, records int, _ int64) {
		if records > 0 {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.at, c.sizes = append(c.at, time.Since(start)), append(c.sizes, records)
		}
	}
}

func (c *commits) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprint(c.at, c.sizes)
}

func TestCommitWindow(t *testing.T) {
	tests := []struct {
		name     string
		window   time.Duration
		fsynced  bool
		expected string
	}{
		{"ok the first starts at once, then one a window", time.Second, false, "[0s 1s 2s 5s] [1 2 2 1]"},
		{"ok a window of 0 batches naturally", 0, false, "[0s 300ms 600ms 1.2s 1.5s 5s] [1 1 1 1 1 1]"},
		{"ok a flush waits for no window", time.Second, false, "[0s 300ms 600ms 1.6s 5s] [1 1 1 2 1]"},
		{"ok fsynced rooms wait for no window", time.Second, true, "[0s 300ms 600ms 1.2s 1.5s 5s] [1 1 1 1 1 1]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				site := storetest.NewSite()
				if test.fsynced {
					site.Change(func(s *gateway.RoomSettings) { s.Durability = gateway.DurabilityFsynced })
				}
				var seen commits
				began := time.Now()
				h := openTest(t, site, "", func(o *HistoryOptions) {
					o.CommitWindow = test.window
					o.Observer.Commit = seen.observe(began)
				})
				stop := running(t, h)
				synctest.Wait()
				for _, pause := range []time.Duration{0, 300, 300, 600, 300, 3500} {
					time.Sleep(pause * time.Millisecond)
					storetest.Publish(t, h, site, "r", "x")
					synctest.Wait()
					if strings.Contains(test.name, "flush") && time.Since(began) < time.Second {
						h.Flush()
						synctest.Wait()
					}
				}
				if err := stop(); err != nil {
					t.Fatal(err)
				}
				if seen.String() != test.expected {
					t.Errorf("commits at %s\nwant       %s", &seen, test.expected)
				}
			})
		})
	}
}

func TestUncommittedMessages(t *testing.T) {
	for _, class := range []gateway.Durability{gateway.DurabilityQueued, gateway.DurabilityFsynced} {
		site := storetest.NewSite()
		site.Change(func(s *gateway.RoomSettings) { s.Durability = class })
		h := openTest(t, site, "", nil)
		for i := range 6 {
			site.Advance(time.Second)
			storetest.Publish(t, h, site, "r", "x")
			if i == 1 {
				h.settle(t) // two in the bucket
			}
			if i == 3 {
				h.flush(t) // two in the log, two on their way
			}
		}
		want := gateway.Seq(6)
		if class == gateway.DurabilityFsynced {
			want = 4
		}
		page, err := h.Page("r", gateway.HistoryQuery{Limit: 10})
		if err != nil || page.Head.Seq != want || len(page.Messages) != int(want) || page.Newer ||
			page.Head.TS != page.Messages[want-1].TS {
			t.Errorf("%s: page %+v, %v; want %d messages", class, page, err, want)
		}
		if head, _ := h.Head("r"); head.Seq != 6 {
			t.Errorf("%s: Head = %+v; want where the next message goes", class, head)
		}
	}
}

// TestFsyncedRoomBeforeItsFirstCommit looks at a room that has only messages
// which nobody may see.
func TestFsyncedRoomBeforeItsFirstCommit(t *testing.T) {
	site := storetest.NewSite()
	site.Change(func(s *gateway.RoomSettings) { s.Durability, s.MaxMessages = gateway.DurabilityFsynced, 2 })
	h := openTest(t, site, "", nil)
	for range 5 {
		storetest.Publish(t, h, site, "r", "x")
	}
	page, err := h.Page("r", gateway.HistoryQuery{Limit: 10})
	if want := (gateway.RoomHead{Epoch: h.epoch, Oldest: 1}); err != nil || page.Head != want || len(page.Messages) != 0 {
		t.Errorf("page %+v, %v", page, err)
	}
}

// TestCommittedOverlapsTheNextCommit blocks the announcement of one record until
// a later one is on disk: with both on one goroutine that would never be.
func TestCommittedOverlapsTheNextCommit(t *testing.T) {
	site := storetest.NewSite()
	stored := make(chan int, 10)
	var h *History
	var order []string
	h = openTest(t, site, "", func(o *HistoryOptions) {
		o.Observer.Commit = func(_ time.Duration, records int, _ int64) {
			if records > 0 {
				stored <- records
			}
		}
		o.Committed = func(recs []*gateway.Record) {
			for _, rec := range recs {
				if rec.Ticket != "ticket" {
					t.Errorf("seq %d came with ticket %v", rec.Message.Seq, rec.Ticket)
				}
				order = append(order, fmt.Sprint(rec.Room, rec.Message.Seq))
			}
			if len(order) == 1 {
				rec := storetest.Next(t, h, site, "b", "x")
				rec.Ticket = "ticket"
				if err := h.Append(rec); err != nil {
					t.Error(err)
				}
				<-stored
			}
		}
	})
	stop := running(t, h)
	first := storetest.Next(t, h, site, "a", "x")
	first.Ticket = "ticket"
	if err := h.Append(first); err != nil {
		t.Fatal(err)
	}
	<-stored
	time.Sleep(20 * time.Millisecond)
	last := storetest.Next(t, h, site, "a", "x")
	last.Ticket = "ticket"
	if err := h.Append(last); err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(order, " "); got != "a1 b1 a2" {
		t.Errorf("announced %q", got)
	}
	if first.Ticket != nil || last.Ticket != nil {
		t.Errorf("tickets are still there: %v, %v", first.Ticket, last.Ticket)
	}
}

func TestFullQueueWaitsThenRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		site := storetest.NewSite()
		h := openTest(t, site, "", nil)
		big := strings.Repeat("x", 1<<20)
		n := 0
		for ; n < 7; n++ {
			storetest.Publish(t, h, site, "r", big)
		}
		before, _ := h.Head("r")
		started := time.Now()
		err := h.Append(storetest.Next(t, h, site, "r", big))
		if waited := time.Since(started); gateway.CodeOf(err) != gateway.CodeUnavailable || waited != spaceTimeout {
			t.Errorf("Append to a full queue = %v after %v", err, waited)
		}
		if after, _ := h.Head("r"); after != before {
			t.Errorf("a refused append moved the head to %+v", after)
		}
		go func() {
			time.Sleep(time.Second)
			h.take(true)
		}()
		started = time.Now()
		storetest.Publish(t, h, site, "r", big)
		if waited := time.Since(started); waited != time.Second {
			t.Errorf("Append waited %v for the writer; want 1s", waited)
		}
	})
}

// TestWaitLeavesRoomForAnAppend fills the queue just over its half.
func TestWaitLeavesRoomForAnAppend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		site := storetest.NewSite()
		h := openTest(t, site, "", nil)
		for range 4 {
			if err := h.Wait(); err != nil {
				t.Fatal(err)
			}
			storetest.Publish(t, h, site, "r", strings.Repeat("x", 1<<20))
		}
		started := time.Now()
		if err := h.Wait(); gateway.CodeOf(err) != gateway.CodeUnavailable || time.Since(started) != spaceTimeout {
			t.Errorf("Wait = %v after %v", err, time.Since(started))
		}
		go func() {
			time.Sleep(time.Second)
			h.take(true)
		}()
		started = time.Now()
		if err := h.Wait(); err != nil || time.Since(started) != time.Second {
			t.Errorf("Wait = %v after %v; the writer took some after 1s", err, time.Since(started))
		}
	})
}

func TestQueueGoesOutBeforeTheWindowWhenItIsLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		site := storetest.NewSite()
		var seen commits
		h := openTest(t, site, "", func(o *HistoryOptions) {
			o.CommitWindow = time.Hour
			o.Observer.Commit = seen.observe(time.Now())
		})
		running(t, h)
		for range 16 { // the first alone, then batches of less than 4 MiB
			storetest.Publish(t, h, site, "r", strings.Repeat("x", 1<<20))
			synctest.Wait()
		}
		if got := seen.String(); got != "[0s 0s 0s 0s 0s] [1 3 3 3 3]" {
			t.Errorf("commits at %s", got)
		}
	})
}

// TestFailedCommitEndsRun takes the file away under the writer.
func TestFailedCommitEndsRun(t *testing.T) {
	for _, fill := range []int{2, 5000} { // the failing commit is a fill, or not
		site := storetest.NewSite()
		var file *os.File
		var acked []gateway.Seq
		h := openTest(t, site, "", func(o *HistoryOptions) {
			o.fillRecords = fill
			o.open = func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
				file, err = os.OpenFile(name, flag, mode)
				return file, err
			}
			o.Committed = func(recs []*gateway.Record) {
				for _, rec := range recs {
					acked = append(acked, rec.Message.Seq)
				}
			}
		})
		done := make(chan error, 1)
		go func() { done <- h.Run(context.Background()) }()
		storetest.Publish(t, h, site, "r", "good")
		for page := (gateway.HistoryPage{}); page.Head.Seq == 0; {
			page.Head = h.view("r", true).head
		}
		file.Close()
		storetest.Publish(t, h, site, "r", "bad")
		err := <-done
		if gateway.CodeOf(err) != gateway.CodeInternal {
			t.Errorf("Run = %v", err)
		}
		if len(acked) != 1 || acked[0] != 1 {
			t.Errorf("acknowledged %v; want 1 only", acked)
		}
		err = h.Append(storetest.Next(t, h, site, "r", "late"))
		if gateway.CodeOf(err) != gateway.CodeUnavailable || gateway.AsError(err).RetryAfter <= 0 {
			t.Errorf("Append after the failure = %v; want to hear when to try again", err)
		}
		h.Close() // its error is that of the missing file
		after := openTest(t, site, h.opts.Path, nil)
		if head, _ := after.Head("r"); head.Seq != 1 || head.Epoch == h.epoch {
			t.Errorf("after the failure the room is at %+v", head)
		}
	}
}
