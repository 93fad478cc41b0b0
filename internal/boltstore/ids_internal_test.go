package boltstore

import (
	"fmt"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
	"edgegw/internal/once"
	"edgegw/internal/storetest"
)

// publishIDs appends n messages of the account, each under an id of its own.
func publishIDs(t testing.TB, h *History, site *storetest.Site, room gateway.RoomID, user gateway.AccountName, n int) (sent []gateway.Message) {
	t.Helper()
	head, _ := h.Head(room)
	for i := range n {
		id := gateway.MessageID(fmt.Sprint(user, "-", int(head.Seq)+i))
		sent = append(sent, storetest.PublishAs(t, h, site, room, user, id))
	}
	return sent
}

func checkAllFound(t testing.TB, h *History, room gateway.RoomID, sent []gateway.Message) {
	t.Helper()
	for _, m := range sent {
		storetest.CheckFound(t, h, room, m)
	}
}

func TestIDsSurviveRestarts(t *testing.T) {
	limit := func(s *gateway.RoomSettings) { s.MaxMessages, s.MaxAge = 2, time.Second }
	tests := []struct {
		name  string
		clean bool
		fill  int // records
		limit func(*gateway.RoomSettings)
	}{
		{"ok clean", true, 1000, nil},
		{"ok unclean, all in the log", false, 1000, nil},
		{"ok unclean, all but a few in fills", false, 7, nil},
		{"ok clean, retention has taken the messages", true, 7, limit},
		{"ok unclean, retention has taken the messages", false, 7, limit},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			site := storetest.NewSite()
			if test.limit != nil {
				site.Change(test.limit)
			}
			fill := func(o *HistoryOptions) { o.fillRecords = test.fill }
			h := openTest(t, site, "", fill)
			var ann, bob []gateway.Message
			for range 10 {
				ann = append(ann, publishIDs(t, h, site, "r", "ann", 10)...)
				bob = append(bob, publishIDs(t, h, site, "r", "bob", 3)...)
				site.Advance(time.Second)
				h.flush(t)
			}
			if test.limit != nil {
				h.settle(t)
			}
			path := ""
			if test.clean {
				path = h.opts.Path
				if err := h.Close(); err != nil {
					t.Fatal(err)
				}
			} else {
				publishIDs(t, h, site, "r", "ann", 1)
				publishIDs(t, h, site, "r", "lost", 1)
				path = h.copyFile(t)
			}
			h = openTest(t, site, path, fill)
			storetest.CheckNotFound(t, h, "r", "lost", "lost-131")
			storetest.CheckNotFound(t, h, "r", "ann", "ann-130")
			checkAllFound(t, h, "r", bob)
			checkAllFound(t, h, "r", ann)
			site.Advance(24 * time.Hour)
			checkAllFound(t, h, "r", ann[len(ann)-once.Newest:])
			storetest.CheckNotFound(t, h, "r", "ann", ann[len(ann)-once.Newest-1].ID)
			ann = append(ann, publishIDs(t, h, site, "r", "ann", 1)...)
			h.settle(t)
			h = openTest(t, site, h.copyFile(t), fill)
			checkAllFound(t, h, "r", ann[len(ann)-once.Newest:])
			storetest.CheckNotFound(t, h, "r", "ann", ann[len(ann)-once.Newest-1].ID)
		})
	}
}

// TestDamagedIDs harms one of several pieces: what is in it is forgotten, and
// nothing else.
func TestDamagedIDs(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	ann := publishIDs(t, h, site, "r", "ann", 3*pieceIDs+10)
	bob := publishIDs(t, h, site, "r", "bob", 3)
	h.settle(t)
	path := h.copyFile(t)
	const hit = pieceIDs + 1 // the seq that the second piece was begun with
	edit(t, path, func(tx *bolt.Tx) error { return harm(t, tx, idKey("ann", hit), bucketIDs, []byte("r")) })
	damaged := 0
	h = openTest(t, site, path, func(o *HistoryOptions) { o.Observer.Damaged = func(n int) { damaged += n } })
	for range 2 {
		for i, m := range ann {
			if i >= pieceIDs && i < 2*pieceIDs {
				storetest.CheckNotFound(t, h, "r", "ann", m.ID)
			} else {
				storetest.CheckFound(t, h, "r", m)
			}
		}
		if damaged != 1 {
			t.Errorf("told of %d damaged pieces", damaged)
		}
	}
	checkAllFound(t, h, "r", bob)
	// What was forgotten is stored again, and then found.
	again := storetest.PublishAs(t, h, site, "r", "ann", ann[pieceIDs].ID)
	h.settle(t)
	if damaged != 2 { // the fill has met the piece, and left nothing of it
		t.Errorf("told of %d damaged pieces after a fill", damaged)
	}
	h = openTest(t, site, h.copyFile(t), func(o *HistoryOptions) { o.Observer.Damaged = func(n int) { damaged += n } })
	storetest.CheckFound(t, h, "r", again)
	storetest.CheckFound(t, h, "r", ann[0])
	if damaged != 2 {
		t.Errorf("told of %d damaged pieces after a restart", damaged)
	}
}

// TestOldPiecesGo has one busy account and one that publishes rarely.
func TestOldPiecesGo(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	h.db.NoSync = true
	var rare []gateway.Message
	for range 40 {
		publishIDs(t, h, site, "r", "busy", 150)
		rare = append(rare, publishIDs(t, h, site, "r", "rare", 5)...)
		site.Advance(10 * time.Minute)
		h.settle(t)
	}
	checkAllFound(t, h, "r", rare[len(rare)-once.Newest:])
	err := h.db.View(func(tx *bolt.Tx) error {
		bucket := tx.Bucket(bucketIDs).Bucket([]byte("r"))
		for user, most := range map[gateway.AccountName]int{"busy": 4, "rare": 2} {
			pieces, damaged := readPieces(bucket, "r", user, 1<<40)
			if len(pieces) > most || damaged != 0 {
				t.Errorf("%s has %d pieces, %d damaged", user, len(pieces), damaged)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestIDsUnderAnotherKey moves sound pieces to other accounts, seqs and rooms.
func TestIDsUnderAnotherKey(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	for _, room := range []gateway.RoomID{"r", "s"} {
		publishIDs(t, h, site, room, "ann", 100)
		publishIDs(t, h, site, room, "bob", 100)
	}
	h.settle(t)
	path := h.copyFile(t)
	edit(t, path, func(tx *bolt.Tx) error {
		r, s := tx.Bucket(bucketIDs).Bucket([]byte("r")), tx.Bucket(bucketIDs).Bucket([]byte("s"))
		value := func(b *bolt.Bucket, key []byte) []byte { return append([]byte(nil), b.Get(key)...) }
		ann, elsewhere := value(r, idKey("ann", 1)), value(s, idKey("ann", 65))
		for key, v := range map[string][]byte{
			string(idKey("eve", 1)): ann, string(idKey("ann", 1)): elsewhere, string(idKey("ann", 65)): ann,
		} {
			if err := r.Put([]byte(key), v); err != nil {
				return err
			}
		}
		return nil
	})
	h = openTest(t, site, path, nil)
	for i := range 100 {
		id := gateway.MessageID(fmt.Sprint("ann-", i))
		storetest.CheckNotFound(t, h, "r", "ann", id)
		storetest.CheckNotFound(t, h, "r", "eve", id)
	}
	if found, _ := h.Find("r", "bob", "bob-150"); found.Seq != 151 {
		t.Errorf("bob's are gone too: %+v", found)
	}
}
