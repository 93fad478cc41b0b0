package adminsock_test

import (
	"context"
	"encoding/base64"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"edgegw/internal/accounts"
	"edgegw/internal/adminsock"
	"edgegw/internal/boltstore"
	"edgegw/internal/gateway"
	"edgegw/internal/password"
	"edgegw/internal/token"
)

const (
	goodPassword = "canary-password-kitchen"
	// legacyHash is the SHA-256 of goodPassword.
	legacyHash = "daa7c639e9a7d0d19b8cb3899369f0a6e67bfec75b3414320c42e994b9bbdef3"
)

// store gives accounts its view of an identity store.
type store struct{ *boltstore.Identity }

func (s store) View(f func(accounts.Tx) error) error {
	return s.Identity.View(func(tx *boltstore.IdentityTx) error { return f(tx) })
}

func (s store) Update(f func(accounts.Tx) error) error {
	return s.Identity.Update(func(tx *boltstore.IdentityTx) error { return f(tx) })
}

// keyFile is a file of keys that can be rotated once.
type keyFile struct{ rotated bool }

func (k *keyFile) Rotate(func(string) bool) (string, error) {
	k.rotated = true
	return "k2", nil
}

func (k *keyFile) Load() (*token.KeyRing, error) {
	active := "k1"
	if k.rotated {
		active = "k2"
	}
	secret := func(name string) string {
		return base64.StdEncoding.EncodeToString([]byte("canary-key-0123456789abcdef0123456789-" + name))
	}
	return token.NewKeysRing([]byte(`{"active":"` + active + `","keys":{"k1":"` + secret("k1") + `","k2":"` + secret("k2") + `"}}`))
}

