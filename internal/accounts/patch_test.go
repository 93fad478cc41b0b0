package accounts_test

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
)

func TestUpdateUser(t *testing.T) {
	member, admin, other := gateway.RoleMember, gateway.RoleAdmin, gateway.Role("owner")
	yes, no, weak, room := true, false, "short", gateway.RoomID("lobby")
	plant, none, same := grants(t, "plant.*:rw"), gateway.Grants{}, grants(t, "*:rw")
	bad := gateway.Grants{{Pattern: "a/b", Rights: gateway.RightRead}}
	newPassword := "another good password"
	tests := []struct {
		name   string
		user   gateway.AccountName
		p      accounts.Patch
		want   gateway.Code
		events []string
		told   []string
	}{
		{"ok nothing", "ada", accounts.Patch{}, "", nil, nil},
		{"ok same as it is", "ada", accounts.Patch{Role: &member, Disabled: &no, Grants: &same}, "", nil, nil},
		{"ok role", "ada", accounts.Patch{Role: &admin}, "", []string{"role_changed:ada:admin"}, []string{"set ada admin *:rw"}},
		{"ok back", "ada", accounts.Patch{Role: &member}, "", []string{"role_changed:ada:member"}, []string{"set ada member *:rw"}},
		{"ok grants", "ada", accounts.Patch{Grants: &plant}, "", []string{"grants_changed:ada"}, []string{"set ada member plant.*:rw"}},
		{"ok no grants", "ada", accounts.Patch{Grants: &none}, "", []string{"grants_changed:ada"}, []string{"set ada member "}},
		{"ok two at once", "ada", accounts.Patch{Role: &admin, Grants: &plant}, "",
			[]string{"role_changed:ada:admin", "grants_changed:ada"}, []string{"set ada admin plant.*:rw"}},
		{"ok disabled", "ada", accounts.Patch{Disabled: &yes}, "", []string{"account_disabled:ada"}, []string{"close ada"}},
		{"ok grants of a disabled one", "ada", accounts.Patch{Grants: &none}, "", []string{"grants_changed:ada"}, []string{"close ada"}},
		{"ok enabled", "ada", accounts.Patch{Disabled: &no}, "", []string{"account_enabled:ada"}, []string{"set ada admin "}},
		{"ok password", "ada", accounts.Patch{Password: &newPassword}, "", []string{"password_changed:ada:by_admin"}, nil},
		{"ok password and role", "ada", accounts.Patch{Password: &newPassword, Role: &member}, "",
			[]string{"role_changed:ada:member", "password_changed:ada:by_admin"}, []string{"set ada member "}},
		{"bad weak password, nothing of it", "ada", accounts.Patch{Password: &weak, Role: &admin}, gateway.CodeWeakPassword, nil, nil},
		{"bad role", "ada", accounts.Patch{Role: &other, Grants: &plant}, gateway.CodeInvalidRequest, nil, nil},
		{"bad grant", "ada", accounts.Patch{Grants: &bad, Role: &admin}, gateway.CodeInvalidRequest, nil, nil},
		{"bad room", "ada", accounts.Patch{Room: &room}, gateway.CodeInvalidRequest, nil, nil},
		{"bad nobody", "nobody", accounts.Patch{Role: &admin}, gateway.CodeNotFound, nil, nil},
		{"bad nobody's password", "nobody", accounts.Patch{Password: &newPassword}, gateway.CodeNotFound, nil, nil},
		{"bad device", "pump", accounts.Patch{Disabled: &yes}, gateway.CodeNotFound, nil, nil},
		{"bad device's password", "pump", accounts.Patch{Password: &newPassword}, gateway.CodeNotFound, nil, nil},
		{"bad last admin, nothing of it", "root", accounts.Patch{Role: &member, Grants: &plant}, gateway.CodeConflict, nil, nil},
	}
	h := newHouse(t)
	from := 0
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before, _ := h.store.get(tt.user)
			commits, revision, hashes := h.store.commits.Load(), h.Revision(), h.hashes
			u, err := h.UpdateUser(origin(), tt.user, tt.p)
			wantCode(t, err, tt.want)
			h.wantEvents(t, &from, tt.events...)
			h.wantTold(t, tt.told...)
			if set := tt.want == "" && tt.p.Password != nil; set != (h.hashes > hashes) {
				t.Errorf("%d password hashes", h.hashes-hashes)
			}
			after, _ := h.store.get(tt.user)
			if quiet := len(tt.events) == 0; quiet != (h.store.commits.Load() == commits) || quiet != (h.Revision() == revision) {
				t.Errorf("%d commits, revision moved by %d", h.store.commits.Load()-commits, h.Revision()-revision)
			} else if quiet && (after.Role != before.Role || !slices.Equal(after.Grants, before.Grants) || after.PasswordHash != before.PasswordHash) {
				t.Errorf("%+v became %+v", before, after)
			}
			if err == nil && (u.Role != after.Role || u.Disabled != after.Disabled || !slices.Equal(u.Grants, after.Grants) || u.PasswordHash != "") {
				t.Errorf("answered %+v, stored %+v", u, after)
			}
		})
	}
}

