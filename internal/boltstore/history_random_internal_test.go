package boltstore

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"edgegw/internal/gateway"
	"edgegw/internal/storetest"
)

var (
	randomRooms = []gateway.RoomID{"r", "s", "t"}
	randomUsers = []gateway.AccountName{"ann", "bob"}
)

// randomRoom is the simplest thing that a room could be.
type randomRoom struct {
	epoch   gateway.Epoch
	past    []gateway.PastEpoch
	sent    []gateway.Message
	durable int // of what was sent
}

func (r *randomRoom) end(epoch gateway.Epoch) {
	r.past = append(r.past, gateway.PastEpoch{Epoch: r.epoch, End: gateway.Seq(len(r.sent))})
	r.past = r.past[max(0, len(r.past)-maxEpochs):]
	r.epoch = epoch
}

// find looks at everything that the account ever sent.
func (r *randomRoom) find(user gateway.AccountName, id gateway.MessageID, now gateway.Timestamp) gateway.Seq {
	if n := len(r.sent); n > 0 {
		now = max(now, r.sent[n-1].TS)
	}
	rank := 0
	for i := len(r.sent) - 1; i >= 0; i-- {
		m := &r.sent[i]
		if m.User != user || m.ID == "" {
			continue
		}
		if rank++; m.ID == id && (rank <= 64 || m.TS >= now-5*60*1000) {
			return m.Seq
		}
	}
	return 0
}

// randomWorld is a store and its model.
type randomWorld struct {
	t     *rapid.T
	tb    testing.TB
	dir   string
	files int
	site  *storetest.Site
	h     *History
	keep  int64
	rooms map[gateway.RoomID]*randomRoom
	seen  map[gateway.Epoch]bool
}

// TestHistoryAgainstModel publishes under new and used ids, crashes, restarts,
// deletes and ends epochs at random.
func TestHistoryAgainstModel(t *testing.T) {
	dir, worlds := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		worlds++
		w := &randomWorld{
			t: rt, tb: t, dir: filepath.Join(dir, fmt.Sprint(worlds)), site: storetest.NewSite(),
			keep:  rapid.SampledFrom([]int64{5, 1 << 30}).Draw(rt, "keep"),
			rooms: make(map[gateway.RoomID]*randomRoom), seen: make(map[gateway.Epoch]bool),
		}
		w.site.Change(func(s *gateway.RoomSettings) { s.MaxMessages = w.keep })
		if err := os.Mkdir(w.dir, 0o700); err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(w.dir)
		w.open("0.db")
		defer func() { w.h.db.Close() }()
		for _, id := range randomRooms {
			head, _ := w.h.Head(id)
			w.rooms[id] = &randomRoom{epoch: head.Epoch}
			w.seen[head.Epoch] = true
		}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			w.step()
			w.compare()
		}
	})
}

func (w *randomWorld) open(name string) {
	h, err := tryOpen(w.tb, w.site, filepath.Join(w.dir, name), func(o *HistoryOptions) { o.fillRecords = 30 })
	if err != nil {
		w.t.Fatal(err)
	}
	h.db.NoSync = true
	h.publishers.most = rapid.SampledFrom([]int{1, 1 << 20}).Draw(w.t, "memory of ids")
	w.h = h
}

func (w *randomWorld) step() {
	id := rapid.SampledFrom(randomRooms).Draw(w.t, "room")
	r := w.rooms[id]
	switch rapid.SampledFrom([]string{"publish", "publish", "publish", "burst", "flush", "flush", "settle", "advance",
		"crash", "restart", "delete", "epoch", "forget"}).Draw(w.t, "step") {
	case "publish":
		w.publish(id, fmt.Sprint(rapid.IntRange(0, 20).Draw(w.t, "id")))
	case "burst":
		for range rapid.IntRange(1, 80).Draw(w.t, "messages") {
			w.publish(id, fmt.Sprint("burst-", len(r.sent)))
		}
	case "flush":
		w.flush()
	case "settle":
		w.flush()
		w.h.settle(w.tb)
	case "advance":
		w.site.Advance(rapid.SampledFrom([]time.Duration{time.Millisecond, 3 * time.Minute, 5 * time.Minute, time.Hour}).Draw(w.t, "time"))
	case "crash":
		w.crash()
	case "restart":
		w.flush()
		if err := w.h.Close(); err != nil {
			w.t.Fatal(err)
		}
		w.open(filepath.Base(w.h.opts.Path))
	case "delete":
		if err := w.h.Delete(id); err != nil {
			w.t.Fatal(err)
		}
		w.durable()
		head, _ := w.h.Head(id)
		*r = randomRoom{epoch: w.fresh(head.Epoch)}
	case "epoch":
		if err := w.h.NewEpoch(id); err != nil {
			w.t.Fatal(err)
		}
		w.durable()
		head, _ := w.h.Head(id)
		r.end(w.fresh(head.Epoch))
	case "forget":
		if err := w.h.ForgetEpochs(id); err != nil {
			w.t.Fatal(err)
		}
		w.durable()
		head, _ := w.h.Head(id)
		r.epoch, r.past = w.fresh(head.Epoch), nil
	}
}

