package accounts_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
	"edgegw/internal/token"
)

func TestAddDevice(t *testing.T) {
	h := newHouse(t)
	tests := []struct {
		name string
		in   accounts.NewDevice
		want gateway.Code
	}{
		{"ok", accounts.NewDevice{Name: "fan"}, ""},
		{"ok room", accounts.NewDevice{Name: "Valve", Room: "plant.1"}, ""},
		{"ok grants", accounts.NewDevice{Name: "gauge", Grants: grants(t, "plant.*:w")}, ""},
		{"bad taken", accounts.NewDevice{Name: "pump"}, gateway.CodeConflict},
		{"bad taken by a person", accounts.NewDevice{Name: "ADA"}, gateway.CodeConflict},
		{"bad name", accounts.NewDevice{Name: "a b"}, gateway.CodeInvalidRequest},
		{"bad room", accounts.NewDevice{Name: "new", Room: "a/b"}, gateway.CodeInvalidRequest},
		{"bad grant", accounts.NewDevice{Name: "new", Grants: gateway.Grants{{Pattern: "a"}}}, gateway.CodeInvalidRequest},
	}
	from := 0
	keys := map[string]bool{}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(h.names(t))
			key, err := h.AddDevice(origin(), tt.in)
			wantCode(t, err, tt.want)
			if n := len(h.names(t)) - before; (n == 1) != (tt.want == "") || (key == "") != (tt.want != "") {
				t.Errorf("%d accounts more, key %q", n, key)
			}
			if err != nil {
				h.wantEvents(t, &from)
				return
			}
			name, _ := gateway.ParseAccountName(string(tt.in.Name))
			h.wantEvents(t, &from, "device_created:"+string(name))
			if keys[key] || !token.ValidSecret(key) {
				t.Errorf("the key is %q", key)
			}
			keys[key] = true
			p, err := h.LoginDevice(origin(), key, "")
			if err != nil || p.Principal.Name != name || p.Principal.Role != gateway.RoleMember {
				t.Errorf("Login = %+v, %v", p.Principal, err)
			}
			from = len(h.events(t))
		})
	}
	for key := range keys {
		if strings.Contains(h.file(t), key) || strings.Contains(h.log(), key) {
			t.Error("a device key is at rest, or logged")
		}
	}
}

func TestDevices(t *testing.T) {
	h := newHouse(t)
	if _, err := h.RotateDeviceKey(origin(), "pump"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.AddDevice(origin(), accounts.NewDevice{Name: "fan"}); err != nil {
		t.Fatal(err)
	}
	list, err := h.Devices(origin())
	if err != nil || len(list) != 2 || list[0].Name != "fan" || list[1].Name != "pump" {
		t.Fatalf("%+v, %v", list, err)
	}
	day := h.now.Add(24 * time.Hour)
	if keys := list[1].Keys; !slices.Equal(keys, []gateway.DeviceKey{{}, {Expires: gateway.Timestamp(day.UnixMilli())}}) {
		t.Errorf("pump is shown with the keys %+v", keys)
	}
	h.now = day
	a, err := h.Device(origin(), "pump")
	if err != nil || !slices.Equal(a.Keys, []gateway.DeviceKey{{}}) {
		t.Errorf("after a day: %+v, %v", a.Keys, err)
	}
	if a, _ := h.store.get("pump"); a.Keys[0].Hash == (gateway.KeyHash{}) {
		t.Error("the hash is gone from the store as well")
	}
	for _, name := range []gateway.AccountName{"nobody", "ada"} {
		_, err := h.Device(origin(), name)
		wantCode(t, err, gateway.CodeNotFound)
	}
}

func TestUpdateDevice(t *testing.T) {
	admin, text := gateway.RoleAdmin, good
	yes, no := true, false
	eight, nowhere, same, odd := gateway.RoomID("plant.8"), gateway.RoomID(""), gateway.RoomID("plant.7"), gateway.RoomID("a/b")
	list, none := grants(t, "plant.*:r"), gateway.Grants{}
	tests := []struct {
		name   string
		device gateway.AccountName
		p      accounts.Patch
		want   gateway.Code
		events []string
		told   []string
	}{
		{"ok nothing", "pump", accounts.Patch{}, "", nil, nil},
		{"ok same", "pump", accounts.Patch{Room: &same, Disabled: &no, Grants: &none}, "", nil, nil},
		{"ok room", "pump", accounts.Patch{Room: &eight}, "", []string{"device_changed:pump:room"}, []string{"set pump member plant.8:rw"}},
		{"ok grants", "pump", accounts.Patch{Grants: &list}, "", []string{"grants_changed:pump"}, []string{"set pump member plant.*:r"}},
		{"ok no room", "pump", accounts.Patch{Room: &nowhere, Grants: &none}, "",
			[]string{"grants_changed:pump", "device_changed:pump:room"}, []string{"set pump member "}},
		{"ok disabled", "pump", accounts.Patch{Disabled: &yes}, "", []string{"device_disabled:pump"}, []string{"close pump"}},
		{"ok enabled", "pump", accounts.Patch{Disabled: &no}, "", []string{"device_enabled:pump"}, []string{"set pump member "}},
		{"bad role", "pump", accounts.Patch{Role: &admin}, gateway.CodeInvalidRequest, nil, nil},
		{"bad password", "pump", accounts.Patch{Password: &text, Disabled: &yes}, gateway.CodeInvalidRequest, nil, nil},
		{"bad room", "pump", accounts.Patch{Room: &odd}, gateway.CodeInvalidRequest, nil, nil},
		{"bad nobody", "nobody", accounts.Patch{Disabled: &yes}, gateway.CodeNotFound, nil, nil},
		{"bad person", "ada", accounts.Patch{Disabled: &yes}, gateway.CodeNotFound, nil, nil},
	}
	h := newHouse(t)
	from := 0
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			commits := h.store.commits.Load()
			a, err := h.UpdateDevice(origin(), tt.device, tt.p)
			wantCode(t, err, tt.want)
			h.wantEvents(t, &from, tt.events...)
			h.wantTold(t, tt.told...)
			if quiet := len(tt.events) == 0; quiet != (h.store.commits.Load() == commits) {
				t.Errorf("%d commits", h.store.commits.Load()-commits)
			}
			stored, _ := h.store.get(tt.device)
			if err == nil && (a.Room != stored.Room || a.Disabled != stored.Disabled || len(a.Keys) != 1 || a.Keys[0].Hash != gateway.KeyHash{}) {
				t.Errorf("answered %+v", a)
			}
		})
	}
	if p, err := h.LoginDevice(origin(), pumpKey, ""); err != nil || p.Principal.Role != gateway.RoleMember {
		t.Errorf("the key still works: %v", err)
	}
}

