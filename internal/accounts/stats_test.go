package accounts_test

import (
	"testing"

	"edgegw/internal/accounts"
)

func TestStats(t *testing.T) {
	h := newHouse(t)
	want := func(w accounts.Stats) {
		t.Helper()
		if got := h.Stats(); got != w {
			t.Errorf("Stats = %+v, want %+v", got, w)
		}
	}
	want(accounts.Stats{Devices: 1, DevicesNever: 1})
	views := h.store.views.Load()
	want(accounts.Stats{Devices: 1, DevicesNever: 1})
	if h.store.views.Load() != views {
		t.Error("counted again although nothing has changed")
	}
	if _, err := h.AddDevice(origin(), accounts.NewDevice{Name: "fan"}); err != nil {
		t.Fatal(err)
	}
	want(accounts.Stats{Devices: 2, DevicesNever: 2})
	if _, err := h.LoginDevice(origin(), pumpKey, ""); err != nil {
		t.Fatal(err)
	}
	want(accounts.Stats{Devices: 2, DevicesNever: 1})
	h.importLegacy(t, "old")
	want(accounts.Stats{Legacy: 1, Devices: 2, DevicesNever: 1})
	h.login(t, "old") // unwraps
	want(accounts.Stats{Devices: 2, DevicesNever: 1})
	if err := h.DeleteDevice(origin(), "pump"); err != nil {
		t.Fatal(err)
	}
	want(accounts.Stats{Devices: 1, DevicesNever: 1})
}
