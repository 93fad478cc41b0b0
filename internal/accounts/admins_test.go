package accounts_test

import (
	"context"
	"sync"
	"testing"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
)

// damaged is a store with one record that cannot be read.
type damaged struct {
	accounts.Store
	name gateway.AccountName
}

type damagedTx struct {
	accounts.Tx
	name gateway.AccountName
}

func (d damaged) Update(f func(accounts.Tx) error) error {
	return d.Store.Update(func(tx accounts.Tx) error { return f(damagedTx{tx, d.name}) })
}

func (tx damagedTx) Account(name gateway.AccountName) (gateway.Account, bool, error) {
	if name == tx.name {
		return gateway.Account{}, false, gateway.Errorf(gateway.CodeUnavailable, "damaged; delete it")
	}
	return tx.Tx.Account(name)
}

// A damaged record can be deleted, unless it may be the last administrator's.
func TestDeleteDamaged(t *testing.T) {
	h := newHouse(t, func(o *accounts.Options) { o.Store = damaged{o.Store, "broken"} })
	h.store.put(t, gateway.Account{Name: "broken", Kind: gateway.KindUser, Role: gateway.RoleMember})
	wantCode(t, h.DeleteUser(origin(), "broken"), "")
	if _, there := h.store.get("broken"); there {
		t.Error("it is still there")
	}
	root, _ := h.store.get("root")
	root.Disabled = true
	h.store.put(t, root)
	h.store.put(t, gateway.Account{Name: "broken", Kind: gateway.KindUser, Role: gateway.RoleMember})
	wantCode(t, h.DeleteUser(origin(), "broken"), gateway.CodeConflict)
}

func TestTheLastAdminStays(t *testing.T) {
	h := newHouse(t)
	yes, member := true, gateway.RoleMember
	last := func(name gateway.AccountName) {
		t.Helper()
		wantCode(t, h.DeleteUser(origin(), name), gateway.CodeConflict)
		for _, p := range []accounts.Patch{{Disabled: &yes}, {Role: &member}} {
			_, err := h.UpdateUser(origin(), name, p)
			wantCode(t, err, gateway.CodeConflict)
		}
		if a, ok := h.store.get(name); !ok || a.Disabled || a.Role != gateway.RoleAdmin {
			t.Fatalf("%s is %+v, %v", name, a, ok)
		}
	}
	last("root")
	if err := h.Add(origin(), accounts.NewAccount{Name: "second", Password: good, Role: gateway.RoleAdmin}); err != nil {
		t.Fatal(err)
	}
	h.disable(t, "second", true)
	last("root") // a disabled one does not count
	h.disable(t, "second", false)
	wantCode(t, h.DeleteUser(origin(), "root"), "")
	last("second")
	if !h.HasAdmin() {
		t.Error("HasAdmin is false")
	}
}

// Two administrators who take each other's rights at once: one of them stays.
func TestAdminsCannotRemoveEachOtherAtOnce(t *testing.T) {
	h := newHouse(t)
	root, _ := h.store.get("root")
	yes, member := true, gateway.RoleMember
	for way, remove := range map[string]func(h *house, name gateway.AccountName) error{
		"delete": func(h *house, name gateway.AccountName) error { return h.DeleteUser(origin(), name) },
		"disable": func(h *house, name gateway.AccountName) error {
			_, err := h.UpdateUser(origin(), name, accounts.Patch{Disabled: &yes})
			return err
		},
		"demote": func(h *house, name gateway.AccountName) error {
			_, err := h.UpdateUser(origin(), name, accounts.Patch{Role: &member})
			return err
		},
	} {
		for range 20 {
			for _, name := range []gateway.AccountName{"root", "second"} {
				root.Name = name
				h.store.put(t, root)
			}
			// Two services, so that the two share nothing but the store.
			one, two := build(t, cheap, h.store), build(t, cheap, h.store)
			var wg sync.WaitGroup
			errs := make([]error, 2)
			wg.Go(func() { errs[0] = remove(one, "root") })
			wg.Go(func() { errs[1] = remove(two, "second") })
			wg.Wait()
			if (errs[0] == nil) == (errs[1] == nil) {
				t.Fatalf("%s: errors %v; want one to succeed", way, errs)
			}
		}
	}
}

func TestHasAdminFollows(t *testing.T) {
	ctx := context.Background()
	h := build(t, cheap, newDisk(t))
	if err := h.Add(ctx, accounts.NewAccount{Name: "ada", Password: good}); err != nil || h.HasAdmin() {
		t.Fatalf("a member was added (%v): HasAdmin %v", err, h.HasAdmin())
	}
	h.store.put(t, gateway.Account{Name: "old", Kind: gateway.KindUser, Role: gateway.RoleAdmin, Disabled: true})
	h.disable(t, "old", false)
	if !h.HasAdmin() {
		t.Error("an admin was enabled: HasAdmin is false")
	}
	h = build(t, cheap, newDisk(t))
	if err := h.Add(ctx, accounts.NewAccount{Name: "root", Password: good, Role: gateway.RoleAdmin}); err != nil || !h.HasAdmin() {
		t.Errorf("an admin was added (%v): HasAdmin %v", err, h.HasAdmin())
	}
}