// newDirect is a Direct on a store of its own. The time stands still.
func newDirect(t *testing.T) adminsock.Direct {
	t.Helper()
	now := func() time.Time { return time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC) }
	identity, err := boltstore.OpenIdentity(boltstore.IdentityOptions{Path: filepath.Join(t.TempDir(), "identity.db"), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := identity.Close(); err != nil {
			t.Error(err)
		}
	})
	hasher, err := password.New(password.Options{
		Params: password.Params{MemoryKiB: password.MinMemoryKiB, Time: 1, Threads: 1}, Concurrency: 1, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	keys := &keyFile{}
	ring, err := keys.Load()
	if err != nil {
		t.Fatal(err)
	}
	authority, err := token.New(token.Options{Ring: ring, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	service, err := accounts.New(accounts.Options{
		Store: store{identity}, Hasher: hasher, Policy: password.Policy{MinLength: 15}, Tokens: authority, Keys: keys,
		AccessTTL: time.Minute, DeviceAccessTTL: time.Hour, RefreshTTL: time.Hour, DeviceRefreshTTL: time.Hour,
		DefaultGrants: gateway.Grants{{Pattern: "*", Rights: gateway.RightRead}},
		Now:           now, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := service.UseRing(t.Context(), ring); err != nil {
		t.Fatal(err)
	}
	return adminsock.Direct{Service: service, LongestTTL: time.Hour}
}

// must fails the test at once.
func must(t *testing.T, errs ...error) {
	t.Helper()
	for i, err := range errs {
		if err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
	}
}

func TestDirectUsers(t *testing.T) {
	d, ctx := newDirect(t), t.Context()
	admin, off, no, fresh := "admin", true, []string{}, goodPassword+"-2"
	must(t,
		d.AddUser(ctx, adminsock.NewUser{Name: "Ann", Password: goodPassword}),
		d.AddUser(ctx, adminsock.NewUser{Name: "root", Password: goodPassword, Role: admin, Grants: []string{"a.*:rw", "b:w"}}),
		d.UpdateUser(ctx, adminsock.UserPatch{Name: "ANN", Role: &admin, Password: &fresh}),
		d.UpdateUser(ctx, adminsock.UserPatch{Name: "ann", Disabled: &off, Grants: &no}),
		d.UnlockUser(ctx, "ann"),
	)
	report, err := d.ImportUsers(ctx, adminsock.Import{Data: []byte("name,role,hash\nleo,," + legacyHash + "\nbad name,,x\n"), SkipBad: true})
	if err != nil || report.Added != 1 || len(report.Bad) != 1 || report.Bad[0].Line != 3 || report.Bad[0].Problem == "" {
		t.Errorf("import: %+v, %v", report, err)
	}
	list, err := d.ListUsers(ctx)
	must(t, err)
	created := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC).UnixMilli()
	want := adminsock.UserList{Legacy: 1, Users: []adminsock.User{
		{Name: "ann", Kind: "user", Role: "admin", State: "disabled", Disabled: true, Password: "argon2id", Grants: no, Created: created},
		{Name: "leo", Kind: "user", Role: "member", State: "enabled", Password: "legacy", Grants: []string{"*:r"}, Created: created},
		{Name: "root", Kind: "user", Role: "admin", State: "enabled", Password: "argon2id", Grants: []string{"a.*:rw", "b:w"}, Created: created},
	}}
	if got := plain(list); got != plain(want) {
		t.Errorf("users are %s\nwant %s", got, plain(want))
	}
	code, err := d.ResetUser(ctx, "Leo")
	if err != nil || code.Username != "leo" || len(code.Code) != 43 || code.ExpiresIn != 1800 {
		t.Errorf("a reset code of %d bytes for %s, %d s, %v", len(code.Code), code.Username, code.ExpiresIn, err)
	}
	must(t, d.Service.ConfirmReset(ctx, code.Code, fresh), d.DeleteUser(ctx, "leo"))
	if err := d.DeleteUser(ctx, "leo"); gateway.CodeOf(err) != gateway.CodeNotFound {
		t.Errorf("deleting nobody: %v", err)
	}
}

func TestDirectDevices(t *testing.T) {
	d, ctx := newDirect(t), t.Context()
	room, none, off := "hall.2", "", true
	first, err := d.AddDevice(ctx, adminsock.NewDevice{Name: "Pump-1", Room: "hall"})
	must(t, err)
	_, err = d.AddDevice(ctx, adminsock.NewDevice{Name: "pump-2", Grants: []string{"a:rw"}, Room: "hall"})
	must(t, err,
		d.UpdateDevice(ctx, adminsock.DevicePatch{Name: "pump-1", Room: &room, Disabled: &off}),
		d.UpdateDevice(ctx, adminsock.DevicePatch{Name: "pump-2", Room: &none, Grants: &[]string{"b:r"}}),
	)
	second, err := d.RotateDeviceKey(ctx, "PUMP-2")
	must(t, err)
	if first.Name != "pump-1" || second.Name != "pump-2" || len(first.Key) != 43 || len(second.Key) != 43 || first.Key == second.Key {
		t.Error("these are no two keys of the two devices")
	}
	if pair, err := d.Service.LoginDevice(ctx, second.Key, ""); err != nil || pair.Principal.Name != "pump-2" {
		t.Errorf("the new key: %v", err)
	}
	_, err = d.RotateDeviceKey(ctx, "pump-1")
	must(t, err)
	report, err := d.ImportDevices(ctx, adminsock.Import{Data: []byte("name,room,grants,key_hash\npump-3,hall,," + legacyHash + "\n")})
	if err != nil || report.Added != 1 || len(report.Bad) != 0 {
		t.Errorf("import: %+v, %v", report, err)
	}
	list, err := d.ListDevices(ctx)
	must(t, err)
	now := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	created, overlap := now.UnixMilli(), now.Add(24*time.Hour).UnixMilli()
	want := adminsock.DeviceList{Devices: []adminsock.Device{
		{Name: "pump-1", Kind: "device", Room: "hall.2", State: "disabled", Disabled: true, Grants: []string{}, OldKeyExpires: overlap, Created: created},
		{Name: "pump-2", Kind: "device", State: "enabled", Grants: []string{"b:r"}, Created: created, LastLogin: created},
		{Name: "pump-3", Kind: "device", Room: "hall", State: "enabled", Grants: []string{}, Created: created},
	}}
	if got := plain(list); got != plain(want) {
		t.Errorf("devices are %s\nwant %s", got, plain(want))
	}
	must(t, d.DeleteDevice(ctx, "pump-3"))
}

func TestDirectTokens(t *testing.T) {
	d, ctx := newDirect(t), t.Context()
	must(t, d.AddUser(ctx, adminsock.NewUser{Name: "ann", Password: goodPassword}))
	issued, err := d.IssueToken(ctx, adminsock.TokenRequest{Name: "Ann", Room: "hall", Life: 90})
	if err != nil || issued.Type != "Bearer" || issued.ExpiresIn != 90 {
		t.Errorf("%s for %d s, %v", issued.Type, issued.ExpiresIn, err)
	}
	i, err := d.InspectToken(ctx, issued.Token)
	if err != nil || i.Problem != "" || i.ExpiresIn != 90 || !strings.Contains(i.Header, `"kid":"k1"`) || !strings.Contains(i.Claims, `"room":"hall"`) {
		t.Errorf("inspection %+v, %v", i, err)
	}
	rotation, err := d.RotateKey(ctx)
	if err != nil || rotation != (adminsock.KeyRotation{KID: "k2", OldTokensFor: 3600}) {
		t.Errorf("rotation %+v, %v", rotation, err)
	}
	if i, err := d.InspectToken(ctx, issued.Token); err != nil || i.Problem != "" {
		t.Errorf("after the rotation: %+v, %v", i, err)
	}
	if i, err := d.InspectToken(ctx, "junk"); err != nil || i.Problem == "" || i.Header != "" {
		t.Errorf("junk: %+v, %v", i, err)
	}
	for _, life := range []int64{-1 << 63, -1, 0, 366 * 24 * 3600, 18446744075, 1<<63 - 1} {
		if _, err := d.IssueToken(ctx, adminsock.TokenRequest{Name: "ann", Life: life}); gateway.CodeOf(err) != gateway.CodeInvalidRequest {
			t.Errorf("a life of %d s: %v", life, err)
		}
	}
}

// Whatever is done is noted as the command line's doing.
func TestDirectIsAudited(t *testing.T) {
	d, ctx := newDirect(t), t.Context()
	admin := "admin"
	_, err := d.AddDevice(ctx, adminsock.NewDevice{Name: "pump"})
	must(t, err,
		d.AddUser(ctx, adminsock.NewUser{Name: "ann", Password: goodPassword}),
		d.UpdateUser(ctx, adminsock.UserPatch{Name: "ann", Role: &admin}), d.UnlockUser(ctx, "ann"),
		d.UpdateDevice(ctx, adminsock.DevicePatch{Name: "pump", Grants: &[]string{"a:r"}}),
	)
	_, reset := d.ResetUser(ctx, "ann")
	_, imported := d.ImportUsers(ctx, adminsock.Import{Data: []byte("name,role,hash\nleo,," + legacyHash)})
	_, rotated := d.RotateDeviceKey(ctx, "pump")
	_, importedToo := d.ImportDevices(ctx, adminsock.Import{Data: []byte("name,room,grants,key_hash\nfan,,," + legacyHash)})
	_, issued := d.IssueToken(ctx, adminsock.TokenRequest{Name: "ann", Life: 1})
	_, key := d.RotateKey(ctx)
	must(t, reset, imported, rotated, importedToo, issued, key, d.DeleteUser(ctx, "leo"), d.DeleteDevice(ctx, "pump"))
	events, err := d.Service.Audit(ctx, nil, 100)
	must(t, err)
	var names []gateway.Event
	for _, e := range events {
		names = append(names, e.Event)
		if e.Actor != gateway.ActorCLI || e.IP != "local" {
			t.Errorf("%s was done by %q at %q", e.Event, e.Actor, e.IP)
		}
	}
	for _, want := range []gateway.Event{
		gateway.EventDeviceCreated, gateway.EventAccountCreated, gateway.EventRoleChanged, gateway.EventAccountUnlocked,
		gateway.EventGrantsChanged, gateway.EventResetIssued, gateway.EventUsersImported, gateway.EventDeviceKeyRotated,
		gateway.EventDevicesImported, gateway.EventTokenIssued, gateway.EventSigningKeyRotated,
		gateway.EventAccountDeleted, gateway.EventDeviceDeleted,
	} {
		if !slices.Contains(names, want) {
			t.Errorf("no event %s in %q", want, names)
		}
	}
}

// What is out of shape is refused, and changes nothing.
func TestDirectRefuses(t *testing.T) {
	d, ctx := newDirect(t), context.Background()
	must(t, d.AddUser(ctx, adminsock.NewUser{Name: "ann", Password: goodPassword}))
	_, err := d.AddDevice(ctx, adminsock.NewDevice{Name: "pump"})
	must(t, err)
	usersBefore, _ := d.ListUsers(ctx)
	devicesBefore, _ := d.ListDevices(ctx)
	off, king, odd, grants := true, "king", "a room", []string{"a:r", "b"}
	for name, err := range map[string]error{
		"name of a new user":     d.AddUser(ctx, adminsock.NewUser{Name: "a n", Password: goodPassword}),
		"grant of a new user":    d.AddUser(ctx, adminsock.NewUser{Name: "bob", Password: goodPassword, Grants: grants}),
		"role of a new user":     d.AddUser(ctx, adminsock.NewUser{Name: "bob", Password: goodPassword, Role: king}),
		"name of a user":         d.UpdateUser(ctx, adminsock.UserPatch{Disabled: &off}),
		"role":                   d.UpdateUser(ctx, adminsock.UserPatch{Name: "ann", Role: &king, Disabled: &off}),
		"grants":                 d.UpdateUser(ctx, adminsock.UserPatch{Name: "ann", Grants: &grants, Disabled: &off}),
		"unlock":                 d.UnlockUser(ctx, ""),
		"reset":                  second(d.ResetUser(ctx, "a/b")),
		"delete":                 d.DeleteUser(ctx, "a/b"),
		"header":                 second(d.ImportUsers(ctx, adminsock.Import{Data: []byte("a,b\n")})),
		"name of a new device":   second(d.AddDevice(ctx, adminsock.NewDevice{Name: ""})),
		"room of a new device":   second(d.AddDevice(ctx, adminsock.NewDevice{Name: "fan", Room: odd})),
		"grants of a new device": second(d.AddDevice(ctx, adminsock.NewDevice{Name: "fan", Grants: grants})),
		"name of a device":       d.UpdateDevice(ctx, adminsock.DevicePatch{Name: odd, Disabled: &off}),
		"room":                   d.UpdateDevice(ctx, adminsock.DevicePatch{Name: "pump", Room: &odd, Disabled: &off}),
		"grants of a device":     d.UpdateDevice(ctx, adminsock.DevicePatch{Name: "pump", Grants: &grants, Disabled: &off}),
		"rotate":                 second(d.RotateDeviceKey(ctx, odd)),
		"delete a device":        d.DeleteDevice(ctx, odd),
		"header of devices":      second(d.ImportDevices(ctx, adminsock.Import{})),
		"name in a token":        second(d.IssueToken(ctx, adminsock.TokenRequest{Life: 1})),
		"room in a token":        second(d.IssueToken(ctx, adminsock.TokenRequest{Name: "ann", Room: odd, Life: 1})),
	} {
		if gateway.CodeOf(err) != gateway.CodeInvalidRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	usersAfter, _ := d.ListUsers(ctx)
	devicesAfter, _ := d.ListDevices(ctx)
	if plain(usersAfter) != plain(usersBefore) || plain(devicesAfter) != plain(devicesBefore) {
		t.Errorf("something changed: %+v %+v", usersAfter, devicesAfter)
	}
}
