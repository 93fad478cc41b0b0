package boltstore

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"edgegw/internal/gateway"
	"edgegw/internal/storetest"
)

// imported brings an export back in a file of its own and opens that.
func imported(t *testing.T, h *History, site *storetest.Site, during func()) *History {
	t.Helper()
	path := filepath.Join(t.TempDir(), "history.db")
	in, err := NewHistoryImport(path)
	if err != nil {
		t.Fatal(err)
	}
	err = h.Export(t.Context(), func(chunk []byte) error {
		if len(chunk) > 1<<20 {
			t.Errorf("a chunk of %d bytes", len(chunk))
		}
		during()
		return in.Add(chunk)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Finish(); err != nil {
		t.Fatal(err)
	}
	return openTest(t, site, path, func(o *HistoryOptions) { o.fillRecords = h.opts.fillRecords })
}

func pageAll(t *testing.T, h *History, id gateway.RoomID) []gateway.Message {
	t.Helper()
	page, err := h.Page(id, gateway.HistoryQuery{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return page.Messages
}

func appendAll(t *testing.T, h *History, id gateway.RoomID, from, to gateway.Seq) {
	t.Helper()
	for seq := from; seq <= to; seq++ {
		rec := record(id, seq, fmt.Sprint(id, " ", seq))
		rec.Message.ID = gateway.MessageID(fmt.Sprint("id", seq))
		if err := h.Append(rec); err != nil {
			t.Fatal(err)
		}
	}
}

// What was filled, what is in the log, and what was decided all comes back, under
// a new epoch that remembers where the old one ended.
func TestExportComesBack(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	appendAll(t, h, "both", 1, 450)
	appendAll(t, h, "filled", 1, 3)
	h.settle(t)
	appendAll(t, h, "both", 451, 500)
	appendAll(t, h, "fresh", 1, 7)
	h.flush(t)
	decided := site.Settings("both")
	decided.MaxMessages = 777
	if err := h.PutSettings("both", decided); err != nil {
		t.Fatal(err)
	}
	old, _ := h.Head("both")
	back := imported(t, h, site, func() {})
	for id, want := range map[gateway.RoomID]gateway.Seq{"both": 500, "filled": 3, "fresh": 7} {
		if got := pageAll(t, back, id); len(got) != int(want) || !slices.EqualFunc(got, pageAll(t, h, id), sameMessage) {
			t.Errorf("%s has %d messages of %d, or others", id, len(got), want)
		}
		found, err := back.Find(id, "ada", gateway.MessageID(fmt.Sprint("id", want)))
		if err != nil || found.Seq != want {
			t.Errorf("%s does not know the id of %d: %v %v", id, want, found, err)
		}
	}
	if got := back.RoomSettings("both"); got != decided {
		t.Errorf("settings %+v", got)
	}
	head, _ := back.Head("both")
	past, err := back.Past("both")
	if err != nil || head.Epoch == old.Epoch || !slices.Contains(past, gateway.PastEpoch{Epoch: old.Epoch, End: 500}) {
		t.Errorf("epoch %s after %s, past %v, %v", head.Epoch, old.Epoch, past, err)
	}
}

func sameMessage(a, b gateway.Message) bool {
	return a.Seq == b.Seq && a.TS == b.TS && a.User == b.User && a.ID == b.ID && bytes.Equal(a.Payload.Bytes, b.Payload.Bytes)
}

// While it is copied, the store fills, purges and deletes: every room has all
// from before, without a hole, and one that was deleted is not there.
func TestExportWhileWriting(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", func(o *HistoryOptions) { o.fillRecords = 100 })
	running(t, h)
	rooms := []gateway.RoomID{"a", "b", "c", "gone", "z"}
	for _, id := range rooms {
		appendAll(t, h, id, 1, 600)
	}
	if err := h.PutSettings("b", site.Settings("b")); err != nil { // all before is on disk
		t.Fatal(err)
	}
	next := map[gateway.RoomID]gateway.Seq{"a": 601, "b": 601, "c": 601, "z": 601}
	var once sync.Once
	back := imported(t, h, site, func() {
		for id, seq := range next {
			appendAll(t, h, id, seq, seq+49)
			next[id] = seq + 50
		}
		once.Do(func() {
			if err := h.Delete("gone"); err != nil {
				t.Error(err)
			}
			appendAll(t, h, "gone", 1, 2)
		})
	})
	for _, id := range []gateway.RoomID{"a", "b", "c", "z"} {
		got := pageAll(t, back, id)
		head, _ := back.Head(id)
		if len(got) == 0 || head.Seq < 600 || got[len(got)-1].Seq != head.Seq {
			t.Fatalf("%s ends at %v", id, head)
		}
		for i := 1; i < len(got); i++ {
			if got[i].Seq != got[i-1].Seq+1 {
				t.Fatalf("%s has a hole behind %d", id, got[i-1].Seq)
			}
		}
	}
	if got := pageAll(t, back, "gone"); len(got) != 0 {
		t.Errorf("the deleted room has %d messages, from %d", len(got), got[0].Seq)
	}
}

// What leaves the log behind its copy comes with its room and counts once; ids of
// messages behind the copy of their room are not there, and harm no others.
func TestExportWhileFilling(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	appendAll(t, h, "a", 1, 20)
	h.settle(t)
	appendAll(t, h, "a", 21, 30)
	h.flush(t)
	appendAll(t, h, "gone", 1, 5)
	h.flush(t)
	var seen []byte
	path := filepath.Join(t.TempDir(), "history.db")
	in, err := NewHistoryImport(path)
	if err != nil {
		t.Fatal(err)
	}
	err = h.Export(t.Context(), func(chunk []byte) error {
		kind := chunk[0]
		err := in.Add(chunk)
		seen = append(seen, kind)
		switch kind {
		case itemLog:
			if err := h.Delete("gone"); err != nil {
				t.Error(err)
			}
			appendAll(t, h, "a", 31, 40)
			h.settle(t)
		case itemMessage:
			appendAll(t, h, "a", 41, 50)
			h.settle(t)
		}
		return err
	})
	if err == nil {
		err = in.Finish()
	}
	if want := []byte{itemState, itemLog, itemMessage, itemID, itemHead, itemDeleted}; err != nil || !bytes.Equal(seen, want) {
		t.Fatal(seen, err)
	}
	back := openTest(t, site, path, nil)
	head, _ := back.Head("a")
	got := pageAll(t, back, "a")
	if head.Seq != 40 || len(got) != 40 || !slices.EqualFunc(got, pageAll(t, h, "a")[:40], sameMessage) {
		t.Errorf("head %v, %d messages", head, len(got))
	}
	if got := pageAll(t, back, "gone"); len(got) != 0 {
		t.Errorf("the deleted room has %d messages", len(got))
	}
	for id, want := range map[gateway.MessageID]gateway.Seq{"id1": 1, "id40": 40, "id41": 0} {
		if found, err := back.Find("a", "ada", id); err != nil || found.Seq != want {
			t.Errorf("%s is at %d, want %d: %v", id, found.Seq, want, err)
		}
	}
}

// itemsIn counts what a chunk consists of.
func itemsIn(chunk []byte) (n int) {
	for d := (decoder{b: chunk}); len(d.b) > 0 && !d.bad; n++ {
		d.byte()
		for range 3 {
			d.bytes()
		}
	}
	return n
}

// No read transaction of an export sees more than 200 values or half a megabyte,
// and none is open while a chunk is taken: for so long, pages that become free could
// not be used again.
func TestExportTransactionsAreShort(t *testing.T) {
	const values, most = 200, 512 << 10
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	appendAll(t, h, "a", 1, 1000)
	large := record("b", 1, strings.Repeat("x", 40_000))
	for seq := gateway.Seq(1); seq <= 40; seq++ {
		rec := *large
		rec.Message.Seq = seq
		if err := h.Append(&rec); err != nil {
			t.Fatal(err)
		}
	}
	h.settle(t)
	began, chunks := h.db.Stats().TxN, 0
	err := h.Export(t.Context(), func(chunk []byte) error {
		chunks++
		// The head and the epochs of a room come with the last of its messages.
		if n := itemsIn(chunk); n > values+2 || len(chunk) > most+64<<10 {
			t.Errorf("a chunk of %d values, %d bytes", n, len(chunk))
		}
		if open := h.db.Stats().OpenTxN; open != 0 {
			t.Errorf("%d transactions are open while a chunk is taken", open)
		}
		return nil
	})
	if err != nil || chunks < 1000/values+40*40_000/most {
		t.Errorf("%d chunks, %v", chunks, err)
	}
	if n := h.db.Stats().TxN - began; n < chunks {
		t.Errorf("%d transactions for %d chunks", n, chunks)
	}
}

func TestExportEnds(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	appendAll(t, h, "a", 1, 1000)
	h.settle(t)
	ctx, cancel := context.WithCancel(t.Context())
	chunks := 0
	err := h.Export(ctx, func([]byte) error { chunks++; cancel(); return nil })
	if err != context.Canceled || chunks != 1 {
		t.Errorf("%d chunks, %v", chunks, err)
	}
}

func TestImportRefuses(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	appendAll(t, h, "a", 1, 10)
	h.settle(t)
	var chunks [][]byte
	if err := h.Export(t.Context(), func(c []byte) error { chunks = append(chunks, bytes.Clone(c)); return nil }); err != nil {
		t.Fatal(err)
	}
	for name, list := range map[string][][]byte{
		"bad, nothing":         nil,
		"bad, without a state": chunks[1:],
		"bad, cut":             {chunks[0][:len(chunks[0])-1]},
		"bad, twice":           slices.Concat(chunks, chunks),
		"bad, foreign":         {[]byte("\xffsomething else")},
	} {
		path := filepath.Join(t.TempDir(), "history.db")
		in, err := NewHistoryImport(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			if err = in.Add(c); err != nil {
				break
			}
		}
		if err == nil {
			err = in.Finish()
		}
		if gateway.CodeOf(err) != gateway.CodeUnavailable {
			t.Errorf("%s: %v", name, err)
		}
		if err := in.Abort(); err != nil {
			t.Error(name, err)
		}
	}
}
