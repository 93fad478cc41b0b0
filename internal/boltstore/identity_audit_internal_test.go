package boltstore

import (
	"errors"
	"fmt"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

func event(e gateway.Event, subject string) gateway.AuditEvent {
	return gateway.AuditEvent{TS: 1_700_000_000_000, Event: e, Actor: "owner", Subject: subject,
		IP: "192.0.2.7", Result: gateway.ResultOK, Reason: "because", Count: 1}
}

// seqs lists the events as a View sees them.
func seqs(t testing.TB, s *Identity) (list []uint64) {
	t.Helper()
	err := s.View(func(tx *IdentityTx) error {
		events, err := tx.Events(nil, 100_000)
		for _, e := range events {
			list = append(list, e.Seq)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return list
}

func update(t testing.TB, s *Identity, fn func(*IdentityTx) error) {
	t.Helper()
	if err := s.Update(fn); err != nil {
		t.Fatal(err)
	}
}

// TestFloodLeavesTheOtherRing has strangers fail to log in for longer than the
// audit reaches.
func TestFloodLeavesTheOtherRing(t *testing.T) {
	s := openIdentity(t, "", func(o *IdentityOptions) { o.AuditEvents = 200 })
	update(t, s, func(tx *IdentityTx) error { return tx.AddEvent(event(gateway.EventRoleChanged, "eve")) })
	for range 20 {
		update(t, s, func(tx *IdentityTx) (err error) {
			for range 50 {
				err = errors.Join(err, tx.AddEvent(event(gateway.EventLogin, "eve")))
			}
			return err
		})
		if n := len(seqs(t, s)); n > 201 {
			t.Fatalf("%d events are kept", n)
		}
	}
	got := seqs(t, s)
	if len(got) < 190 || got[0] != 1 || got[len(got)-1] != 1001 || got[1] != uint64(1001-len(got)+2) {
		t.Errorf("%d events are kept: %v … %v", len(got), got[:3], got[len(got)-1])
	}
	err := s.View(func(tx *IdentityTx) error {
		events, err := tx.Events(nil, 1000)
		want := event(gateway.EventRoleChanged, "eve")
		want.Seq = 1
		if events[0] != want {
			t.Errorf("the first is %+v", events[0])
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestSeqNeverGoesBack purges everything and starts again, with the note of the
// newest seq intact and damaged.
func TestSeqNeverGoesBack(t *testing.T) {
	s := openIdentity(t, "", nil)
	path := s.opts.Path
	add := func(tx *IdentityTx) error { return tx.AddEvent(event(gateway.EventSetup, "")) }
	for range 3 {
		update(t, s, add)
	}
	update(t, s, func(tx *IdentityTx) error { return tx.PurgeEvents(1 << 60) })
	if got := seqs(t, s); len(got) != 0 {
		t.Errorf("after the purge: %v", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openIdentity(t, path, nil)
	update(t, s, add)
	if got := fmt.Sprint(seqs(t, s)); got != "[4]" {
		t.Errorf("after a restart: %v", got)
	}
	update(t, s, func(tx *IdentityTx) error { return tx.PurgeEvents(1 << 60) })
	if err := s.db.Update(func(tx *bolt.Tx) error { return harm(t, tx, keyAudit, bucketMeta) }); err != nil {
		t.Fatal(err)
	}
	update(t, s, add)
	got := seqs(t, s)
	if len(got) != 1 || got[0] <= 4 {
		t.Errorf("after damage: %v", got)
	}
	update(t, s, add)
	if next := seqs(t, s); len(next) != 2 || next[1] != got[0]+1 {
		t.Errorf("after %v: %v", got, next)
	}
}

// TestPurgeSeesThroughClockJumps keeps what an hour in the far future left behind
// from standing in the way of what is older.
func TestPurgeSeesThroughClockJumps(t *testing.T) {
	s := openIdentity(t, "", nil)
	for _, ts := range []gateway.Timestamp{10, 9_000, 20, 30, 8_000} {
		update(t, s, func(tx *IdentityTx) error { return tx.AddEvent(gateway.AuditEvent{TS: ts, Event: gateway.EventLogin}) })
	}
	update(t, s, func(tx *IdentityTx) error { return tx.PurgeEvents(30) })
	if got := fmt.Sprint(seqs(t, s)); got != "[2 4 5]" {
		t.Errorf("kept: %v", got)
	}
}

// deleted tells of which names the store says that they are taken, and how many
// notes of that it keeps.
func deleted(t *testing.T, s *Identity, names ...gateway.AccountName) (taken []gateway.AccountName, notes int) {
	t.Helper()
	err := s.View(func(tx *IdentityTx) error {
		for _, name := range names {
			ok, err := tx.Deleted(name)
			if err != nil {
				return err
			}
			if ok {
				taken = append(taken, name)
			}
		}
		notes = len(tx.keysBetween(binNames, nil, nil))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return taken, notes
}

func TestNamesStayTaken(t *testing.T) {
	const ring = 10
	gone := event(gateway.EventAccountDeleted, "ann")
	orders := map[string]func(tx *IdentityTx) error{
		"ok event first": func(tx *IdentityTx) error { return errors.Join(tx.AddEvent(gone), tx.DeleteAccount("ann")) },
		"ok event last":  func(tx *IdentityTx) error { return errors.Join(tx.DeleteAccount("ann"), tx.AddEvent(gone)) },
	}
	for name, change := range orders {
		t.Run(name, func(t *testing.T) {
			s := openIdentity(t, "", func(o *IdentityOptions) { o.AuditEvents = ring })
			update(t, s, func(tx *IdentityTx) error {
				return errors.Join(tx.PutAccount(account("ann")), tx.AddEvent(event(gateway.EventAccountCreated, "ann")))
			})
			update(t, s, change)
			for i := range ring {
				// Routine events must not free a name.
				for range ring {
					update(t, s, func(tx *IdentityTx) error { return tx.AddEvent(event(gateway.EventLogin, "eve")) })
				}
				taken, notes := deleted(t, s, "ann", "bob")
				if want := fmt.Sprint([]string{"ann"}); fmt.Sprint(taken) != want || notes != 2 {
					t.Fatalf("after %d more events %v are taken, with %d notes", i, taken, notes)
				}
				update(t, s, func(tx *IdentityTx) error { return tx.AddEvent(event(gateway.EventSetup, "")) })
			}
			if taken, notes := deleted(t, s, "ann"); taken != nil || notes != 0 {
				t.Errorf("the event is gone, and %v is taken with %d notes", taken, notes)
			}
		})
	}
}

// TestNameOfTwoDeletions makes an account of a taken name, which the store leaves
// to its caller, and deletes it again: the second tombstone counts.
func TestNameOfTwoDeletions(t *testing.T) {
	s := openIdentity(t, "", func(o *IdentityOptions) { o.AuditEvents = 3 })
	remove := func(tx *IdentityTx) error {
		return errors.Join(tx.PutAccount(account("ann")), tx.DeleteAccount("ann"), tx.AddEvent(event(gateway.EventAccountDeleted, "ann")))
	}
	other := func(tx *IdentityTx) error { return tx.AddEvent(event(gateway.EventSetup, "")) }
	for i, step := range []struct {
		do    func(*IdentityTx) error
		taken bool
		notes int
	}{{remove, true, 2}, {other, true, 2}, {remove, true, 3}, {other, true, 2}, {other, true, 2}, {other, false, 0}} {
		update(t, s, step.do)
		if taken, notes := deleted(t, s, "ann"); (taken != nil) != step.taken || notes != step.notes {
			t.Errorf("after step %d: %v is taken, with %d notes", i, taken, notes)
		}
	}
	update(t, s, remove)
	update(t, s, func(tx *IdentityTx) error { return tx.PurgeEvents(1 << 60) })
	if taken, notes := deleted(t, s, "ann"); taken != nil || notes != 0 {
		t.Errorf("with an empty audit %v is taken, with %d notes", taken, notes)
	}
}

// TestFullAudit bounds an audit of the usual size, and prints what it costs.
func TestFullAudit(t *testing.T) {
	var written int64
	s := openIdentity(t, "", func(o *IdentityOptions) {
		o.Observer.Commit = func(_ time.Duration, _ int, bytes int64) { written += bytes }
	})
	const n = defaultAuditEvents + 1000
	update(t, s, func(tx *IdentityTx) (err error) {
		for i := range n {
			err = errors.Join(err, tx.AddEvent(event(gateway.EventLogin, fmt.Sprint("user-", i))),
				tx.AddEvent(event(gateway.EventDeviceCreated, fmt.Sprint("device-", i))))
		}
		return err
	})
	if got, kib := len(seqs(t, s)), s.SizeBytes()>>10; got > 2*defaultAuditEvents || got < 2*defaultAuditEvents*98/100 || kib > 4096 {
		t.Errorf("%d events in %d KiB", got, kib)
	}
	// Making room for one event at a time would change both ends of the ring.
	written = 0
	for range 200 {
		update(t, s, func(tx *IdentityTx) error { return tx.AddEvent(event(gateway.EventLogin, "x")) })
	}
	if t.Logf("an event alone writes %d bytes", written/200); written/200 > 32<<10 {
		t.Error("that is too much")
	}
	took := func(what string, fn func(*IdentityTx) error) {
		started := time.Now()
		update(t, s, fn)
		t.Logf("%s: %v", what, time.Since(started).Round(time.Microsecond))
	}
	took("one event into a full ring", func(tx *IdentityTx) error { return tx.AddEvent(event(gateway.EventLogin, "x")) })
	took("1,000 newest events", func(tx *IdentityTx) error {
		events, err := tx.Events(nil, 1000)
		if len(events) != 1000 || events[999].Seq != 2*n+201 {
			t.Errorf("%d events", len(events))
		}
		return err
	})
	took("a purge of nothing", func(tx *IdentityTx) error { return tx.PurgeEvents(1) })
	took("a purge of everything", func(tx *IdentityTx) error { return tx.PurgeEvents(1 << 60) })
	t.Logf("the file uses %d KiB", s.SizeBytes()>>10)
}
