package boltstore

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"edgegw/internal/gateway"
)

// step does one thing to a transaction and to the model, and tells what differs.
type step func(tx *IdentityTx, m *identityModel) []string

var errChosen = errors.New("the change fails")

// TestIdentityAgainstModel runs random changes, several in one commit, some of
// which fail or panic, and closes and opens the file in between.
func TestIdentityAgainstModel(t *testing.T) {
	dir, files := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		files++
		ring := rapid.IntRange(1, 12).Draw(rt, "ring")
		options := func(o *IdentityOptions) { o.AuditEvents = ring }
		path := filepath.Join(dir, fmt.Sprint(files, ".db"))
		s := openIdentity(t, path, options)
		s.db.NoSync = true // nothing crashes here
		defer func() { s.Close() }()
		model := newIdentityModel(ring)
		for range rapid.IntRange(1, 8).Draw(rt, "groups") {
			model = runGroup(rt, s, model)
			if rapid.IntRange(0, 3).Draw(rt, "reopen") == 0 {
				if err := s.Close(); err != nil {
					rt.Fatal(err)
				}
				s = openIdentity(t, path, options)
				s.db.NoSync = true
			}
			err := s.View(func(tx *IdentityTx) error {
				if wrong := append(model.compare(tx), model.compareInside(tx)...); len(wrong) > 0 {
					rt.Fatal(strings.Join(wrong, "\n"))
				}
				return nil
			})
			if err != nil {
				rt.Fatal(err)
			}
		}
	})
}

// runGroup has some changes share a commit, and returns what there should be
// then.
func runGroup(rt *rapid.T, s *Identity, model *identityModel) *identityModel {
	var group []*change
	var wrong []string
	var ends []string
	for range rapid.IntRange(1, 4).Draw(rt, "changes") {
		steps := rapid.SliceOfN(rapid.Custom(drawStep), 0, 8).Draw(rt, "steps")
		end := rapid.SampledFrom([]string{"ok", "ok", "ok", "fails", "panics"}).Draw(rt, "end")
		ends = append(ends, end)
		group = append(group, &change{done: make(chan struct{}), fn: func(tx *IdentityTx) error {
			m := model.clone()
			for _, step := range steps {
				wrong = append(wrong, step(tx, m)...)
			}
			switch end {
			case "fails":
				return errChosen
			case "panics":
				panic("the change panics")
			}
			m.finish()
			model = m
			return nil
		}})
	}
	s.commitGroup(group)
	for i, c := range group {
		if ok := c.err == nil; ok != (ends[i] == "ok") {
			wrong = append(wrong, fmt.Sprintf("a change that %s came to %v", ends[i], c.err))
		}
	}
	if len(wrong) > 0 {
		rt.Fatal(strings.Join(wrong, "\n"))
	}
	return model
}

// compareInside looks at what only the store itself can see.
func (m *identityModel) compareInside(tx *IdentityTx) (wrong []string) {
	keys := 0
	for _, a := range m.accounts {
		keys += len(a.Keys)
	}
	a := tx.auditState()
	for what, got := range map[string][2]int{
		"device keys":    {len(tx.keysBetween(binDeviceKeys, nil, nil)), keys},
		"events":         {len(tx.keysBetween(binAudit, nil, nil)), int(a.count[binAudit])},
		"routine events": {len(tx.keysBetween(binRoutine, nil, nil)), int(a.count[binRoutine])},
	} {
		if got[0] != got[1] {
			wrong = append(wrong, fmt.Sprintf("%d %s are stored; want %d", got[0], what, got[1]))
		}
	}
	if a.last != m.last {
		wrong = append(wrong, fmt.Sprintf("the newest seq is %d; want %d", a.last, m.last))
	}
	if key, err := tx.RefreshKey(); len(key) != 32 || err != nil {
		wrong = append(wrong, fmt.Sprintf("RefreshKey = %x, %v", key, err))
	}
	return wrong
}

