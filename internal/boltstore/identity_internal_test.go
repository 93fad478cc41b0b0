package boltstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
	"edgegw/internal/storetest"
)

func openIdentity(t testing.TB, path string, edit func(*IdentityOptions)) *Identity {
	t.Helper()
	if path == "" {
		path = filepath.Join(t.TempDir(), "identity.db")
	}
	opts := IdentityOptions{Path: path, Now: storetest.NewSite().Now}
	if edit != nil {
		edit(&opts)
	}
	s, err := OpenIdentity(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func account(name string) gateway.Account {
	return gateway.Account{Name: gateway.AccountName(name), Kind: gateway.KindUser, Role: gateway.RoleMember}
}

func put(a gateway.Account) func(*IdentityTx) error {
	return func(tx *IdentityTx) error { return tx.PutAccount(a) }
}

func names(t testing.TB, s *Identity) string {
	t.Helper()
	var names []string
	err := s.View(func(tx *IdentityTx) error {
		return tx.Accounts(func(a gateway.Account) bool {
			names = append(names, string(a.Name))
			return true
		})
	})
	if err != nil {
		t.Error(err)
	}
	return strings.Join(names, " ")
}

func TestAccountsRoundTrip(t *testing.T) {
	full := gateway.Account{
		Name: "ada@site", Kind: gateway.KindDevice, Role: gateway.RoleAdmin, Disabled: true,
		Grants:       gateway.Grants{{Pattern: "plant.*", Rights: gateway.RightRead}, {Pattern: "*", Rights: 3}},
		PasswordHash: "$argon2id$v=19$m=8192,t=1,p=1$c2FsdA$aGFzaA", Created: 1_700_000_000_123,
		ResetRequested: 1_700_000_000_124, Room: "plant.7", Seen: 1_700_000_000_125,
		Keys: []gateway.DeviceKey{{Hash: gateway.KeyHash{1, 31: 2}}, {Hash: gateway.KeyHash{3}, Expires: 1_700_000_000_126}},
	}
	s := openIdentity(t, "", nil)
	path := s.opts.Path
	for _, a := range []gateway.Account{full, account("bob")} {
		if err := s.Update(put(a)); err != nil {
			t.Fatal(err)
		}
	}
	err := s.Update(func(tx *IdentityTx) error { return tx.SetClockFloor(1_700_000_000_456) })
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	s = openIdentity(t, path, nil)
	err = s.View(func(tx *IdentityTx) error {
		for _, want := range []gateway.Account{full, account("bob")} {
			got, ok, err := tx.Account(want.Name)
			if diff := cmp.Diff(want, got); diff != "" || !ok || err != nil {
				t.Errorf("Account = %v, %v (-want +got):\n%s", ok, err, diff)
			}
		}
		if _, ok, err := tx.Account("eve"); ok || err != nil {
			t.Errorf("Account of nobody = %v, %v", ok, err)
		}
		if floor := tx.ClockFloor(); floor != 1_700_000_000_456 {
			t.Errorf("ClockFloor = %d", floor)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// The clock's floor, and what ages are measured by, go with what is committed anyway.
func TestFloorGoesWithCommits(t *testing.T) {
	floor, age := gateway.Timestamp(2000), gateway.Timestamp(1000)
	s := openIdentity(t, "", func(o *IdentityOptions) {
		o.Floor = func() (gateway.Timestamp, gateway.Timestamp) { return floor, age }
	})
	for i, step := range []struct {
		what       string
		now, age   gateway.Timestamp
		write      func(*IdentityTx) error
		floor, old gateway.Timestamp
	}{
		{"ok with an account", 2000, 1000, put(account("a")), 2000, 1000},
		{"ok ahead", 3000, 1500, put(account("b")), 3000, 1500},
		{"ok nothing is written", 4000, 2000, func(*IdentityTx) error { return nil }, 3000, 1500},
		{"ok about to be set ahead", 4000, 2000, func(tx *IdentityTx) error { return tx.SetClockFloor(9000) }, 9000, 2000},
		{"ok not back again", 4001, 2001, put(account("c")), 9000, 2001},
		{"ok the clock was reset", 0, 0, func(tx *IdentityTx) error { return tx.SetClockFloor(500) }, 500, 2001},
	} {
		floor, age = step.now, step.age
		if err := s.Update(step.write); err != nil {
			t.Fatal(i, err)
		}
		_ = s.View(func(tx *IdentityTx) error {
			if tx.ClockFloor() != step.floor || tx.ClockAge() != step.old {
				t.Errorf("%s: floor %d, age %d; want %d, %d", step.what, tx.ClockFloor(), tx.ClockAge(), step.floor, step.old)
			}
			return nil
		})
	}
}

// TestUpdateSeesItsOwnWrites merges what is stored with what is being written.
func TestUpdateSeesItsOwnWrites(t *testing.T) {
	s := openIdentity(t, "", nil)
	for _, name := range []string{"b", "d", "f"} {
		if err := s.Update(put(account(name))); err != nil {
			t.Fatal(err)
		}
	}
	err := s.Update(func(tx *IdentityTx) error {
		changed := account("d")
		changed.Disabled = true
		err := errors.Join(put(account("a"))(tx), put(account("e"))(tx), put(account("g"))(tx), put(changed)(tx),
			tx.DeleteAccount("b"), tx.DeleteAccount("nobody"), tx.SetClockFloor(7))
		var seen []string
		err = errors.Join(err, tx.Accounts(func(a gateway.Account) bool {
			seen = append(seen, fmt.Sprint(a.Name, a.Disabled))
			return a.Name != "f"
		}))
		if got := strings.Join(seen, " "); got != "afalse dtrue efalse ffalse" || tx.ClockFloor() != 7 {
			t.Errorf("inside: %s, floor %d", got, tx.ClockFloor())
		}
		return err
	})
	if got := names(t, s); err != nil || got != "a d e f g" {
		t.Errorf("after: %q, %v", got, err)
	}
}

// TestGroupCommit has 64 callers at once, every fourth of which fails or panics.
func TestGroupCommit(t *testing.T) {
	refused := gateway.Errorf(gateway.CodeConflict, "no")
	var commits, kept int
	s := openIdentity(t, "", func(o *IdentityOptions) {
		o.Observer.Commit = func(_ time.Duration, records int, bytes int64) {
			if commits, kept = commits+1, kept+records; bytes < 3*4096 {
				t.Errorf("a commit wrote %d bytes", bytes)
			}
		}
	})
	s.writing.Lock() // until all 64 wait
	var callers sync.WaitGroup
	for i := range 64 {
		callers.Go(func() { updateOrFail(t, s, i, refused) })
	}
	for waiting := 0; waiting < 64; {
		s.mu.Lock()
		waiting = len(s.waiting)
		s.mu.Unlock()
	}
	s.writing.Unlock()
	callers.Wait()
	if commits != 1 || kept != 48 {
		t.Errorf("%d changes in %d commits; want 48 in 1", kept, commits)
	}
	if got := names(t, s); strings.Count(got, "user-") != 48 || strings.Contains(got, "user-03") || strings.Contains(got, "user-07") {
		t.Errorf("stored: %s", got)
	}
}

// updateOrFail is caller i: it keeps to what its own change came to.
func updateOrFail(t *testing.T, s *Identity, i int, refused error) {
	err := s.Update(func(tx *IdentityTx) error {
		if err := tx.PutAccount(account(fmt.Sprintf("user-%02d", i))); err != nil {
			return err
		}
		switch i % 8 {
		case 3:
			return refused
		case 7:
			panic("a bug")
		}
		return nil
	})
	switch i % 8 {
	case 3:
		if !errors.Is(err, refused) {
			t.Errorf("%d: Update = %v; want its own error", i, err)
		}
	case 7:
		if gateway.CodeOf(err) != gateway.CodeInternal || !strings.Contains(err.Error(), "a bug") {
			t.Errorf("%d: Update = %v; want the panic", i, err)
		}
	default:
		if err != nil {
			t.Errorf("%d: Update = %v", i, err)
		}
	}
}

func TestGroupsAreBounded(t *testing.T) {
	var groups []int
	s := openIdentity(t, "", func(o *IdentityOptions) {
		o.Observer.Commit = func(_ time.Duration, records int, _ int64) { groups = append(groups, records) }
	})
	for i := range maxGroup + 10 {
		s.waiting = append(s.waiting, &change{fn: put(account(fmt.Sprint(i))), done: make(chan struct{})})
	}
	if err := s.Update(put(account("last"))); err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(names(t, s)); len(got) != maxGroup+11 || s.waiting != nil {
		t.Errorf("stored %d accounts with %d waiting", len(got), len(s.waiting))
	}
	if len(groups) != 2 || groups[0] != maxGroup || groups[1] != 11 {
		t.Errorf("groups of %v", groups)
	}
}

func TestRefusedUpdateWritesNothing(t *testing.T) {
	s := openIdentity(t, "", nil)
	before, err := os.ReadFile(s.opts.Path)
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Update(func(tx *IdentityTx) error {
		return errors.Join(tx.PutAccount(account("a")), errors.New("no"))
	})
	after, err := os.ReadFile(s.opts.Path)
	if err != nil || string(before) != string(after) {
		t.Errorf("the file changed (%v)", err)
	}
}

func TestViewCannotWrite(t *testing.T) {
	s := openIdentity(t, "", nil)
	for name, write := range map[string]func(*IdentityTx) error{
		"PutAccount":     put(account("a")),
		"DeleteAccount":  func(tx *IdentityTx) error { return tx.DeleteAccount("a") },
		"PutSession":     func(tx *IdentityTx) error { return tx.PutSession(gateway.Session{Account: "a", ID: "s"}) },
		"DeleteSession":  func(tx *IdentityTx) error { return tx.DeleteSession("a", "s") },
		"PutReset":       func(tx *IdentityTx) error { return tx.PutReset(gateway.Reset{Account: "a"}) },
		"DeleteReset":    func(tx *IdentityTx) error { return tx.DeleteReset(gateway.ResetHash{}) },
		"AddEvent":       func(tx *IdentityTx) error { return tx.AddEvent(gateway.AuditEvent{}) },
		"PurgeEvents":    func(tx *IdentityTx) error { return tx.PurgeEvents(1) },
		"PutSigningKeys": func(tx *IdentityTx) error { return tx.PutSigningKeys(nil) },
		"SetClockFloor":  func(tx *IdentityTx) error { return tx.SetClockFloor(1) },
	} {
		if err := s.View(write); gateway.CodeOf(err) != gateway.CodeInternal {
			t.Errorf("%s in a View = %v", name, err)
		}
	}
}

func TestNonsenseIsRefused(t *testing.T) {
	s := openIdentity(t, "", nil)
	long := gateway.SessionID(strings.Repeat("x", bolt.MaxKeySize))
	for name, write := range map[string]func(*IdentityTx) error{
		"an account without a name":      put(gateway.Account{}),
		"a session without an account":   func(tx *IdentityTx) error { return tx.PutSession(gateway.Session{ID: "s"}) },
		"a session without an id":        func(tx *IdentityTx) error { return tx.PutSession(gateway.Session{Account: "a"}) },
		"a session of another's account": func(tx *IdentityTx) error { return tx.PutSession(gateway.Session{Account: "a\x00b", ID: "s"}) },
		"an id that no key can hold":     func(tx *IdentityTx) error { return tx.PutSession(gateway.Session{Account: "a", ID: long}) },
	} {
		if err := s.Update(write); gateway.CodeOf(err) != gateway.CodeInternal {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Update(put(account("a"))); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

// TestNothingWrittenCommitsNothing has changes that leave everything as it is.
func TestNothingWrittenCommitsNothing(t *testing.T) {
	commits := 0
	s := openIdentity(t, "", func(o *IdentityOptions) {
		o.Observer.Commit = func(time.Duration, int, int64) { commits++ }
	})
	session := gateway.Session{Account: "a", ID: "s", Counter: 1}
	err := s.Update(func(tx *IdentityTx) error {
		return errors.Join(tx.PutAccount(account("a")), tx.PutSession(session), tx.AddEvent(gateway.AuditEvent{TS: 5}))
	})
	if err != nil || commits != 1 {
		t.Fatalf("%d commits, %v", commits, err)
	}
	refused := errors.New("no")
	idle := []func(*IdentityTx) error{
		func(*IdentityTx) error { return nil },
		func(tx *IdentityTx) error { return errors.Join(tx.PutAccount(account("a")), tx.PutSession(session)) },
		func(tx *IdentityTx) error { return errors.Join(tx.DeleteAccount("b"), tx.DeleteSession("a", "t")) },
		func(tx *IdentityTx) error { return errors.Join(tx.DeleteReset(gateway.ResetHash{}), tx.PurgeEvents(5)) },
		func(tx *IdentityTx) error { return errors.Join(tx.PutAccount(account("c")), refused) },
	}
	var group []*change
	for _, fn := range idle {
		group = append(group, &change{fn: fn, done: make(chan struct{})})
	}
	s.commitGroup(group)
	for i, c := range group {
		if want := i == 4; errors.Is(c.err, refused) != want || !want && c.err != nil {
			t.Errorf("change %d = %v", i, c.err)
		}
	}
	if commits != 1 {
		t.Errorf("%d commits for nothing", commits-1)
	}
}

func TestDamagedAccount(t *testing.T) {
	s := openIdentity(t, "", nil)
	for _, name := range []string{"a", "b", "c"} {
		if err := s.Update(put(account(name))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.db.Update(func(tx *bolt.Tx) error { return harm(t, tx, []byte("b"), buckets[binAccounts]) }); err != nil {
		t.Fatal(err)
	}
	seen := 0
	err := s.View(func(tx *IdentityTx) error {
		_, _, err := tx.Account("b")
		if gateway.CodeOf(err) != gateway.CodeUnavailable || !strings.Contains(err.Error(), `account "b"`) {
			t.Errorf("Account = %v", err)
		}
		return tx.Accounts(func(gateway.Account) bool { seen++; return true })
	})
	if gateway.CodeOf(err) != gateway.CodeUnavailable || seen != 2 {
		t.Errorf("Accounts = %v after %d accounts", err, seen)
	}
	if err := s.Update(put(account("b"))); err != nil || names(t, s) != "a b c" {
		t.Errorf("making it again: %v", err)
	}
}

func TestFailedIdentityCommitIsFinal(t *testing.T) {
	var file *os.File
	failures := 0
	s := openIdentity(t, "", func(o *IdentityOptions) {
		o.Failed = func(error) { failures++ }
		o.open = func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
			file, err = os.OpenFile(name, flag, mode)
			return file, err
		}
	})
	file.Close()
	if err := s.Update(put(account("a"))); gateway.CodeOf(err) != gateway.CodeInternal {
		t.Errorf("Update = %v", err)
	}
	called := false
	err := s.Update(func(*IdentityTx) error { called = true; return nil })
	if gateway.CodeOf(err) != gateway.CodeUnavailable || called || failures != 1 {
		t.Errorf("the next Update = %v (called: %v), with %d failures told", err, called, failures)
	}
}

func TestSecondIdentityIsRefused(t *testing.T) {
	s := openIdentity(t, "", nil)
	_, err := OpenIdentity(s.opts)
	if gateway.CodeOf(err) != gateway.CodeConflict {
		t.Errorf("a second OpenIdentity = %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(put(account("a"))); gateway.CodeOf(err) != gateway.CodeUnavailable {
		t.Errorf("Update after Close = %v", err)
	}
}
