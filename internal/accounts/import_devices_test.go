package accounts_test

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
	"edgegw/internal/token"
)

func keyHash(key string) string {
	hash := token.HashSecret(key)
	return hex.EncodeToString(hash[:])
}

func TestImportDevices(t *testing.T) {
	h := newHouse(t)
	keys := make([]string, 1000)
	list := make([]accounts.ImportDevice, len(keys))
	for i := range list {
		keys[i] = token.NewSecret()
		list[i] = accounts.ImportDevice{Line: i + 2, Name: fmt.Sprintf("Sensor-%d", i), Room: fmt.Sprintf("plant.%d", i), KeyHash: keyHash(keys[i])}
	}
	list[7].Grants = []string{"plant.*:r", "alarms:w"}
	commits := h.store.commits.Load()
	r, err := h.ImportDevices(origin(), list, false)
	if err != nil || r.Added != 1000 || len(r.Bad) != 0 {
		t.Fatalf("%d added, %v, %v", r.Added, r.Bad, err)
	}
	if n := h.store.commits.Load() - commits; n != 1 || h.hashes != 0 {
		t.Errorf("%d commits and %d password hashes", n, h.hashes)
	}
	if got := words(h.events(t)); !slices.Equal(got, []string{"devices_imported::added=1000 skipped=0"}) {
		t.Errorf("audited %v", got)
	}
	for _, i := range []int{0, 7, 999} {
		p, err := h.LoginDevice(origin(), keys[i], "")
		if err != nil || string(p.Principal.Name) != fmt.Sprintf("sensor-%d", i) || p.Principal.Role != gateway.RoleMember {
			t.Errorf("%d: %+v, %v", i, p.Principal, err)
		}
	}
	if a, _ := h.Device(origin(), "sensor-7"); !slices.Equal(a.Grants, grants(t, "plant.*:r", "alarms:w")) {
		t.Errorf("sensor-7: %+v", a)
	}
}

func TestImportDevicesIsAllOrNothing(t *testing.T) {
	h := newHouse(t)
	if _, err := h.RotateDeviceKey(origin(), "pump"); err != nil {
		t.Fatal(err)
	}
	h.now = h.now.Add(48 * 60 * 60 * 1e9) // pump's old key has expired, and is taken still
	twice := keyHash("twice")
	list := []accounts.ImportDevice{
		{Line: 2, Name: "fan", KeyHash: twice},
		{Line: 3, Name: "a b", KeyHash: keyHash("1")},
		{Line: 4, Name: "pump", KeyHash: keyHash("2")},
		{Line: 5, Name: "ada", KeyHash: keyHash("3")},
		{Line: 6, Name: "fan", KeyHash: keyHash("4")},
		{Line: 7, Name: "x1", KeyHash: strings.ToUpper(twice)},
		{Line: 8, Name: "x2", KeyHash: keyHash(pumpKey)},
		{Line: 9, Name: "x3", KeyHash: twice[1:]},
		{Line: 10, Name: "x4", KeyHash: pumpKey},
		{Line: 11, Name: "x5", KeyHash: keyHash("5"), Room: "a/b"},
		{Line: 12, Name: "x6", KeyHash: keyHash("6"), Grants: []string{"*:rw", "plant"}},
		{Line: 13, Name: "x7", Err: gateway.Errorf(gateway.CodeInvalidRequest, "the line is odd")},
		{Line: 14, Name: "valve", KeyHash: keyHash("7")},
	}
	from, names := len(h.events(t)), h.names(t)
	r, err := h.ImportDevices(origin(), list, false)
	want := []string{"3 a b", "4 pump", "5 ada", "6 fan", "7 x1", "8 x2", "9 x3", "10 x4", "11 x5", "12 x6", "13 x7"}
	if err != nil || r.Added != 0 || !slices.Equal(bad(r.Bad), want) {
		t.Errorf("%d added, bad %q, %v", r.Added, bad(r.Bad), err)
	}
	for _, b := range r.Bad {
		if strings.Contains(b.Problem, pumpKey) {
			t.Errorf("line %d tells %q", b.Line, b.Problem)
		}
	}
	h.wantEvents(t, &from)
	if got := h.names(t); !slices.Equal(got, names) {
		t.Errorf("accounts are %v", got)
	}
	r, err = h.ImportDevices(origin(), list, true)
	if err != nil || r.Added != 2 || !slices.Equal(bad(r.Bad), want) {
		t.Errorf("%d added, bad %q, %v", r.Added, bad(r.Bad), err)
	}
	h.wantEvents(t, &from, "devices_imported::added=2 skipped=11")
	_, err = h.ImportDevices(origin(), nil, true)
	wantCode(t, err, gateway.CodeInvalidRequest)
}
