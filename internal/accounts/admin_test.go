package accounts_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
)

func TestAdd(t *testing.T) {
	ctx := context.Background()
	long := gateway.AccountName(strings.Repeat("n", 129))
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
	}
	h := newHouse(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(h.store.accounts)
			wantCode(t, h.Add(ctx, tt.in), tt.want)
			if n := len(h.store.accounts) - before; (n == 1) != (tt.want == "") {
				t.Errorf("%d accounts more", n)
			}
		})
	}
	bob, _ := h.store.get("bob")
	if bob.Kind != gateway.KindUser || bob.Role != gateway.RoleMember || bob.Created != gateway.Timestamp(start.UnixMilli()) ||
		!slices.Equal(bob.Grants, gateway.Grants{{Pattern: "*", Rights: gateway.RightRead | gateway.RightWrite}}) {
		t.Errorf("bob is %+v", bob)
	}
	if eve, _ := h.store.get("eve"); eve.Role != gateway.RoleAdmin {
		t.Errorf("eve is %+v", eve)
	}
	if root, _ := h.store.get("root"); len(root.Grants) != 0 {
		t.Errorf("root was to have no grants, has %v", root.Grants)
	}
}

func TestListHidesHashes(t *testing.T) {
	list, err := newHouse(t).List()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, a := range list {
		names = append(names, string(a.Name))
		if a.PasswordHash != "" {
			t.Errorf("%s is listed with a hash", a.Name)
		}
	}
	if !slices.Equal(names, []string{"ada", "dis", "narrow", "pump", "root"}) {
		t.Errorf("listed %v", names)
	}
}

func TestSetPassword(t *testing.T) {
	ctx, h := context.Background(), newHouse(t)
	const other = "another good password"
	if err := h.SetPassword(ctx, "ada", other); err != nil {
		t.Fatal(err)
	}
	_, err := h.Login(ctx, "ada", good, "")
	wantCode(t, err, gateway.CodeInvalidCredentials)
	if _, err = h.Login(ctx, "ada", other, ""); err != nil {
		t.Error(err)
	}
	wantCode(t, h.SetPassword(ctx, "ada", "short"), gateway.CodeWeakPassword)
	wantCode(t, h.SetPassword(ctx, "nobody", other), gateway.CodeNotFound)
	wantCode(t, h.SetPassword(ctx, "pump", other), gateway.CodeInvalidRequest)
	if !slices.Equal(h.changed, []gateway.AccountName{"ada"}) {
		t.Errorf("announced %v", h.changed)
	}
	if line := h.logged.String(); !strings.Contains(line, "event=password_changed") || strings.Contains(line, other) {
		t.Errorf("logged: %s", line)
	}
}

func TestDisableAndDelete(t *testing.T) {
	ctx, h := context.Background(), newHouse(t)
	wantCode(t, h.SetDisabled(ctx, "nobody", true), gateway.CodeNotFound)
	wantCode(t, h.Delete(ctx, "nobody"), gateway.CodeNotFound)
	wantCode(t, h.SetDisabled(ctx, "dis", false), "")
	if _, err := h.Login(ctx, "dis", good, ""); err != nil {
		t.Errorf("enabled again: %v", err)
	}
	wantCode(t, h.Delete(ctx, "dis"), "")
	wantCode(t, h.Delete(ctx, "pump"), "")
	if list, _ := h.List(); len(list) != 3 {
		t.Errorf("%d accounts are left, want 3", len(list))
	}
	if !slices.Equal(h.changed, []gateway.AccountName{"dis", "dis", "pump"}) {
		t.Errorf("announced %v", h.changed)
	}
}

func TestTheLastAdminStays(t *testing.T) {
	ctx, h := context.Background(), newHouse(t)
	wantCode(t, h.Delete(ctx, "root"), gateway.CodeConflict)
	wantCode(t, h.SetDisabled(ctx, "root", true), gateway.CodeConflict)
	wantCode(t, h.SetDisabled(ctx, "root", false), "")
	if root, ok := h.store.get("root"); !ok || root.Disabled {
		t.Fatalf("root is %+v, %v", root, ok)
	}
	if err := h.Add(ctx, accounts.NewAccount{Name: "second", Password: good, Role: gateway.RoleAdmin}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, h.SetDisabled(ctx, "second", true), "")
	wantCode(t, h.Delete(ctx, "root"), gateway.CodeConflict) // a disabled one does not count
	wantCode(t, h.SetDisabled(ctx, "second", false), "")
	wantCode(t, h.Delete(ctx, "root"), "")
	wantCode(t, h.Delete(ctx, "second"), gateway.CodeConflict)
	if !h.HasAdmin() {
		t.Error("HasAdmin is false")
	}
}

// Two administrators who remove each other at once: one of them stays.
func TestAdminsCannotRemoveEachOtherAtOnce(t *testing.T) {
	ctx, h := context.Background(), newHouse(t)
	root, _ := h.store.get("root")
	for range 50 {
		for _, name := range []gateway.AccountName{"root", "second"} {
			root.Name = name
			h.store.put(t, root)
		}
		var wg sync.WaitGroup
		errs := make([]error, 2)
		wg.Go(func() { errs[0] = h.store2(t).Delete(ctx, "root") })
		wg.Go(func() { errs[1] = h.store2(t).Delete(ctx, "second") })
		wg.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("errors %v: want one to succeed", errs)
		}
	}
}

