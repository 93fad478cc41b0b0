package accounts_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
	"edgegw/internal/password"
	"edgegw/internal/token"
)

// memory is a Store that rolls back: an update works on a copy, which takes the
// place of the original only when it succeeded.
type memory struct {
	mu       sync.Mutex
	accounts map[gateway.AccountName]gateway.Account
	// fail, if set, makes every commit fail.
	fail error
	// views counts View calls.
	views int
}

type memoryTx struct {
	accounts map[gateway.AccountName]gateway.Account
}

func (m *memory) View(f func(accounts.Tx) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.views++
	return f(memoryTx{maps.Clone(m.accounts)})
}

func (m *memory) Update(f func(accounts.Tx) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	tx := memoryTx{maps.Clone(m.accounts)}
	if err := f(tx); err != nil {
		return err
	}
	if m.fail != nil {
		return m.fail
	}
	m.accounts = tx.accounts
	return nil
}

func (m *memory) put(t *testing.T, a gateway.Account) {
	t.Helper()
	if err := m.Update(func(tx accounts.Tx) error { return tx.PutAccount(a) }); err != nil {
		t.Fatal(err)
	}
}

func (m *memory) get(name gateway.AccountName) (gateway.Account, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.accounts[name]
	return a, ok
}

func (tx memoryTx) Account(name gateway.AccountName) (gateway.Account, bool, error) {
	a, ok := tx.accounts[name]
	return a, ok, nil
}

func (tx memoryTx) PutAccount(a gateway.Account) error {
	tx.accounts[a.Name] = a
	return nil
}

func (tx memoryTx) DeleteAccount(name gateway.AccountName) error {
	delete(tx.accounts, name)
	return nil
}

func (tx memoryTx) Accounts(yield func(gateway.Account) bool) error {
	for _, a := range tx.accounts {
		if !yield(a) {
			break
		}
	}
	return nil
}

const (
	good   = "correct horse battery staple"
	wrong  = "incorrect horse battery staple"
	secret = "a signing secret, made of 32 bytes or more"
)

var (
	cheap = password.Params{MemoryKiB: password.MinMemoryKiB, Time: 1, Threads: 1}
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

// house is a Service with real parts around it, and what they told.
type house struct {
	*accounts.Service
	store   *memory
	tokens  *token.Authority
	now     time.Time
	logged  bytes.Buffer
	hashes  int
	onHash  func()
	logins  []string
	refused []token.Reason
	changed []gateway.AccountName
}

func build(t *testing.T, params password.Params, store *memory) *house {
	t.Helper()
	h := &house{store: store, now: start}
	clock := func() time.Time { return h.now }
	hasher, err := password.New(password.Options{Params: params, Concurrency: 1, Now: time.Now, Observe: func(time.Duration) {
		h.hashes++
		if f := h.onHash; f != nil {
			h.onHash = nil
			f()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	ring, err := token.NewSecretRing([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	if h.tokens, err = token.New(token.Options{Ring: ring, Now: clock}); err != nil {
		t.Fatal(err)
	}
	h.Service, err = accounts.New(accounts.Options{
		Store: store, Hasher: hasher, Tokens: h.tokens, AccessTTL: 15 * time.Minute, Now: clock,
		DefaultGrants: gateway.Grants{{Pattern: "*", Rights: gateway.RightRead | gateway.RightWrite}},
		Logger:        slog.New(slog.NewTextHandler(&h.logged, nil)),
		Observe: accounts.Observe{
			Login:   func(result string) { h.logins = append(h.logins, result) },
			Refused: func(r token.Reason) { h.refused = append(h.refused, r) },
			Changed: func(name gateway.AccountName) { h.changed = append(h.changed, name) },
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// newHouse has the administrator root and the members ada, dis (disabled) and
// narrow (who reads plant.*), all with the password good, and the device pump.
func newHouse(t *testing.T) *house {
	t.Helper()
	h := build(t, cheap, &memory{})
	h.store.accounts = map[gateway.AccountName]gateway.Account{}
	for _, n := range []accounts.NewAccount{
		{Name: "root", Password: good, Role: gateway.RoleAdmin, Grants: gateway.Grants{}},
		{Name: "ada", Password: good},
		{Name: "dis", Password: good},
		{Name: "narrow", Password: good, Grants: gateway.Grants{{Pattern: "plant.*", Rights: gateway.RightRead}}},
	} {
		if err := h.Add(context.Background(), n); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.SetDisabled(context.Background(), "dis", true); err != nil {
		t.Fatal(err)
	}
	h.store.put(t, gateway.Account{Name: "pump", Kind: gateway.KindDevice, Role: gateway.RoleMember})
	h.hashes, h.changed = 0, nil
	h.logged.Reset()
	return h
}

func wantCode(t *testing.T, err error, want gateway.Code) {
	t.Helper()
	if got := gateway.CodeOf(err); got != want {
		t.Errorf("code %q, want %q (%v)", got, want, err)
	}
}

func origin() context.Context {
	return gateway.WithOrigin(context.Background(), gateway.Origin{IP: "192.0.2.7", RequestID: "req-1"})
}

func TestNewNeedsItsParts(t *testing.T) {
	if _, err := accounts.New(accounts.Options{}); err == nil {
		t.Error("New without parts is no error")
	}
}

func TestStoreErrorsStayInside(t *testing.T) {
	h := newHouse(t)
	h.store.fail = errors.New("disk on fire at /dev/secret")
	err := h.SetPassword(context.Background(), "ada", "another good password")
	wantCode(t, err, gateway.CodeInternal)
	if m := gateway.AsError(err).Message; strings.Contains(m, "fire") {
		t.Errorf("the sender is told %q", m)
	}
	if len(h.changed) != 0 {
		t.Errorf("%v were announced as changed", h.changed)
	}
	h.store.fail = gateway.Errorf(gateway.CodeStorageFull, "the disk is full")
	wantCode(t, h.Delete(context.Background(), "ada"), gateway.CodeStorageFull)
	if _, ok := h.store.get("ada"); !ok {
		t.Error("ada is gone although the commit failed")
	}
}
