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

// storedIDs counts what the file holds of the account.
func storedIDs(t *testing.T, h *History, room gateway.RoomID, user gateway.AccountName) (ids int) {
	t.Helper()
	err := h.db.View(func(tx *bolt.Tx) error {
		pieces, damaged := readPieces(tx.Bucket(bucketIDs).Bucket([]byte(room)), room, user, 1<<40)
		for _, p := range pieces {
			ids += len(p.entries)
		}
		if damaged != 0 {
			t.Errorf("%d pieces of %s are damaged", damaged, user)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// TestManyIDsSurviveRestarts publishes for 200 s at the rate that one connection
// may, and then tries the first one again.
func TestManyIDsSurviveRestarts(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	h.db.NoSync = true
	var sent []gateway.Message
	for range 4 {
		for range 50 {
			sent = append(sent, publishIDs(t, h, site, "r", "ann", 100)...)
			site.Advance(time.Second)
		}
		h.settle(t)
	}
	unclean, path := h.copyFile(t), h.opts.Path
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{unclean, path} {
		h = openTest(t, site, path, nil)
		checkAllFound(t, h, "r", sent)
	}
	// One that goes on publishing leaves no more behind than it needs.
	site.Advance(2 * time.Minute)
	publishIDs(t, h, site, "r", "ann", 1)
	h.settle(t)
	if n, want := storedIDs(t, h, "r", "ann"), 18_001; n < want || n > want+pieceIDs {
		t.Errorf("%d ids are stored, want %d and what is left of a piece", n, want)
	}
	storetest.CheckNotFound(t, h, "r", "ann", sent[1999].ID)
	checkAllFound(t, h, "r", sent[2000:])
}

// TestIDsAreCut has more ids than memory may take: those of whoever has the most
// go, in memory and in the file, and everybody's newest 64 stay.
func TestIDsAreCut(t *testing.T) {
	const users, ids = 10, 3000
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	h.publishers.most = users*publisherOverhead + ids*once.EntryBytes
	h.publishers.full = h.publishers.most
	sent := make(map[gateway.AccountName][]gateway.Message)
	publish := func(user gateway.AccountName, n int) {
		for range n / 100 {
			storetest.CheckNotFound(t, h, "r", user, "a new one") // has the store read what it holds
			sent[user] = append(sent[user], publishIDs(t, h, site, "r", user, 100)...)
		}
	}
	for i := range users - 1 {
		publish(gateway.AccountName(fmt.Sprint("quiet-", i)), 100)
	}
	for range 3 {
		publish("busy", 5000)
		if h.publishers.bytes > h.publishers.most {
			t.Errorf("%d bytes are in memory, %d may be", h.publishers.bytes, h.publishers.most)
		}
		h.settle(t)
	}
	for _, reopened := range []bool{false, true} {
		if reopened {
			h = openTest(t, site, h.copyFile(t), nil)
		}
		for user, all := range sent {
			if user == "busy" {
				storetest.CheckNotFound(t, h, "r", user, all[len(all)-ids-100].ID)
				all = all[len(all)-1800:]
			}
			checkAllFound(t, h, "r", all)
		}
		if n := storedIDs(t, h, "r", "busy"); n > ids+2*pieceIDs {
			t.Errorf("%d ids of the busy one are stored", n)
		}
	}
	h.publishers.most = users*(publisherOverhead+once.Newest*once.EntryBytes) + 100*once.EntryBytes
	h.publishers.full = h.publishers.most
	for range 10 {
		for user := range sent {
			publish(user, 100)
		}
	}
	for _, all := range sent {
		checkAllFound(t, h, "r", all[len(all)-once.Newest:])
	}
	h.settle(t)
	if h.publishers.bytes > h.publishers.most || h.publishers.excess != 0 {
		t.Errorf("%d bytes are in memory, %d may be", h.publishers.bytes, h.publishers.most)
	}
}

// TestLostIDsLeaveTheOlderOnes has a fill while newer ids wait, which then are lost:
// the newest 64 are those before.
func TestLostIDsLeaveTheOlderOnes(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	old := publishIDs(t, h, site, "r", "ann", 3*pieceIDs+10)
	h.settle(t)
	site.Advance(time.Hour)
	storetest.CheckFound(t, h, "r", old[len(old)-1])
	stored := publishIDs(t, h, site, "r", "ann", 2)
	h.flush(t)
	publishIDs(t, h, site, "r", "ann", 100)
	if err := h.update(0, h.fill); err != nil {
		t.Fatal(err)
	}
	h.filled()
	h = openTest(t, site, h.copyFile(t), nil)
	checkAllFound(t, h, "r", stored)
	checkAllFound(t, h, "r", old[len(old)-(once.Newest-2):])
}

// TestPiecesOfSilentAccountsGo has accounts that publish much, and then no more. The
// first room has so many accounts that a fill looks at nothing else.
func TestPiecesOfSilentAccountsGo(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	h.db.NoSync = true
	sent := make(map[gateway.RoomID][]gateway.Message)
	const each = sweptPieces / 4 * pieceIDs
	rooms := []gateway.RoomID{"a", "b", "c"}
	for i := range sweptPieces {
		publishIDs(t, h, site, "0", gateway.AccountName(fmt.Sprint("user-", i)), 1)
	}
	for i := range 2 * each {
		for _, room := range rooms {
			user := gateway.AccountName(fmt.Sprint("user-", i%2))
			sent[room] = append(sent[room], storetest.PublishAs(t, h, site, room, user, gateway.MessageID(fmt.Sprint(i))))
		}
	}
	h.settle(t)
	site.Advance(once.Window)
	for range 5 {
		h.settle(t)
	}
	for _, room := range rooms {
		checkAllFound(t, h, room, sent[room])
		if n := storedIDs(t, h, room, "user-0"); n != each {
			t.Errorf("%d of %d ids of room %s are stored that can be found", n, each, room)
		}
	}
	site.Advance(time.Millisecond)
	site.Trust(false)
	h.settle(t)
	if n := storedIDs(t, h, "a", "user-0"); n != each {
		t.Errorf("%d of %d ids are stored while the clock is not trusted", n, each)
	}
	site.Trust(true)
	for range 5 {
		h.settle(t)
	}
	h = openTest(t, site, h.copyFile(t), nil)
	for _, room := range rooms {
		checkAllFound(t, h, room, sent[room][2*each-2*once.Newest:])
		for _, user := range []gateway.AccountName{"user-0", "user-1"} {
			if n := storedIDs(t, h, room, user); n != once.Newest {
				t.Errorf("%d ids of %s in room %s are stored", n, user, room)
			}
		}
	}
}