// store2 is a second service on the same store, so that two operations share
// nothing but the store.
func (h *house) store2(t *testing.T) *house { return build(t, cheap, h.store) }

func TestEnsureAdmin(t *testing.T) {
	ctx := context.Background()
	const pw = "the password of the file"
	user := func(name gateway.AccountName, role gateway.Role, disabled bool) gateway.Account {
		return gateway.Account{Name: name, Kind: gateway.KindUser, Role: role, Disabled: disabled, Created: 7}
	}
	tests := []struct {
		name   string
		have   []gateway.Account
		made   bool
		want   gateway.Code
		logsIn bool
	}{
		{"ok empty store", nil, true, "", true},
		{"ok members only", []gateway.Account{user("ada", gateway.RoleMember, false)}, true, "", true},
		{"ok admin disabled", []gateway.Account{user("admin", gateway.RoleAdmin, true)}, true, "", true},
		{"ok admin demoted", []gateway.Account{user("admin", gateway.RoleMember, false)}, true, "", true},
		{"ok other admin disabled", []gateway.Account{user("root", gateway.RoleAdmin, true)}, true, "", true},
		{"ok other admin enabled", []gateway.Account{user("root", gateway.RoleAdmin, false)}, false, "", false},
		{"ok admin enabled keeps its password", []gateway.Account{user("admin", gateway.RoleAdmin, false)}, false, "", false},
		{"bad admin is a device", []gateway.Account{{Name: "admin", Kind: gateway.KindDevice}}, false, gateway.CodeConflict, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			store := &memory{accounts: map[gateway.AccountName]gateway.Account{}}
			for _, a := range tt.have {
				store.put(t, a)
			}
			h := build(t, cheap, store)
			if had := h.HasAdmin(); had != (!tt.made && tt.want == "") {
				t.Errorf("before: HasAdmin = %v", had)
			}
			made, err := h.EnsureAdmin(ctx, pw)
			wantCode(t, err, tt.want)
			if made != tt.made || h.HasAdmin() != (tt.want == "") {
				t.Errorf("made %v, HasAdmin %v", made, h.HasAdmin())
			}
			s, err := h.Login(ctx, "admin", pw, "")
			if (err == nil) != tt.logsIn || tt.logsIn && s.Principal.Role != gateway.RoleAdmin {
				t.Errorf("Login = %+v, %v", s.Principal, err)
			}
			if a, ok := store.get("admin"); ok && len(tt.have) > 0 && tt.have[0].Name == "admin" && a.Created != tt.have[0].Created {
				t.Errorf("the account was made anew: %+v", a)
			}
		})
	}
}

func TestEnsureAdminAppliesThePolicy(t *testing.T) {
	h := build(t, cheap, &memory{accounts: map[gateway.AccountName]gateway.Account{}})
	made, err := h.EnsureAdmin(context.Background(), "admin")
	wantCode(t, err, gateway.CodeWeakPassword)
	if made || h.HasAdmin() {
		t.Error("an admin with a weak password was made")
	}
}

// Somebody adds an administrator while EnsureAdmin hashes: no second one comes.
func TestEnsureAdminLooksAgain(t *testing.T) {
	store := &memory{accounts: map[gateway.AccountName]gateway.Account{}}
	h := build(t, cheap, store)
	h.onHash = func() {
		store.put(t, gateway.Account{Name: "root", Kind: gateway.KindUser, Role: gateway.RoleAdmin})
	}
	made, err := h.EnsureAdmin(context.Background(), good)
	if _, exists := store.get("admin"); made || err != nil || exists || !h.HasAdmin() {
		t.Errorf("made %v (%v), exists %v, HasAdmin %v", made, err, exists, h.HasAdmin())
	}
}

func TestHasAdminFollows(t *testing.T) {
	ctx := context.Background()
	h := build(t, cheap, &memory{accounts: map[gateway.AccountName]gateway.Account{}})
	if err := h.Add(ctx, accounts.NewAccount{Name: "ada", Password: good}); err != nil || h.HasAdmin() {
		t.Fatalf("a member was added (%v): HasAdmin %v", err, h.HasAdmin())
	}
	h.store.put(t, gateway.Account{Name: "old", Kind: gateway.KindUser, Role: gateway.RoleAdmin, Disabled: true})
	if err := h.SetDisabled(ctx, "old", false); err != nil || !h.HasAdmin() {
		t.Errorf("an admin was enabled (%v): HasAdmin %v", err, h.HasAdmin())
	}
	h = build(t, cheap, &memory{accounts: map[gateway.AccountName]gateway.Account{}})
	if err := h.Add(ctx, accounts.NewAccount{Name: "root", Password: good, Role: gateway.RoleAdmin}); err != nil || !h.HasAdmin() {
		t.Errorf("an admin was added (%v): HasAdmin %v", err, h.HasAdmin())
	}
}