func drawStep(rt *rapid.T) step {
	name := rapid.SampledFrom(modelNames).Draw(rt, "name")
	id := rapid.SampledFrom(modelIDs).Draw(rt, "id")
	hash := rapid.SampledFrom(modelHashes).Draw(rt, "hash")
	n := rapid.IntRange(0, 9).Draw(rt, "n")
	// Long enough, now and then, that a bucket needs several pages.
	long := strings.Repeat("x", rapid.SampledFrom([]int{0, 10, 900}).Draw(rt, "length"))
	switch rapid.SampledFrom([]string{"account", "account", "delete", "session", "session", "end", "reset", "used",
		"event", "event", "event", "purge", "signing", "floor", "read"}).Draw(rt, "step") {
	case "account":
		return drawAccount(name, hash, n, long)
	case "delete":
		return write(func(m *identityModel) { m.deleteAccount(name) }, func(tx *IdentityTx) error { return tx.DeleteAccount(name) })
	case "session":
		s := gateway.Session{Account: name, ID: id, IP: long, Counter: uint64(n), Used: gateway.Timestamp(n), Boot: 1 << 63, BootMS: -1}
		return write(func(m *identityModel) { m.sessions[[2]string{string(name), string(id)}] = s },
			func(tx *IdentityTx) error { return tx.PutSession(s) })
	case "end":
		return write(func(m *identityModel) { delete(m.sessions, [2]string{string(name), string(id)}) },
			func(tx *IdentityTx) error { return tx.DeleteSession(name, id) })
	case "reset":
		r := gateway.Reset{Hash: hash, Account: name, Expires: gateway.Timestamp(n)}
		return write(func(m *identityModel) { m.resets[hash] = r }, func(tx *IdentityTx) error { return tx.PutReset(r) })
	case "used":
		return write(func(m *identityModel) { delete(m.resets, hash) }, func(tx *IdentityTx) error { return tx.DeleteReset(hash) })
	case "event":
		e := gateway.AuditEvent{TS: gateway.Timestamp(n), Event: modelEvents[n%4], Subject: string(name), Reason: long, Count: uint32(n)}
		return write(func(m *identityModel) { m.addEvent(e) }, func(tx *IdentityTx) error { return tx.AddEvent(e) })
	case "purge":
		return write(func(m *identityModel) { m.purgeEvents(gateway.Timestamp(n)) },
			func(tx *IdentityTx) error { return tx.PurgeEvents(gateway.Timestamp(n)) })
	case "signing":
		keys := []gateway.SigningKey{{ID: string(id), Retired: gateway.Timestamp(n)}, {}}[:1+n%2]
		return write(func(m *identityModel) { m.signing = keys }, func(tx *IdentityTx) error { return tx.PutSigningKeys(keys) })
	case "floor":
		return write(func(m *identityModel) { m.floor = gateway.Timestamp(n) },
			func(tx *IdentityTx) error { return tx.SetClockFloor(gateway.Timestamp(n)) })
	}
	return func(tx *IdentityTx, m *identityModel) []string { return m.compare(tx) }
}

func write(to func(*identityModel), do func(*IdentityTx) error) step {
	return func(tx *IdentityTx, m *identityModel) []string {
		to(m)
		if err := do(tx); err != nil {
			return []string{err.Error()}
		}
		return nil
	}
}

// drawAccount may ask for a device key that another account has.
func drawAccount(name gateway.AccountName, hash [32]byte, n int, long string) step {
	a := gateway.Account{Name: name, Kind: gateway.KindDevice, Role: gateway.RoleMember, Disabled: n == 1,
		PasswordHash: long, Created: gateway.Timestamp(n), Seen: gateway.Timestamp(n), ResetRequested: -1, Room: "r"}
	if n > 4 {
		a.Keys = []gateway.DeviceKey{{Hash: hash, Expires: gateway.Timestamp(n)}}
	}
	if n > 7 {
		a.Keys = append(a.Keys, gateway.DeviceKey{Hash: [32]byte{byte(len(name)), name[0]}})
	}
	return func(tx *IdentityTx, m *identityModel) []string {
		want := gateway.Code("")
		if m.putAccount(a) {
			want = gateway.CodeConflict
		}
		if err := tx.PutAccount(a); gateway.CodeOf(err) != want {
			return []string{fmt.Sprintf("PutAccount = %v; want %q", err, want)}
		}
		return nil
	}
}

// TestScanPassesEmptiedPages walks buckets of which whole pages were deleted
// before in the same commit.
func TestScanPassesEmptiedPages(t *testing.T) {
	s := openIdentity(t, "", nil)
	id := func(i int) gateway.SessionID { return gateway.SessionID(fmt.Sprintf("%04d", i)) }
	err := s.Update(func(tx *IdentityTx) (err error) {
		for i := range 500 {
			err = errors.Join(err, tx.PutSession(gateway.Session{Account: "a", ID: id(i), IP: strings.Repeat("x", 100)}))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, cut := range [][2]int{{100, 300}, {0, 60}, {440, 500}} {
		left := 0
		ends := &change{done: make(chan struct{}), fn: func(tx *IdentityTx) (err error) {
			for i := cut[0]; i < cut[1]; i++ {
				err = errors.Join(err, tx.DeleteSession("a", id(i)))
			}
			return err
		}}
		reads := &change{done: make(chan struct{}), fn: func(tx *IdentityTx) error {
			return tx.Sessions("a", func(gateway.Session) bool { left++; return true })
		}}
		s.commitGroup([]*change{ends, reads})
		stored := 0
		err := s.db.View(func(tx *bolt.Tx) error { stored = tx.Bucket(buckets[binSessions]).Stats().KeyN; return nil })
		if err := errors.Join(err, ends.err, reads.err); err != nil || left != stored || left == 0 {
			t.Errorf("%v: %d sessions seen, %d stored, %v", cut, left, stored, err)
		}
	}
}
