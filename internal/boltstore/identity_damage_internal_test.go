package boltstore

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

// furnished is a store with three of everything.
func furnished(t *testing.T) *Identity {
	t.Helper()
	s := openIdentity(t, "", nil)
	update(t, s, func(tx *IdentityTx) (err error) {
		for i, name := range []gateway.AccountName{"a", "b", "c"} {
			device := account(string(name))
			device.Keys = []gateway.DeviceKey{{Hash: [32]byte{byte(i)}}}
			err = errors.Join(err, tx.PutAccount(device), tx.PutSession(gateway.Session{Account: name, ID: "s"}),
				tx.PutReset(gateway.Reset{Hash: [32]byte{byte(i)}, Account: name}),
				tx.AddEvent(event(gateway.EventSetup, string(name))), tx.AddEvent(event(gateway.EventLogin, string(name))))
		}
		return errors.Join(err, tx.PutSigningKeys([]gateway.SigningKey{{ID: "k"}}))
	})
	return s
}

// harmIn flips a bit of a value behind the store's back.
func harmIn(t *testing.T, s *Identity, b bin, key ...byte) {
	t.Helper()
	if err := s.db.Update(func(tx *bolt.Tx) error { return harm(t, tx, key, buckets[b]) }); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedSession(t *testing.T) {
	s := furnished(t)
	harmIn(t, s, binSessions, 'b', 0, 's')
	var seen []gateway.AccountName
	err := s.View(func(tx *IdentityTx) error {
		_, ok, err := tx.Session("b", "s")
		if e := gateway.AsError(err); ok || e == nil || e.Code != gateway.CodeUnavailable || !strings.Contains(e.Message, "log in again") ||
			strings.Contains(e.Message, s.opts.Path) || !strings.Contains(e.Error(), s.opts.Path) {
			t.Errorf("Session = %v, %v", ok, err)
		}
		return tx.Sessions("", func(s gateway.Session) bool { seen = append(seen, s.Account); return true })
	})
	if err != nil || fmt.Sprint(seen) != "[a c]" {
		t.Errorf("Sessions gives those of %v, %v", seen, err)
	}
	update(t, s, func(tx *IdentityTx) error { return tx.DeleteAccount("b") })
	if err := s.View(func(tx *IdentityTx) error { _, _, err := tx.Session("b", "s"); return err }); err != nil {
		t.Errorf("after its account was deleted: %v", err)
	}
}

// TestSessionOfAnother moves a sound session to another account.
func TestSessionOfAnother(t *testing.T) {
	s := furnished(t)
	err := s.db.Update(func(tx *bolt.Tx) error {
		bucket := tx.Bucket(buckets[binSessions])
		return bucket.Put([]byte("a\x00s"), append([]byte(nil), bucket.Get([]byte("b\x00s"))...))
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.View(func(tx *IdentityTx) error { _, _, err := tx.Session("a", "s"); return err })
	if gateway.CodeOf(err) != gateway.CodeUnavailable {
		t.Errorf("Session = %v", err)
	}
}

func TestDamagedReset(t *testing.T) {
	s := furnished(t)
	hash := gateway.ResetHash{1}
	harmIn(t, s, binResets, hash[:]...)
	seen := 0
	err := s.View(func(tx *IdentityTx) error {
		_, ok, err := tx.Reset(hash)
		if ok || gateway.CodeOf(err) != gateway.CodeUnavailable || !strings.Contains(err.Error(), "ask for a new code") {
			t.Errorf("Reset = %v, %v", ok, err)
		}
		return tx.Resets(func(gateway.Reset) bool { seen++; return true })
	})
	if err != nil || seen != 2 {
		t.Errorf("Resets gives %d, %v", seen, err)
	}
	update(t, s, func(tx *IdentityTx) error { return tx.DeleteAccount("c") })
	err = s.View(func(tx *IdentityTx) error {
		if n := len(tx.keysBetween(binResets, nil, nil)); n != 1 {
			t.Errorf("%d reset codes are left", n)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestDamagedEvents(t *testing.T) {
	s := furnished(t) // odd seqs are in the one ring, even ones in the other
	harmIn(t, s, binAudit, numberKey(3)...)
	harmIn(t, s, binRoutine, numberKey(6)...)
	if got := fmt.Sprint(seqs(t, s)); got != "[1 2 4 5]" {
		t.Errorf("served: %v", got)
	}
	err := s.View(func(tx *IdentityTx) error {
		after := uint64(1)
		oldest, err := tx.Events(&after, 2)
		newest, err2 := tx.Events(nil, 2)
		if len(oldest) != 2 || oldest[1].Seq != 4 || len(newest) != 2 || newest[0].Seq != 4 {
			t.Errorf("two after 1: %+v; the newest two: %+v", oldest, newest)
		}
		return errors.Join(err, err2)
	})
	if err != nil {
		t.Error(err)
	}
	update(t, s, func(tx *IdentityTx) error { return tx.PurgeEvents(1) })
	if err := s.View(func(tx *IdentityTx) error {
		if n := len(tx.keysBetween(binAudit, nil, nil)) + len(tx.keysBetween(binRoutine, nil, nil)); n != 4 {
			t.Errorf("%d events are kept after a purge", n)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// TestDamagedDeviceKey has the account itself say whose the key is, and make the
// note good when it is written next.
func TestDamagedDeviceKey(t *testing.T) {
	s := furnished(t)
	hash := gateway.KeyHash{1}
	harmIn(t, s, binDeviceKeys, hash[:]...)
	device := account("b")
	device.Keys, device.Seen = []gateway.DeviceKey{{Hash: hash}}, 7
	for _, change := range []func(*IdentityTx) error{
		func(*IdentityTx) error { return nil },
		put(device),
		func(tx *IdentityTx) error { return tx.PutSession(gateway.Session{Account: "b", ID: "t"}) },
	} {
		update(t, s, change)
		err := s.View(func(tx *IdentityTx) error {
			owner, err := tx.DeviceOf(hash)
			if owner != "b" {
				t.Errorf("DeviceOf = %q", owner)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	err := s.View(func(tx *IdentityTx) error {
		if _, ok := tx.keyOwner(hash); !ok {
			t.Error("the note is still damaged")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestDamagedAccountLosesItsKeys deletes an account that cannot be read any more.
func TestDamagedAccountLosesItsKeys(t *testing.T) {
	s := furnished(t)
	harmIn(t, s, binAccounts, 'b')
	update(t, s, func(tx *IdentityTx) error { return tx.DeleteAccount("b") })
	err := s.View(func(tx *IdentityTx) error {
		for i, want := range []gateway.AccountName{"a", "", "c"} {
			if owner, err := tx.DeviceOf([32]byte{byte(i)}); owner != want || err != nil {
				t.Errorf("DeviceOf key %d = %q, %v", i, owner, err)
			}
		}
		taken, err := tx.Deleted("b")
		if !taken {
			t.Error("its name is free")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestDamagedTombstoneHolds(t *testing.T) {
	s := furnished(t)
	update(t, s, func(tx *IdentityTx) error {
		return errors.Join(tx.DeleteAccount("b"), tx.AddEvent(event(gateway.EventAccountDeleted, "b")))
	})
	harmIn(t, s, binNames, 'b')
	if taken, _ := deleted(t, s, "b"); taken == nil {
		t.Error("the name is free")
	}
	update(t, s, func(tx *IdentityTx) error { return tx.PurgeEvents(1 << 60) })
	if taken, notes := deleted(t, s, "b"); taken != nil || notes != 0 {
		t.Errorf("with an empty audit %v is taken, with %d notes", taken, notes)
	}
}

func TestDamagedKeys(t *testing.T) {
	s := furnished(t)
	harmIn(t, s, binKeys, keyRefresh...)
	harmIn(t, s, binKeys, keySigning...)
	err := s.View(func(tx *IdentityTx) error {
		if key, err := tx.RefreshKey(); key != nil || gateway.CodeOf(err) != gateway.CodeUnavailable || !strings.Contains(err.Error(), "restore a backup") {
			t.Errorf("RefreshKey = %x, %v", key, err)
		}
		if keys, err := tx.SigningKeys(); keys != nil || gateway.CodeOf(err) != gateway.CodeUnavailable || !strings.Contains(err.Error(), "restore a backup") {
			t.Errorf("SigningKeys = %v, %v", keys, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestNoBitServesDamage flips each bit of each kind of value, and cuts it at each
// length: what is then read is an error or nothing.
func TestNoBitServesDamage(t *testing.T) {
	hash := make([]byte, 32)
	hash[0] = 1
	kinds := map[bin][]byte{binAccounts: []byte("b"), binSessions: []byte("b\x00s"), binResets: hash, binDeviceKeys: hash,
		binAudit: numberKey(3), binRoutine: numberKey(4), binKeys: keyRefresh, binMeta: keyAudit}
	for b, key := range kinds {
		s := furnished(t)
		s.db.NoSync = true
		sound := ""
		if err := s.View(func(tx *IdentityTx) error { sound = read(tx, b); return nil }); err != nil {
			t.Fatal(err)
		}
		var whole []byte
		tries := func(value []byte) {
			err := s.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(buckets[b]).Put(key, value) })
			if err != nil {
				t.Fatal(err)
			}
			if err := s.View(func(tx *IdentityTx) error {
				if got := read(tx, b); got == sound {
					t.Errorf("%s: %x reads like %x", buckets[b], value, whole)
				}
				return nil
			}); err != nil {
				t.Errorf("%s: %x: %v", buckets[b], value, err)
			}
		}
		if err := s.db.View(func(tx *bolt.Tx) error {
			whole = append(whole, tx.Bucket(buckets[b]).Get(key)...)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for i := range whole {
			for bit := range 8 {
				harmed := append([]byte(nil), whole...)
				harmed[i] ^= 1 << bit
				tries(harmed)
			}
			tries(append([]byte{}, whole[:i]...))
		}
	}
}

// read tells how one kind of value reads.
func read(tx *IdentityTx, b bin) string {
	hash := [32]byte{1}
	switch b {
	case binAccounts:
		return fmt.Sprint(tx.Account("b"))
	case binSessions:
		return fmt.Sprint(tx.Session("b", "s"))
	case binResets:
		return fmt.Sprint(tx.Reset(hash))
	case binDeviceKeys:
		return fmt.Sprint(tx.keyOwner(hash))
	case binKeys:
		return fmt.Sprint(tx.RefreshKey())
	case binMeta:
		return fmt.Sprint(*tx.auditState())
	}
	return fmt.Sprint(tx.Events(nil, 10))
}
