package boltstore

import (
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/storetest"
)

var store = flag.Bool("store", false, "write testdata/*-v2.db.gz anew; only when a schema version is new")

// stored returns a file of testdata, or makes it with the store of today.
func stored(t *testing.T, name string, write func(path string)) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "stored.db")
	kept := filepath.Join("testdata", name+".gz")
	if *store {
		write(path)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var zipped bytes.Buffer
		zip, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		_, err = zip.Write(b)
		if err := errors.Join(err, zip.Close(), os.WriteFile(kept, zipped.Bytes(), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return rewrite(t, path, unzipped(t, kept))
}

// A file that the release with this schema version wrote reads the same for good.
func TestStoredHistoryV2(t *testing.T) {
	path := stored(t, "history-v2.db", func(path string) {
		site := storetest.NewSite()
		h := openTest(t, site, path, nil)
		publishIDs(t, h, site, "plant.1", "ann", 120)
		for i := range 40 {
			site.Advance(time.Second)
			storetest.Publish(t, h, site, "alarms", fmt.Sprintf(`{"n":%d}`, i))
		}
		h.settle(t)
		settings := site.Settings("alarms")
		settings.MaxMessages = 7
		if err := errors.Join(h.NewEpoch("plant.1"), h.PutSettings("alarms", settings), h.Delete("gone")); err != nil {
			t.Fatal(err)
		}
		publishIDs(t, h, site, "plant.1", "bob", 5)
		h.flush(t) // stays in the log
		if err := h.db.Close(); err != nil {
			t.Fatal(err)
		}
	})
	site := storetest.NewSite()
	site.Advance(time.Minute)
	h := openTest(t, site, path, nil)
	plant, alarms := storetest.All(t, h, "plant.1"), storetest.All(t, h, "alarms")
	if len(plant) != 125 || plant[124].User != "bob" || plant[3].ID == "" || len(alarms) < 7 || string(alarms[len(alarms)-1].Payload.Bytes) != `{"n":39}` {
		t.Errorf("%d and %d messages, the last %+v", len(plant), len(alarms), plant[len(plant)-1])
	}
	for _, m := range plant[60:] {
		storetest.CheckFound(t, h, "plant.1", m)
	}
	past, err := h.Past("plant.1")
	if err != nil || len(past) != 2 || past[0].End != 120 || past[1].End != 125 {
		t.Errorf("epochs %+v, %v", past, err)
	}
	if got := h.RoomSettings("alarms").MaxMessages; got != 7 {
		t.Errorf("alarms keeps %d", got)
	}
	checkDisk(t, h)
}

func TestStoredIdentityV2(t *testing.T) {
	path := stored(t, "identity-v2.db", func(path string) {
		s := openIdentity(t, path, nil)
		update(t, s, func(tx *IdentityTx) (err error) {
			for i, name := range []gateway.AccountName{"a", "b", "c"} {
				device := account(string(name))
				device.Kind, device.Room, device.Keys = gateway.KindDevice, "hall", []gateway.DeviceKey{{Hash: [32]byte{byte(i), 9}}}
				err = errors.Join(err, tx.PutAccount(device), tx.PutSession(gateway.Session{Account: name, ID: "s"}),
					tx.PutReset(gateway.Reset{Hash: [32]byte{byte(i)}, Account: name}), tx.AddEvent(event(gateway.EventDeviceCreated, string(name))))
			}
			return errors.Join(err, tx.PutSigningKeys([]gateway.SigningKey{{ID: "k", Retired: 7}}), tx.SetClockFloor(1_800_000_000_000),
				tx.DeleteAccount("c"), tx.AddEvent(event(gateway.EventDeviceDeleted, "c")))
		})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
	s := openIdentity(t, path, nil)
	if got := names(t, s); got != "a b" {
		t.Errorf("accounts %q", got)
	}
	if got := fmt.Sprint(seqs(t, s)); got != "[1 2 3 4]" {
		t.Errorf("events %s", got)
	}
	err := s.View(func(tx *IdentityTx) error {
		b, _, err := tx.Account("b")
		if b.Room != "hall" || len(b.Keys) != 1 || b.Kind != gateway.KindDevice {
			t.Errorf("b is %+v", b)
		}
		owner, err2 := tx.DeviceOf(gateway.KeyHash{1, 9})
		_, session, err3 := tx.Session("b", "s")
		_, reset, err4 := tx.Reset(gateway.ResetHash{1})
		deleted, err5 := tx.Deleted("c")
		keys, err6 := tx.SigningKeys()
		if owner != "b" || !session || !reset || !deleted || len(keys) != 1 || keys[0].Retired != 7 || tx.ClockFloor() != 1_800_000_000_000 {
			t.Errorf("%q %v %v %v %+v %d", owner, session, reset, deleted, keys, tx.ClockFloor())
		}
		return errors.Join(err, err2, err3, err4, err5, err6)
	})
	if err != nil {
		t.Error(err)
	}
}
