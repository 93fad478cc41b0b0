package boltstore

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"edgegw/internal/gateway"
)

// The promises of a site with 500 devices on default lifetimes: a device renews
// its session once a day, and the clock's floor is saved every 10 minutes.
const (
	siteDevices    = 500
	floorsADay     = 144
	maxRefreshWear = 50 << 20
	maxFloorWear   = 10 << 20
)

// wear counts what commits write.
type wear struct {
	mu             sync.Mutex
	commits, bytes int64
}

func (w *wear) reset() { w.commits, w.bytes = 0, 0 }

func siteOf500(t *testing.T) (*Identity, *wear) {
	t.Helper()
	w := &wear{}
	s := openIdentity(t, "", func(o *IdentityOptions) {
		now := gateway.Timestamp(1_700_000_000_000)
		o.Floor = func() (floor, age gateway.Timestamp) { now++; return now, now - 86_400_000 }
		o.Observer.Commit = func(_ time.Duration, _ int, bytes int64) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.commits, w.bytes = w.commits+1, w.bytes+bytes
		}
	})
	for i := range siteDevices { // one after the other, as devices are set up
		update(t, s, func(tx *IdentityTx) error {
			session := deviceSession(i, 1)
			a := account(string(session.Account))
			a.Kind, a.Room, a.Keys = gateway.KindDevice, session.Room, []gateway.DeviceKey{{Hash: gateway.KeyHash{byte(i), byte(i >> 8)}}}
			return errors.Join(tx.PutAccount(a), tx.PutSession(session), tx.AddEvent(event(gateway.EventDeviceCreated, string(a.Name))),
				tx.AddEvent(event(gateway.EventLogin, string(a.Name))))
		})
	}
	w.reset()
	return s, w
}

func deviceSession(i int, counter uint64) gateway.Session {
	at := gateway.Timestamp(1_700_000_000_000 + int64(counter)*86_400_000)
	return gateway.Session{
		Account: gateway.AccountName(fmt.Sprintf("plant-%d.sensor-%03d", i%7, i)), ID: gateway.SessionID(fmt.Sprintf("wVb3XyQ0Zt1uRk5sLm%04d", i)),
		Room: "plant.telemetry", IP: "192.168.100.200", Counter: counter, Created: 1_700_000_000_000, Used: at,
		Expires: at + 365*86_400_000, Boot: 0x1234_5678_9abc_def0, BootMS: int64(counter) * 86_400_000,
	}
}

// renew is what a refresh writes.
func renew(i int, counter uint64) func(*IdentityTx) error {
	return func(tx *IdentityTx) error {
		s := deviceSession(i, counter)
		if old, ok, err := tx.Session(s.Account, s.ID); !ok || err != nil || old.Counter != counter-1 {
			return fmt.Errorf("found %+v, %v, %v", old, ok, err)
		}
		return tx.PutSession(s)
	}
}

func TestWearOfADay(t *testing.T) {
	s, w := siteOf500(t)
	for i := range siteDevices {
		update(t, s, renew(i*311%siteDevices, 2))
	}
	t.Logf("%d refreshes, each alone: %d commits, %.1f MB, %d bytes each", siteDevices, w.commits, float64(w.bytes)/1e6, w.bytes/siteDevices)
	if w.commits != siteDevices || w.bytes > maxRefreshWear {
		t.Errorf("%d commits wrote %d bytes; want at most %d", w.commits, w.bytes, maxRefreshWear)
	}
	w.reset()
	for i := range floorsADay {
		update(t, s, func(tx *IdentityTx) error { return tx.SetClockFloor(1_700_000_000_000 + 600_000*gateway.Timestamp(i)) })
	}
	t.Logf("%d clock floors: %.1f MB, %d bytes each", floorsADay, float64(w.bytes)/1e6, w.bytes/floorsADay)
	if w.commits != floorsADay || w.bytes > maxFloorWear {
		t.Errorf("%d commits wrote %d bytes; want at most %d", w.commits, w.bytes, maxFloorWear)
	}
	w.reset()
	for i := range siteDevices {
		update(t, s, func(tx *IdentityTx) error {
			session := deviceSession(i*311%siteDevices, 3)
			a, _, err := tx.Account(session.Account)
			a.Seen = session.Used
			return errors.Join(err, tx.PutAccount(a), tx.PutSession(session), tx.AddEvent(event(gateway.EventLogin, string(a.Name))))
		})
	}
	t.Logf("%d logins of devices, each alone: %.1f MB, %d bytes each; the file uses %d KiB", siteDevices, float64(w.bytes)/1e6, w.bytes/siteDevices, s.SizeBytes()>>10)
}

// TestSiteComesBack has 500 devices refresh at the same time, while a commit is
// on its way.
func TestSiteComesBack(t *testing.T) {
	s, w := siteOf500(t)
	s.writing.Lock() // until all of them wait
	var devices sync.WaitGroup
	for i := range siteDevices {
		devices.Go(func() {
			if err := s.Update(renew(i, 2)); err != nil {
				t.Error(err)
			}
		})
	}
	for waiting := 0; waiting < siteDevices; {
		s.mu.Lock()
		waiting = len(s.waiting)
		s.mu.Unlock()
	}
	s.writing.Unlock()
	devices.Wait()
	t.Logf("%d refreshes at the same time: %d commits, %.1f MB, %d bytes each", siteDevices, w.commits, float64(w.bytes)/1e6, w.bytes/siteDevices)
	if w.commits > 2 {
		t.Errorf("%d commits", w.commits)
	}
	seen := 0
	err := s.View(func(tx *IdentityTx) error {
		return tx.Sessions("", func(s gateway.Session) bool {
			if s.Counter == 2 {
				seen++
			}
			return true
		})
	})
	if err != nil || seen != siteDevices {
		t.Errorf("%d of %d sessions were renewed, %v", seen, siteDevices, err)
	}
}
