package accounts_test

import (
	"slices"
	"testing"
	"time"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
	"edgegw/internal/token"
)

func TestSessions(t *testing.T) {
	h := newHouse(t)
	_, old := h.login(t, "ada")
	h.now = h.now.Add(time.Minute)
	p, id := h.login(t, "ada")
	h.login(t, "root")
	list := h.sessions(t, "ada")
	if len(list) != 2 || list[0].ID != id.Session || list[1].ID != old.Session || list[0].IP != "192.0.2.7" || list[0].Created != list[0].Used {
		t.Fatalf("sessions %+v", list)
	}
	h.told()
	wantCode(t, h.EndSession(origin(), id, "AAAAAAAAAAAAAAAAAAAAAA"), gateway.CodeNotFound)
	wantCode(t, h.EndSession(origin(), id, h.sessions(t, "root")[0].ID), gateway.CodeNotFound)
	if err := h.EndSession(origin(), id, old.Session); err != nil {
		t.Fatal(err)
	}
	if list := h.sessions(t, "ada"); len(list) != 1 {
		t.Errorf("%d sessions are left", len(list))
	}
	if err := h.Logout(origin(), id); err != nil {
		t.Fatal(err)
	}
	if err := h.Logout(origin(), id); err != nil {
		t.Errorf("a second logout: %v", err)
	}
	if err := h.Logout(origin(), accounts.Identity{Principal: id.Principal}); err != nil {
		t.Errorf("a logout without session: %v", err)
	}
	if cut := h.told(); !slices.Equal(cut, []string{"end " + string(old.Session), "end " + string(id.Session)}) {
		t.Errorf("live sockets were told %v", cut)
	}
	if _, err := h.Authenticate(origin(), p.Access); token.ReasonOf(err) != token.ReasonSessionEnded {
		t.Errorf("after the logout: %v", err)
	}
}

func TestLogoutRefresh(t *testing.T) {
	h := newHouse(t)
	p, id := h.login(t, "ada")
	if err := h.LogoutRefresh(origin(), "nonsense"); err != nil {
		t.Error(err)
	}
	h.told()
	for range 2 {
		if err := h.LogoutRefresh(origin(), p.Refresh); err != nil {
			t.Error(err)
		}
	}
	if cut := h.told(); !slices.Equal(cut, []string{"end " + string(id.Session)}) {
		t.Errorf("live sockets were told %v", cut)
	}
}

// Whatever ends a session moves the revision before live sockets hear of it: a
// handshake that runs meanwhile looks at it.
func TestRevisionMoves(t *testing.T) {
	h := newHouse(t)
	_, id := h.login(t, "ada")
	before := h.Revision()
	h.login(t, "ada")
	if h.Revision() != before {
		t.Error("a login moves the revision")
	}
	for name, change := range map[string]func() error{
		"logout":   func() error { return h.Logout(origin(), id) },
		"password": func() error { return h.setPassword("narrow", "another good password") },
		"disable":  func() error { h.disable(t, "narrow", true); return nil },
		"grants": func() error {
			_, err := h.UpdateUser(origin(), "ada", accounts.Patch{Grants: &gateway.Grants{}})
			return err
		},
		"delete": func() error { return h.DeleteUser(origin(), "dis") },
	} {
		before := h.Revision()
		if err := change(); err != nil {
			t.Fatal(name, err)
		}
		if h.Revision() == before {
			t.Errorf("%s does not move the revision", name)
		}
	}
}

func TestLoginDevice(t *testing.T) {
	h := newHouse(t)
	p, err := h.LoginDevice(origin(), pumpKey, "")
	if err != nil {
		t.Fatal(err)
	}
	id, err := h.Authenticate(origin(), p.Access)
	if err != nil || id.Room != "plant.7" || id.Principal.Kind != gateway.KindDevice || !id.Principal.MayEnter("plant.7") || id.Principal.MayEnter("plant.8") {
		t.Errorf("identity %+v, %v", id, err)
	}
	if p.AccessTTL != 24*time.Hour || p.RefreshTTL != 365*24*time.Hour || h.hashes != 0 {
		t.Errorf("%v, %v, %d password hashes", p.AccessTTL, p.RefreshTTL, h.hashes)
	}
	if a, _ := h.store.get("pump"); a.Seen != gateway.Timestamp(start.UnixMilli()) {
		t.Errorf("seen at %d", a.Seen)
	}
	for _, tt := range []struct {
		name, key, room string
		want            gateway.Code
	}{
		{"ok own room", pumpKey, "plant.7", ""},
		{"bad room", pumpKey, "plant.8", gateway.CodeForbidden},
		{"bad room id", pumpKey, "a/b", gateway.CodeInvalidRequest},
		{"bad key", token.NewSecret(), "", gateway.CodeInvalidCredentials},
		{"bad empty key", "", "", gateway.CodeInvalidCredentials},
		{"bad key and a byte", pumpKey + "A", "", gateway.CodeInvalidCredentials},
		{"bad password of a person", good, "", gateway.CodeInvalidCredentials},
	} {
		_, err := h.LoginDevice(origin(), tt.key, tt.room)
		if gateway.CodeOf(err) != tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	a, _ := h.store.get("pump")
	a.Disabled = true
	h.store.put(t, a)
	_, err = h.LoginDevice(origin(), pumpKey, "")
	wantCode(t, err, gateway.CodeInvalidCredentials)
}

// After a rotation both keys work: the old one for a day, or until the new one
// is used.
func TestDeviceKeysOverlap(t *testing.T) {
	h := newHouse(t)
	fresh, err := h.RotateDeviceKey(origin(), "pump")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		key  string
		wait time.Duration
		want gateway.Code
	}{
		{"ok old key", pumpKey, 24*time.Hour - time.Second, ""},
		{"bad old key after a day", pumpKey, time.Second, gateway.CodeInvalidCredentials},
		{"ok new key", fresh, 0, ""},
	} {
		h.now = h.now.Add(tt.wait)
		_, err := h.LoginDevice(origin(), tt.key, "")
		if gateway.CodeOf(err) != tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	newest, err := h.RotateDeviceKey(origin(), "pump")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		key  string
		want gateway.Code
	}{{fresh, ""}, {newest, ""}, {fresh, gateway.CodeInvalidCredentials}, {newest, ""}} {
		_, err := h.LoginDevice(origin(), step.key, "")
		wantCode(t, err, step.want)
	}
}
