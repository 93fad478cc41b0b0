package boltstore

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"edgegw/internal/gateway"
	"edgegw/internal/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// openTest opens a history in its own folder, or at path, and closes it with
// the test.
func openTest(t testing.TB, site *storetest.Site, path string, edit func(*HistoryOptions)) *History {
	t.Helper()
	h, err := tryOpen(t, site, path, edit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.db.Close() })
	return h
}

func tryOpen(t testing.TB, site *storetest.Site, path string, edit func(*HistoryOptions)) (*History, error) {
	if path == "" {
		path = filepath.Join(t.TempDir(), "history.db")
	}
	opts := HistoryOptions{Path: path, Settings: site.Settings, Now: site.Now, AgeTime: site.AgeTime}
	opts.Observer.Quarantined = func(saved string) { t.Errorf("a sound file was put aside: %s", saved) }
	if edit != nil {
		edit(&opts)
	}
	return OpenHistory(opts)
}

// settle does the writer's work on the test's own goroutine: everything is
// committed, filled, swept and purged when it returns.
func (h *History) settle(t testing.TB) {
	t.Helper()
	h.flush(t)
	err := h.update(0, h.fill)
	if err != nil {
		t.Fatal(err)
	}
	h.filled()
	h.sweep()
	for h.purge {
		if err := h.purgeSome(); err != nil {
			t.Fatal(err)
		}
	}
}

// flush commits everything that was appended.
func (h *History) flush(t testing.TB) {
	t.Helper()
	for {
		batch := h.take(true)
		if batch == nil {
			return
		}
		if err := h.commit(batch); err != nil {
			t.Fatal(err)
		}
		h.acks.recs, h.acks.bytes = nil, 0
	}
}

// running runs the history until the test ends; stop ends it sooner.
func running(t testing.TB, h *History) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(10 * time.Second):
			t.Error("Run did not return")
			return nil
		}
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return stop
}

// copyFile stands in for a crash: the copy is what the disk would hold.
func (h *History) copyFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "history.db")
	copyTo(t, h.opts.Path, path)
	return path
}

func copyTo(t testing.TB, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSuite(t *testing.T) {
	t.Run("settled by hand", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T, site *storetest.Site) storetest.Subject {
			h := openTest(t, site, "", nil)
			return storetest.Subject{Store: h, Settle: func() { h.settle(t) }}
		})
	})
	t.Run("with a writer and small fills", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T, site *storetest.Site) storetest.Subject {
			var asked atomic.Int64
			h := openTest(t, site, "", func(o *HistoryOptions) {
				o.fillRecords, o.RetentionEvery = 7, time.Millisecond
				o.Settings = func(room gateway.RoomID) gateway.RoomSettings {
					asked.Add(1)
					return site.Settings(room)
				}
			})
			running(t, h)
			return storetest.Subject{Store: h, Settle: func() { awaitSweep(h, &asked) }}
		})
	})
}

// awaitSweep waits until everything is committed and then for a whole sweep, with
// the purge behind it. Each asks for the settings of every room at most once, and
// nobody else asks meanwhile: what may be under way, a sweep and its purge are
// over when the count has grown by more than four times the rooms.
func awaitSweep(h *History, asked *atomic.Int64) {
	for {
		h.mu.Lock()
		waiting, rooms := 0, int64(len(h.rooms))
		for _, r := range h.rooms {
			waiting += int(r.head.Seq - r.committed)
		}
		h.mu.Unlock()
		if rooms == 0 {
			return
		}
		if waiting == 0 {
			for from := asked.Load(); asked.Load() <= from+4*rooms; {
				time.Sleep(100 * time.Microsecond)
			}
			return
		}
		time.Sleep(100 * time.Microsecond)
	}
}

func record(room gateway.RoomID, seq gateway.Seq, payload string) *gateway.Record {
	return &gateway.Record{Room: room, Message: gateway.Message{
		Seq: seq, TS: gateway.Timestamp(1_700_000_000_000 + int64(seq)), User: "ada",
		Payload: gateway.Payload{Kind: gateway.PayloadText, Bytes: []byte(payload)},
	}}
}