func TestAdminSetsPassword(t *testing.T) {
	h := newHouse(t)
	p, id := h.login(t, "ada")
	code, _, err := h.IssueReset(origin(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	a, _ := h.store.get("ada")
	a.ResetRequested = 7
	h.store.put(t, a)
	h.told()
	const other = "another good password"
	if err := h.setPassword("ada", other); err != nil {
		t.Fatal(err)
	}
	h.wantTold(t, "end "+string(id.Session))
	if u, _ := h.User(origin(), "ada"); u.ResetRequested != 0 {
		t.Error("the wish for a reset is still there")
	}
	_, err = h.Refresh(origin(), p.Refresh)
	wantCode(t, err, gateway.CodeInvalidToken)
	_, err = h.Authenticate(origin(), p.Access)
	wantCode(t, err, gateway.CodeInvalidToken)
	wantCode(t, h.ConfirmReset(origin(), code, good), gateway.CodeInvalidToken)
	_, err = h.Login(origin(), "ada", good, "")
	wantCode(t, err, gateway.CodeInvalidCredentials)
	if _, err = h.Login(origin(), "ada", other, ""); err != nil {
		t.Error(err)
	}
	if strings.Contains(h.log(), other) || !strings.Contains(h.log(), "event=password_changed") {
		t.Errorf("logged: %s", h.log())
	}
}

// Disabling closes sockets as disabled, not as revoked, and enabling lets nobody
// back in without a login.
func TestDisableEndsSessions(t *testing.T) {
	h := newHouse(t)
	p, id := h.login(t, "ada")
	from := len(h.events(t))
	h.told()
	h.disable(t, "ada", true)
	h.wantTold(t, "close ada", "end "+string(id.Session))
	h.wantEvents(t, &from, "account_disabled:ada", "session_ended:ada:account_disabled")
	_, err := h.Authenticate(origin(), p.Access)
	wantCode(t, err, gateway.CodeInvalidToken)
	h.disable(t, "ada", false)
	_, err = h.Authenticate(origin(), p.Access)
	wantCode(t, err, gateway.CodeInvalidToken)
	_, err = h.Refresh(origin(), p.Refresh)
	wantCode(t, err, gateway.CodeInvalidToken)
	h.login(t, "ada")
}

// Patches of different members that come at once are all there in the end, and
// live sockets were told last what is stored last.
func TestPatchesRace(t *testing.T) {
	h := newHouse(t)
	admin, member := gateway.RoleAdmin, gateway.RoleMember
	plant, all := grants(t, "plant.*:r"), grants(t, "*:rw")
	for i := range 30 {
		role, list := &admin, &plant
		if i%2 == 1 {
			role, list = &member, &all
		}
		var wg sync.WaitGroup
		for _, p := range []accounts.Patch{{Role: role}, {Grants: list}} {
			wg.Go(func() {
				if _, err := h.UpdateUser(origin(), "ada", p); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		a, _ := h.store.get("ada")
		if a.Role != *role || !slices.Equal(a.Grants, *list) {
			t.Fatalf("round %d: ada is %+v", i, a)
		}
		told := h.told()
		if want := "set ada " + string(*role) + " " + (*list)[0].String(); len(told) != 2 || told[1] != want {
			t.Fatalf("round %d: live sockets were told %q, the last has to be %q", i, told, want)
		}
	}
}

// late holds the first SetPrincipal back until another change is through.
type late struct {
	*house
	first atomic.Bool
	other func()
}

func (l *late) SetPrincipal(p gateway.Principal) {
	if l.first.CompareAndSwap(false, true) {
		l.other()
	}
	l.house.SetPrincipal(p)
}

// A right that was given and taken again is not left on live sockets by the hook
// of the giving that comes late.
func TestHooksInAnyOrder(t *testing.T) {
	l := &late{}
	h := newHouse(t, func(o *accounts.Options) { l.house = o.Live.(*house); o.Live = l })
	all, none := grants(t, "secret.*:rw"), gateway.Grants{}
	var wg sync.WaitGroup
	l.other = func() {
		wg.Go(func() {
			if _, err := h.UpdateUser(origin(), "ada", accounts.Patch{Grants: &none}); err != nil {
				t.Error(err)
			}
		})
		// The other's hook waits for this one, or else it is through by now.
		time.Sleep(50 * time.Millisecond)
	}
	if _, err := h.UpdateUser(origin(), "ada", accounts.Patch{Grants: &all}); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	h.wantTold(t, "set ada member secret.*:rw", "set ada member ")
}