func TestDisableAndDeleteDevice(t *testing.T) {
	h := newHouse(t)
	yes, no := true, false
	login := func() accounts.Pair {
		t.Helper()
		p, err := h.LoginDevice(origin(), pumpKey, "")
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := login()
	for _, disabled := range []*bool{&yes, &no} {
		if _, err := h.UpdateDevice(origin(), "pump", accounts.Patch{Disabled: disabled}); err != nil {
			t.Fatal(err)
		}
		_, err := h.Refresh(origin(), p.Refresh)
		wantCode(t, err, gateway.CodeInvalidToken)
	}
	p = login()
	from := len(h.events(t))
	h.told()
	wantCode(t, h.DeleteDevice(origin(), "ada"), gateway.CodeNotFound)
	wantCode(t, h.DeleteDevice(origin(), "pump"), "")
	h.wantTold(t, "close pump")
	h.wantEvents(t, &from, "device_deleted:pump")
	_, err := h.Authenticate(origin(), p.Access)
	wantCode(t, err, gateway.CodeInvalidToken)
	_, err = h.LoginDevice(origin(), pumpKey, "")
	wantCode(t, err, gateway.CodeInvalidCredentials)
}

// A rotation whose key got lost on the way is done again: the device out there
// still has the key from before both.
func TestRotateTwice(t *testing.T) {
	h := newHouse(t)
	p, err := h.LoginDevice(origin(), pumpKey, "")
	if err != nil {
		t.Fatal(err)
	}
	lost, err := h.RotateDeviceKey(origin(), "pump")
	if err != nil {
		t.Fatal(err)
	}
	h.now = h.now.Add(20 * time.Hour)
	fresh, err := h.RotateDeviceKey(origin(), "pump")
	if err != nil {
		t.Fatal(err)
	}
	if a, _ := h.store.get("pump"); len(a.Keys) != 2 {
		t.Errorf("%d keys are kept", len(a.Keys))
	}
	h.now = h.now.Add(24*time.Hour - time.Second)
	for _, step := range []struct {
		key  string
		want gateway.Code
	}{{pumpKey, ""}, {lost, gateway.CodeInvalidCredentials}, {fresh, ""}, {pumpKey, gateway.CodeInvalidCredentials}, {fresh, ""}} {
		_, err := h.LoginDevice(origin(), step.key, "")
		wantCode(t, err, step.want)
	}
	if _, err := h.Refresh(origin(), p.Refresh); err != nil {
		t.Errorf("the session did not survive: %v", err)
	}
	_, err = h.RotateDeviceKey(origin(), "ada")
	wantCode(t, err, gateway.CodeNotFound)
	if got := words(h.events(t)); slices.Index(got, "device_key_rotated:pump") < 0 {
		t.Errorf("audited %v", got)
	}
}

// An old key that has expired is not brought back by another rotation.
func TestRotateDropsExpiredKeys(t *testing.T) {
	h := newHouse(t)
	first, err := h.RotateDeviceKey(origin(), "pump")
	if err != nil {
		t.Fatal(err)
	}
	h.now = h.now.Add(25 * time.Hour)
	if _, err := h.RotateDeviceKey(origin(), "pump"); err != nil {
		t.Fatal(err)
	}
	_, err = h.LoginDevice(origin(), pumpKey, "")
	wantCode(t, err, gateway.CodeInvalidCredentials)
	_, err = h.LoginDevice(origin(), first, "")
	wantCode(t, err, "")
}