func (w *randomWorld) fresh(epoch gateway.Epoch) gateway.Epoch {
	if w.seen[epoch] {
		w.t.Fatalf("epoch %q was given twice", epoch)
	}
	w.seen[epoch] = true
	return epoch
}

// publish does what a hub does: it asks first.
func (w *randomWorld) publish(id gateway.RoomID, name string) {
	r, user := w.rooms[id], rapid.SampledFrom(randomUsers).Draw(w.t, "user")
	message := gateway.MessageID(name)
	found, err := w.h.Find(id, user, message)
	want := r.find(user, message, gateway.Timestamp(w.site.Now().UnixMilli()))
	if err != nil || found.Seq != want || (found.Record != nil) != (want > gateway.Seq(r.durable)) {
		w.t.Fatalf("Find(%s, %s, %s) = %+v, %v; want seq %d, %d are durable", id, user, message, found, err, want, r.durable)
	}
	if want == 0 {
		r.sent = append(r.sent, storetest.PublishAs(w.tb, w.h, w.site, id, user, message))
	}
}

func (w *randomWorld) flush() {
	w.h.flush(w.tb)
	w.durable()
}

func (w *randomWorld) durable() {
	for _, r := range w.rooms {
		r.durable = len(r.sent)
	}
}

func (w *randomWorld) crash() {
	w.files++
	name := fmt.Sprint(w.files, ".db")
	copyTo(w.tb, w.h.opts.Path, filepath.Join(w.dir, name))
	w.h.db.Close()
	os.Remove(w.h.opts.Path)
	w.open(name)
	w.fresh(w.h.epoch)
	for _, r := range w.rooms {
		r.sent = r.sent[:r.durable]
		r.end(w.h.epoch)
	}
}

func (w *randomWorld) compare() {
	now := gateway.Timestamp(w.site.Now().UnixMilli())
	for _, id := range randomRooms {
		r := w.rooms[id]
		want := gateway.RoomHead{Epoch: r.epoch, Seq: gateway.Seq(len(r.sent)), Oldest: 1}
		if n := len(r.sent); n > 0 {
			want.TS = r.sent[n-1].TS
			want.Oldest = gateway.Seq(max(1, int64(n)-w.keep+1))
		}
		if head, err := w.h.Head(id); err != nil || head != want {
			w.t.Fatalf("Head(%s) = %+v, %v; want %+v", id, head, err, want)
		}
		if past, err := w.h.Past(id); err != nil || !cmp.Equal(past, r.past) {
			w.t.Fatalf("Past(%s) = %+v, %v; want %+v", id, past, err, r.past)
		}
		page, err := w.h.Page(id, gateway.HistoryQuery{Limit: 1000})
		kept := r.sent[want.Oldest-1:]
		kept = kept[max(0, len(kept)-1000):]
		if err != nil || page.Head != want || len(page.Messages) != len(kept) || len(kept) > 0 && !cmp.Equal(page.Messages, kept) {
			w.t.Fatalf("Page(%s) = %d messages at %+v, %v; want %d", id, len(page.Messages), page.Head, err, len(kept))
		}
		for _, user := range randomUsers {
			for range 3 {
				name := fmt.Sprint(rapid.IntRange(0, 20).Draw(w.t, "asked id"))
				if n := len(r.sent); n > 0 && rapid.Bool().Draw(w.t, "sent") {
					name = string(r.sent[rapid.IntRange(0, n-1).Draw(w.t, "which")].ID)
				}
				found, err := w.h.Find(id, user, gateway.MessageID(name))
				if want := r.find(user, gateway.MessageID(name), now); err != nil || found.Seq != want {
					w.t.Fatalf("Find(%s, %s, %s) = %+v, %v; want seq %d", id, user, name, found, err, want)
				}
			}
		}
	}
}
