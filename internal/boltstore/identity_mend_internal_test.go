package boltstore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gateway"
)

// mended is an identity store with a copy beside it.
type mended struct {
	t     *testing.T
	path  string
	said  []string
	other func(dst string) (string, error) // stands for the newest backup
}

func (m *mended) try() (*Identity, error) {
	now := time.Unix(1_700_000_000, 0)
	return OpenIdentity(IdentityOptions{
		Path: m.path, Copy: m.path + ".bak", Rescue: m.other, Now: func() time.Time { return now },
		Observer: Observer{Quarantined: func(said string) { m.said = append(m.said, said) }},
	})
}

func (m *mended) open() *Identity {
	m.t.Helper()
	s, err := m.try()
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = s.Close() })
	return s
}

const mendedAccounts = 60

// fillMended makes accounts of which the copy knows, changes half of them after it,
// deletes one and makes one.
func fillMended(t *testing.T, s *Identity) {
	t.Helper()
	put := func(from, step int, room gateway.RoomID) {
		update(t, s, func(tx *IdentityTx) (err error) {
			for n := from; n < mendedAccounts; n += step {
				name := gateway.AccountName(fmt.Sprint("device-", n))
				a := account(string(name))
				a.Room = room
				a.Keys = []gateway.DeviceKey{{Hash: gateway.KeyHash{byte(n), 1}}}
				err = errors.Join(err, tx.PutAccount(a), tx.PutSession(gateway.Session{Account: name, ID: "s"}),
					tx.AddEvent(event(gateway.EventDeviceCreated, string(name))), tx.AddEvent(event(gateway.EventLogin, string(name))))
			}
			return err
		})
	}
	put(0, 1, "old")
	if err := s.SaveCopy(); err != nil {
		t.Fatal(err)
	}
	put(1, 2, "new")
	update(t, s, func(tx *IdentityTx) error {
		return errors.Join(tx.DeleteAccount("device-2"), tx.AddEvent(event(gateway.EventDeviceDeleted, "device-2")), tx.PutAccount(account("late")))
	})
}

// checkMended wants every account, as it is or as the copy has it.
func (m *mended) check(s *Identity) {
	m.t.Helper()
	err := s.View(func(tx *IdentityTx) error {
		rooms := make(map[gateway.AccountName]gateway.RoomID)
		err := tx.Accounts(func(a gateway.Account) bool { rooms[a.Name] = a.Room; return true })
		for n := range mendedAccounts {
			name := gateway.AccountName(fmt.Sprint("device-", n))
			room, ok := rooms[name]
			if !ok && n != 2 {
				m.t.Errorf("%s is gone", name)
			}
			if ok && room != "old" && (room != "new" || n%2 == 0) {
				m.t.Errorf("%s has the room %q", name, room)
			}
			owner, keyErr := tx.DeviceOf(gateway.KeyHash{byte(n), 1})
			if ok && owner != name || keyErr != nil {
				m.t.Errorf("the key of %s is that of %q, %v", name, owner, keyErr)
			}
		}
		_, keyErr := tx.RefreshKey()
		return errors.Join(err, keyErr)
	})
	if err != nil {
		m.t.Error(err)
	}
	update(m.t, s, func(tx *IdentityTx) error {
		return errors.Join(tx.PutAccount(account("after")), tx.AddEvent(event(gateway.EventAccountCreated, "after")))
	})
}

// Whatever a card does to the file, everybody can still log in, with what holds now
// or held when the copy was made.
func TestIdentityMutants(t *testing.T) {
	n, seed := 60, uint64(time.Now().UnixNano())
	if v, err := strconv.Atoi(os.Getenv("MUTANTS")); err == nil {
		n = v
	}
	if v, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64); err == nil {
		seed = v
	}
	t.Logf("mutants: SEED=%d", seed)
	m := &mended{t: t, path: filepath.Join(t.TempDir(), "identity.db")}
	s := m.open()
	fillMended(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	sound, err := os.ReadFile(m.path)
	if err != nil {
		t.Fatal(err)
	}
	saved, err := os.ReadFile(m.path + ".bak")
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(seed, 1))
	slowest, quarantined := time.Duration(0), 0
	for i := range n {
		b, how := mutate(r, append([]byte(nil), sound...))
		t.Run(fmt.Sprintf("%d %s", i, how), func(t *testing.T) {
			m := &mended{t: t, path: filepath.Join(t.TempDir(), "identity.db")}
			if err := errors.Join(os.WriteFile(m.path, b, 0o600), os.WriteFile(m.path+".bak", saved, 0o600)); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			s := m.open()
			slowest = max(slowest, time.Since(began))
			quarantined += len(m.said)
			m.check(s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			m.said = nil
			m.check(m.open())
			if len(m.said) > 0 {
				t.Errorf("it is mended again: %q", m.said)
			}
		})
	}
	t.Logf("mutants: %d damaged files, all opened, in %v at most; %d were mended", n, slowest.Round(time.Millisecond), quarantined)
	if quarantined < n/8 {
		t.Error("hardly any damage was seen")
	}
}

