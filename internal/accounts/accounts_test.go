package accounts_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edgegw/internal/accounts"
	"edgegw/internal/boltstore"
	"edgegw/internal/gateway"
	"edgegw/internal/password"
	"edgegw/internal/token"
)

// disk is the real store, whose commits can be made to fail.
type disk struct {
	*boltstore.Identity
	path string
	// fail, if set, is what every change ends with.
	fail error
	// views counts View calls, commits what was committed.
	views, commits atomic.Int64
}

func newDisk(t *testing.T) *disk {
	t.Helper()
	d := &disk{path: filepath.Join(t.TempDir(), "identity.db")}
	var err error
	d.Identity, err = boltstore.OpenIdentity(boltstore.IdentityOptions{
		Path: d.path, Now: time.Now,
		Observer: boltstore.Observer{Commit: func(time.Duration, int, int64) { d.commits.Add(1) }},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *disk) View(f func(accounts.Tx) error) error {
	d.views.Add(1)
	return d.Identity.View(func(tx *boltstore.IdentityTx) error { return f(tx) })
}

func (d *disk) Update(f func(accounts.Tx) error) error {
	return d.Identity.Update(func(tx *boltstore.IdentityTx) error {
		if err := f(tx); err != nil {
			return err
		}
		return d.fail
	})
}

func (d *disk) put(t *testing.T, a gateway.Account) {
	t.Helper()
	if err := d.Update(func(tx accounts.Tx) error { return tx.PutAccount(a) }); err != nil {
		t.Fatal(err)
	}
}

func (d *disk) get(name gateway.AccountName) (a gateway.Account, ok bool) {
	_ = d.View(func(tx accounts.Tx) (err error) {
		a, ok, err = tx.Account(name)
		return err
	})
	return a, ok
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
	store  *disk
	tokens *token.Authority
	now    time.Time
	// boot and since are what the machine says of its run.
	boot   uint64
	since  time.Duration
	hashes int
	onHash func()

	mu      sync.Mutex
	logged  bytes.Buffer
	logins  []string
	refused []token.Reason
	// cut is what live sockets were told, in order.
	cut []string
}

// Write takes the log.
func (h *house) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.logged.Write(p)
}

func (h *house) tell(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cut = append(h.cut, what)
}

func (h *house) EndSessions(ids []gateway.SessionID) {
	for _, id := range ids {
		h.tell("end " + string(id))
	}
}

func (h *house) SetPrincipal(p gateway.Principal) {
	grants := make([]string, 0, len(p.Grants))
	for _, g := range p.Grants {
		grants = append(grants, g.String())
	}
	h.tell("set " + string(p.Name) + " " + string(p.Role) + " " + strings.Join(grants, ","))
}

func (h *house) CloseAccount(name gateway.AccountName) { h.tell("close " + string(name)) }

// told takes what live sockets were told so far.
func (h *house) told() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	cut := h.cut
	h.cut = nil
	return cut
}

func (h *house) log() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.logged.String()
}

func build(t *testing.T, params password.Params, store *disk, change ...func(*accounts.Options)) *house {
	t.Helper()
	h := &house{store: store, now: start}
	clock := func() time.Time { return h.now }
	hasher, err := password.New(password.Options{Params: params, Concurrency: 2, Now: time.Now, Observe: func(time.Duration) {
		h.mu.Lock()
		h.hashes++
		f := h.onHash
		h.onHash = nil
		h.mu.Unlock()
		if f != nil {
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
	o := accounts.Options{
		Store: store, Hasher: hasher, Tokens: h.tokens, Now: clock,
		AccessTTL: 15 * time.Minute, DeviceAccessTTL: 24 * time.Hour,
		RefreshTTL: 30 * 24 * time.Hour, DeviceRefreshTTL: 365 * 24 * time.Hour,
		Boot:          func() (uint64, time.Duration) { return h.boot, h.since },
		DefaultGrants: gateway.Grants{{Pattern: "*", Rights: gateway.RightRead | gateway.RightWrite}},
		Logger:        slog.New(slog.NewTextHandler(h, nil)),
		Live:          h,
		Observe: accounts.Observe{
			Login: func(result string) {
				h.mu.Lock()
				defer h.mu.Unlock()
				h.logins = append(h.logins, result)
			},
			Refused: func(r token.Reason) {
				h.mu.Lock()
				defer h.mu.Unlock()
				h.refused = append(h.refused, r)
			},
		},
	}
	for _, f := range change {
		f(&o)
	}
	if h.Service, err = accounts.New(o); err != nil {
		t.Fatal(err)
	}
	return h
}

// pumpKey is the device key of pump.
const pumpKey = "canary-key-of-the-pump-AAAAAAAAAAAAAAAAAAA0"

// newHouse has the administrator root and the members ada, dis (disabled) and
// narrow (who reads plant.*), all with the password good, and the device pump in
// plant.7.
func newHouse(t *testing.T, change ...func(*accounts.Options)) *house {
	t.Helper()
	h := build(t, cheap, newDisk(t), change...)
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
	h.disable(t, "dis", true)
	h.store.put(t, gateway.Account{
		Name: "pump", Kind: gateway.KindDevice, Role: gateway.RoleMember, Room: "plant.7",
		Keys: []gateway.DeviceKey{{Hash: token.HashSecret(pumpKey)}},
	})
	h.hashes = 0
	h.told()
	h.logged.Reset()
	return h
}

func (h *house) disable(t *testing.T, name gateway.AccountName, disabled bool) {
	t.Helper()
	if _, err := h.UpdateUser(context.Background(), name, accounts.Patch{Disabled: &disabled}); err != nil {
		t.Fatal(err)
	}
}

func (h *house) setPassword(name gateway.AccountName, password string) error {
	_, err := h.UpdateUser(context.Background(), name, accounts.Patch{Password: &password})
	return err
}

// login logs in with the password good.
func (h *house) login(t *testing.T, name string) (accounts.Pair, accounts.Identity) {
	t.Helper()
	p, err := h.Login(origin(), name, good, "")
	if err != nil {
		t.Fatal(err)
	}
	id, err := h.Authenticate(origin(), p.Access)
	if err != nil {
		t.Fatal(err)
	}
	return p, id
}

// events is the audit, without what newHouse caused.
func (h *house) events(t *testing.T) []gateway.AuditEvent {
	t.Helper()
	after := uint64(5)
	events, err := h.Audit(context.Background(), &after, accounts.MaxAuditPage)
	if err != nil {
		t.Fatal(err)
	}
	return events
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
	err := h.setPassword("ada", "another good password")
	wantCode(t, err, gateway.CodeInternal)
	if m := gateway.AsError(err).Message; strings.Contains(m, "fire") {
		t.Errorf("the sender is told %q", m)
	}
	if cut := h.told(); len(cut) != 0 {
		t.Errorf("live sockets were told %v", cut)
	}
	h.store.fail = gateway.Errorf(gateway.CodeStorageFull, "the disk is full")
	wantCode(t, h.DeleteUser(context.Background(), "ada"), gateway.CodeStorageFull)
	if _, ok := h.store.get("ada"); !ok {
		t.Error("ada is gone although the commit failed")
	}
}
