package accounts_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
)

// words names events, one word each: event:subject, and :reason if there is one.
func words(events []gateway.AuditEvent) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = string(e.Event) + ":" + e.Subject
		if e.Reason != "" {
			out[i] += ":" + e.Reason
		}
	}
	return out
}

// wantEvents looks at the audit from where it was at the last call.
func (h *house) wantEvents(t *testing.T, from *int, want ...string) {
	t.Helper()
	got := words(h.events(t))
	if fresh := got[*from:]; !slices.Equal(fresh, want) {
		t.Errorf("audited %q, want %q", fresh, want)
	}
	*from = len(got)
}

func (h *house) wantTold(t *testing.T, want ...string) {
	t.Helper()
	if got := h.told(); !slices.Equal(got, want) {
		t.Errorf("live sockets were told %q, want %q", got, want)
	}
}

func (h *house) names(t *testing.T) (names []string) {
	t.Helper()
	err := h.store.View(func(tx accounts.Tx) error {
		return tx.Accounts(func(a gateway.Account) bool {
			names = append(names, string(a.Name))
			return true
		})
	})
	if err != nil {
		t.Error(err)
	}
	return names
}

func grants(t *testing.T, list ...string) gateway.Grants {
	t.Helper()
	out := gateway.Grants{}
	for _, s := range list {
		g, err := gateway.ParseGrant(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, g)
	}
	return out
}

func TestAdd(t *testing.T) {
	long := gateway.AccountName(strings.Repeat("n", 129))
	many := make(gateway.Grants, 129)
	for i := range many {
		many[i] = gateway.Grant{Pattern: "*", Rights: gateway.RightRead}
	}
	tests := []struct {
		name string
		in   accounts.NewAccount
		want gateway.Code
	}{
		{"ok", accounts.NewAccount{Name: "bob", Password: good}, ""},
		{"ok folded", accounts.NewAccount{Name: "Eve", Password: good, Role: gateway.RoleAdmin}, ""},
		{"bad taken", accounts.NewAccount{Name: "ada", Password: good}, gateway.CodeConflict},
		{"bad taken, other case", accounts.NewAccount{Name: "ADA", Password: good}, gateway.CodeConflict},
		{"bad taken by a device", accounts.NewAccount{Name: "pump", Password: good}, gateway.CodeConflict},
		{"bad weak", accounts.NewAccount{Name: "new", Password: "short"}, gateway.CodeWeakPassword},
		{"bad own name", accounts.NewAccount{Name: "the-whole-of-the-name", Password: "the-whole-of-the-name"}, gateway.CodeWeakPassword},
		{"bad name", accounts.NewAccount{Name: "a b", Password: good}, gateway.CodeInvalidRequest},
		{"bad long name", accounts.NewAccount{Name: long, Password: good}, gateway.CodeInvalidRequest},
		{"bad role", accounts.NewAccount{Name: "new", Password: good, Role: "root"}, gateway.CodeInvalidRequest},
		{"bad grant", accounts.NewAccount{Name: "new", Password: good, Grants: gateway.Grants{{Pattern: "a/b", Rights: gateway.RightRead}}}, gateway.CodeInvalidRequest},
		{"bad grant without rights", accounts.NewAccount{Name: "new", Password: good, Grants: gateway.Grants{{Pattern: "a"}}}, gateway.CodeInvalidRequest},
		{"bad too many grants", accounts.NewAccount{Name: "new", Password: good, Grants: many}, gateway.CodeInvalidRequest},
	}
	h := newHouse(t)
	ctx := gateway.WithActor(origin(), "root")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(h.names(t))
			wantCode(t, h.Add(ctx, tt.in), tt.want)
			if n := len(h.names(t)) - before; (n == 1) != (tt.want == "") {
				t.Errorf("%d accounts more", n)
			}
		})
	}
	bob, _ := h.store.get("bob")
	if bob.Kind != gateway.KindUser || bob.Role != gateway.RoleMember || bob.Created != gateway.Timestamp(start.UnixMilli()) ||
		!slices.Equal(bob.Grants, grants(t, "*:rw")) {
		t.Errorf("bob is %+v", bob)
	}
	if eve, _ := h.store.get("eve"); eve.Role != gateway.RoleAdmin {
		t.Errorf("eve is %+v", eve)
	}
	if root, _ := h.store.get("root"); len(root.Grants) != 0 {
		t.Errorf("root was to have no grants, has %v", root.Grants)
	}
	events := h.events(t)
	if got := words(events); !slices.Equal(got, []string{"account_created:bob", "account_created:eve"}) {
		t.Errorf("audited %v", got)
	}
	if e := events[0]; e.Actor != "root" || e.IP != "192.0.2.7" || e.TS != bob.Created || e.Result != gateway.ResultOK {
		t.Errorf("audited %+v", e)
	}
}