// One damaged record costs nobody else anything: what was changed since the copy
// stays, what was deleted stays deleted, and who was logged in is.
func TestOneDamagedRecord(t *testing.T) {
	m := &mended{t: t, path: filepath.Join(t.TempDir(), "identity.db")}
	s := m.open()
	fillMended(t, s)
	harmIn(t, s, binAccounts, []byte("device-3")...)
	harmIn(t, s, binKeys, keyRefresh...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = m.open()
	m.check(s)
	if len(m.said) != 1 || !strings.Contains(m.said[0], "[device-3]") {
		t.Errorf("said: %q", m.said)
	}
	err := s.View(func(tx *IdentityTx) error {
		for name, room := range map[gateway.AccountName]gateway.RoomID{"device-3": "old", "device-5": "new", "late": ""} {
			if a, ok, err := tx.Account(name); !ok || a.Room != room || err != nil {
				t.Errorf("%s: %v %q %v", name, ok, a.Room, err)
			}
		}
		if _, ok, _ := tx.Account("device-2"); ok {
			t.Error("a deleted account is back")
		}
		if _, ok, err := tx.Session("device-5", "s"); !ok || err != nil {
			t.Errorf("a session is gone: %v", err)
		}
		if events := seqs(t, s); len(events) < 180 {
			t.Errorf("%d events are left", len(events))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	bad, _ := filepath.Glob(m.path + badMark + "*")
	if len(bad) != 1 {
		t.Errorf("kept aside: %v", bad)
	}
}

// What is left when the file and its copy are gone or no good.
func TestMendingByWhatIsThere(t *testing.T) {
	good := filepath.Join(t.TempDir(), "good.db")
	tests := []struct {
		name       string
		file, copy string // "", "noise" or "good"
		backup     bool
		want       string // in what is said, or in the error
		fails      bool
	}{
		{"ok gone, by the copy", "", "good", false, "identity.db.bak", false},
		{"ok noise, by the copy", "noise", "good", false, "identity.db.bak", false},
		{"ok noise and noise, by the backup", "noise", "noise", true, "newest.edgegw-backup", false},
		{"ok sound, and a copy of noise", "good", "noise", false, "", false},
		{"bad noise and nothing", "noise", "", false, "neither a copy nor a backup", true},
		{"bad noise and noise", "noise", "noise", false, "neither a copy nor a backup", true},
	}
	m := &mended{t: t, path: good}
	s := m.open()
	fillMended(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	sound, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	noise := append([]byte(nil), sound...)
	for at := 0; at < len(noise); at += 4096 {
		clear(noise[at : at+64])
	}
	content := map[string][]byte{"good": sound, "noise": noise}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := &mended{t: t, path: filepath.Join(t.TempDir(), "identity.db")}
			for path, what := range map[string]string{m.path: test.file, m.path + ".bak": test.copy} {
				if what == "" {
					continue
				}
				if err := os.WriteFile(path, content[what], 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if test.backup {
				m.other = func(dst string) (string, error) { return "newest.edgegw-backup", os.WriteFile(dst, sound, 0o600) }
			}
			s, err := m.try()
			if test.fails {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("it opens: %v", err)
				}
				if b, _ := os.ReadFile(m.path); string(b) != string(content[test.file]) {
					t.Error("the damaged file is another one")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			m.check(s)
			if said := strings.Join(m.said, " "); !strings.Contains(said, test.want) || (said == "") != (test.want == "") {
				t.Errorf("said: %q", said)
			}
		})
	}
}

// Changes tells of what an administrator does, Outdated of all but the clock.
func TestChanges(t *testing.T) {
	m := &mended{t: t, path: filepath.Join(t.TempDir(), "identity.db")}
	s := m.open()
	signalled := func() bool {
		select {
		case <-s.Changes():
			return true
		default:
			return false
		}
	}
	tests := []struct {
		name              string
		do                func(tx *IdentityTx) error
		changes, outdated bool
	}{
		{"ok the clock", func(tx *IdentityTx) error { return tx.SetClockFloor(5) }, false, false},
		{"ok a login", func(tx *IdentityTx) error {
			return errors.Join(tx.PutSession(gateway.Session{Account: "a", ID: "s"}), tx.AddEvent(event(gateway.EventLogin, "a")))
		}, false, true},
		{"ok an account", func(tx *IdentityTx) error {
			return errors.Join(tx.PutAccount(account("a")), tx.AddEvent(event(gateway.EventAccountCreated, "a")))
		}, true, true},
		{"ok a failure", func(tx *IdentityTx) error {
			return errors.Join(tx.AddEvent(event(gateway.EventAccountCreated, "b")), errSum)
		}, false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := s.SaveCopy(); err != nil {
				t.Fatal(err)
			}
			_ = s.Update(test.do)
			if got := signalled(); got != test.changes || s.Outdated() != test.outdated {
				t.Errorf("signalled %v, outdated %v", got, s.Outdated())
			}
		})
	}
	info, err := os.Stat(m.path + ".bak")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the copy: %v %v", info, err)
	}
}
