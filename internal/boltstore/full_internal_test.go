package boltstore

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/storetest"
)

// cramped is a history whose file cannot grow any more.
type cramped struct {
	*History
	t    *testing.T
	site *storetest.Site
	path string
	wall int
	lost []*gateway.Record
}

func newCramped(t *testing.T) *cramped {
	c := &cramped{t: t, site: storetest.NewSite(), path: filepath.Join(t.TempDir(), "history.db")}
	c.open()
	c.wall = c.db.MaxSize
	return c
}

func (c *cramped) open() {
	c.t.Helper()
	c.History = openTest(c.t, c.site, c.path, func(o *HistoryOptions) {
		o.Space = OpenSpace(filepath.Dir(c.path), slog.New(slog.DiscardHandler))
		o.Lost = func(recs []*gateway.Record) { c.lost = append(c.lost, recs...) }
	})
}

// cram takes away the space that the file has not taken yet.
func (c *cramped) cram() {
	c.t.Helper()
	info, err := os.Stat(c.path)
	if err != nil {
		c.t.Fatal(err)
	}
	c.db.MaxSize = int(info.Size())
}

func (c *cramped) append(room gateway.RoomID) error {
	return c.Append(storetest.Next(c.t, c.History, c.site, room, strings.Repeat("x", 8000)))
}

// stick appends and commits to two rooms until a batch of one message each is
// stuck, and returns what is on disk of each.
func (c *cramped) stick() (stored gateway.Seq) {
	c.t.Helper()
	for range 5000 {
		for _, room := range []gateway.RoomID{"a", "b"} {
			if err := c.append(room); err != nil {
				c.t.Fatal(err)
			}
		}
		c.flush(c.t)
		if c.stuck != nil {
			return stored
		}
		stored++
	}
	c.t.Fatal("there is always space")
	return 0
}

// unstickNow is another try without the wait before it.
func (c *cramped) unstickNow() {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := c.unstick(ctx); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cramped) relax() {
	c.t.Helper()
	c.db.MaxSize = c.wall
	c.SpaceLook()
	if c.opts.Space.Full() {
		c.t.Fatal("there is space, and it is not seen")
	}
}

func (c *cramped) head(room gateway.RoomID) gateway.RoomHead {
	c.t.Helper()
	head, err := c.Head(room)
	if err != nil {
		c.t.Fatal(err)
	}
	return head
}

// A batch that found no space is stored when there is some again, as if nothing
// had happened.
func TestStuckBatchIsStored(t *testing.T) {
	c := newCramped(t)
	c.cram()
	stored := c.stick()
	if gateway.CodeOf(c.append("a")) != gateway.CodeStorageFull {
		t.Error("a full disk takes messages")
	}
	if err := c.NewEpoch("a"); gateway.CodeOf(err) != gateway.CodeStorageFull {
		t.Errorf("an operation on a full disk: %v", err)
	}
	c.unstickNow()
	if c.stuck == nil {
		t.Fatal("it was stored without space")
	}
	epoch := c.head("a").Epoch
	c.relax()
	if err := c.Delete("a"); gateway.CodeOf(err) != gateway.CodeStorageFull {
		t.Errorf("an operation before what was appended is stored: %v", err)
	}
	c.unstickNow()
	if c.stuck != nil || len(c.lost) > 0 {
		t.Fatalf("still stuck: %d, lost: %d", len(c.stuck), len(c.lost))
	}
	if err := c.append("a"); err != nil {
		t.Fatal(err)
	}
	c.settle(t)
	for room, want := range map[gateway.RoomID]int{"a": int(stored) + 2, "b": int(stored) + 1} {
		if all := storetest.All(t, c.History, room); len(all) != want {
			t.Errorf("%s holds %d messages, want %d", room, len(all), want)
		}
	}
	if c.head("a").Epoch != epoch {
		t.Error("nothing was lost, and the epoch is another")
	}
	checkDisk(t, c.History)
}

// What can never be stored is told, and ends the epoch where the disk ends; that
// is what a start finds, whenever the gateway is killed.
func TestLostBatchEndsTheEpoch(t *testing.T) {
	for _, when := range []string{"at once", "after the recovery", "after more"} {
		t.Run("killed "+when, func(t *testing.T) {
			c := newCramped(t)
			c.cram()
			stored := c.stick()
			old := c.head("a").Epoch
			c.unstickNow()
			if len(c.lost) > 0 {
				t.Fatal("it was given up at once")
			}
			c.site.Advance(stuckPatience + time.Second)
			c.unstickNow()
			if len(c.lost) != 2 || c.lost[0].Message.Seq != stored+1 {
				t.Fatalf("%d records are lost", len(c.lost))
			}
			head := c.head("a")
			if head.Seq != stored || head.Epoch == old {
				t.Fatalf("the head is %+v; %d are stored, the epoch was %s", head, stored, old)
			}
			if found, err := c.Find("a", "ada", c.lost[0].Message.ID); err != nil || found.Seq != 0 {
				t.Errorf("the lost message is found at %d, %v", found.Seq, err)
			}
			storetest.CheckFound(t, c.History, "a", storetest.All(t, c.History, "a")[stored-1])
			between := head.Epoch
			if when != "at once" {
				if code := gateway.CodeOf(c.append("a")); code != gateway.CodeStorageFull {
					t.Errorf("before the epoch is stored it takes messages: %s", code)
				}
				c.relax()
				if code := gateway.CodeOf(c.append("a")); code != gateway.CodeUnavailable {
					t.Errorf("before the epoch is stored it takes messages: %s", code)
				}
				if err := c.recoverLost(); err != nil {
					t.Fatal(err)
				}
			}
			if when == "after more" {
				for range 3 {
					if err := c.append("a"); err != nil {
						t.Fatal(err)
					}
				}
				c.flush(t)
			}
			if err := c.db.Close(); err != nil { // not clean
				t.Fatal(err)
			}
			c.open()
			c.checkPast(old, stored, between, when)
		})
	}
}

// checkPast wants the old epoch to have ended at the disk's end, and the one
// behind it to be known only if it was stored.
func (c *cramped) checkPast(old gateway.Epoch, stored gateway.Seq, between gateway.Epoch, when string) {
	c.t.Helper()
	past, err := c.Past("a")
	if err != nil {
		c.t.Fatal(err)
	}
	ends := make(map[gateway.Epoch]gateway.Seq)
	for _, p := range past {
		ends[p.Epoch] = p.End
	}
	if end, ok := ends[old]; !ok || end != stored {
		c.t.Errorf("the old epoch ended at %d, %v; %d are stored", end, ok, stored)
	}
	want := map[string]gateway.Seq{"after the recovery": stored, "after more": stored + 3}[when]
	if end := ends[between]; end != want {
		c.t.Errorf("the epoch behind it ended at %d, want %d", end, want)
	}
	if head := c.head("a"); head.Epoch == old || head.Epoch == between {
		c.t.Errorf("after the crash the epoch is %s", head.Epoch)
	}
	checkDisk(c.t, c.History)
}