// The name of a deleted account stays taken, for people and devices.
func TestNamesAreNotReused(t *testing.T) {
	h := newHouse(t)
	if err := h.DeleteUser(origin(), "ada"); err != nil {
		t.Fatal(err)
	}
	if err := h.DeleteDevice(origin(), "pump"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []gateway.AccountName{"ada", "pump"} {
		err := h.Add(origin(), accounts.NewAccount{Name: name, Password: good})
		wantCode(t, err, gateway.CodeConflict)
		if !strings.Contains(gateway.AsError(err).Message, "choose another name") {
			t.Errorf("told %q", gateway.AsError(err).Message)
		}
		_, err = h.AddDevice(origin(), accounts.NewDevice{Name: name})
		wantCode(t, err, gateway.CodeConflict)
	}
}

func TestUsers(t *testing.T) {
	h := newHouse(t)
	h.importLegacy(t, "old")
	list, err := h.Users(origin())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, u := range list {
		names = append(names, string(u.Name))
		if u.PasswordHash != "" {
			t.Errorf("%s is listed with a hash", u.Name)
		}
		if u.Legacy != (u.Name == "old") || u.Disabled != (u.Name == "dis") || u.LockedFor != 0 {
			t.Errorf("listed %+v", u)
		}
	}
	if !slices.Equal(names, []string{"ada", "dis", "narrow", "old", "root"}) {
		t.Errorf("listed %v", names)
	}
	if u, err := h.User(origin(), "ada"); err != nil || u.Name != "ada" || u.PasswordHash != "" {
		t.Errorf("ada: %+v, %v", u, err)
	}
	for _, name := range []gateway.AccountName{"nobody", "pump"} {
		_, err := h.User(origin(), name)
		wantCode(t, err, gateway.CodeNotFound)
	}
}

func TestDeleteUser(t *testing.T) {
	h := newHouse(t)
	p, _ := h.login(t, "ada")
	from := len(h.events(t))
	h.told()
	wantCode(t, h.DeleteUser(origin(), "nobody"), gateway.CodeNotFound)
	wantCode(t, h.DeleteUser(origin(), "pump"), gateway.CodeNotFound)
	wantCode(t, h.DeleteUser(origin(), "root"), gateway.CodeConflict)
	wantCode(t, h.DeleteUser(origin(), "ada"), "")
	h.wantTold(t, "close ada")
	h.wantEvents(t, &from, "account_deleted:ada")
	_, err := h.Authenticate(origin(), p.Access)
	wantCode(t, err, gateway.CodeInvalidToken)
	_, err = h.Refresh(origin(), p.Refresh)
	wantCode(t, err, gateway.CodeInvalidToken)
	wantCode(t, h.DeleteUser(origin(), "ada"), gateway.CodeNotFound)
	if got := h.names(t); !slices.Equal(got, []string{"dis", "narrow", "pump", "root"}) {
		t.Errorf("left are %v", got)
	}
}

func TestUnlock(t *testing.T) {
	h := newHouse(t, func(o *accounts.Options) {
		o.Limits.LockThreshold, o.Limits.LockDuration = 2, time.Hour
	})
	for range 2 {
		if _, err := h.Login(origin(), "ada", wrong, ""); err == nil {
			t.Fatal("logged in with the wrong password")
		}
	}
	if u, err := h.User(origin(), "ada"); err != nil || u.LockedFor != time.Hour {
		t.Fatalf("locked for %v, %v", u.LockedFor, err)
	}
	from := len(h.events(t))
	wantCode(t, h.Unlock(origin(), "nobody"), gateway.CodeNotFound)
	wantCode(t, h.Unlock(origin(), "pump"), gateway.CodeNotFound)
	wantCode(t, h.Unlock(gateway.WithActor(origin(), "root"), "ada"), "")
	h.wantEvents(t, &from, "account_unlocked:ada")
	if u, _ := h.User(origin(), "ada"); u.LockedFor != 0 {
		t.Errorf("still locked for %v", u.LockedFor)
	}
	h.login(t, "ada")
}

// file is what the store's file holds.
func (h *house) file(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(h.store.path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
