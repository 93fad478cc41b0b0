package adminsock_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"

	"edgegw/internal/adminsock"
)

// fake is an Admin that notes what it was asked, gives fixed answers, and fails
// with err.
type fake struct {
	mu    sync.Mutex
	calls []string
	err   error
	// during, when set, is what a call does before it answers.
	during func(context.Context)
}

func (f *fake) call(ctx context.Context, operation string, req any) error {
	f.mu.Lock()
	f.calls = append(f.calls, fmt.Sprintf("%s %+v", operation, plain(req)))
	f.mu.Unlock()
	if f.during != nil {
		f.during(ctx)
	}
	return f.err
}

// plain shows what pointers point to.
func plain(req any) string {
	b, err := json.Marshal(req)
	if err != nil {
		panic(err)
	}
	return string(b)
}

var (
	users   = adminsock.UserList{Users: []adminsock.User{{Name: "ann", Grants: []string{"*:rw"}, Created: 1 << 60}, {Name: "bob", Disabled: true}}, Legacy: 1}
	devices = adminsock.DeviceList{Devices: []adminsock.Device{{Name: "pump", Room: "hall", Grants: []string{}, OldKeyExpires: 7}}}
	report  = adminsock.ImportReport{Added: 3, Bad: []adminsock.BadLine{{Line: 4, Name: "x", Problem: "odd \x00"}}}
	code    = adminsock.ResetCode{Username: "ann", Code: "canary-reset-1", ExpiresIn: 1800}
	key     = adminsock.DeviceKey{Name: "pump", Key: "canary-key-1"}
	issued  = adminsock.Token{Token: "canary-token-1", Type: "Bearer", ExpiresIn: 60}
	looked  = adminsock.Inspection{Header: "{}", Claims: `{"a":1}`, Problem: "bad", ExpiresIn: -5}
	rotated = adminsock.KeyRotation{KID: "k2", OldTokensFor: 86400}
	stands  = adminsock.SetupState{Done: true, URLs: []string{"http://192.0.2.1"}}
	opener  = adminsock.SetupCode{Code: "AAAACCCC", ExpiresIn: 900, URLs: []string{"http://192.0.2.1", "http://hall.local"}}
)

func (f *fake) AddUser(ctx context.Context, u adminsock.NewUser) error {
	return f.call(ctx, "AddUser", u)
}

func (f *fake) ListUsers(ctx context.Context) (adminsock.UserList, error) {
	return users, f.call(ctx, "ListUsers", nil)
}

func (f *fake) UpdateUser(ctx context.Context, p adminsock.UserPatch) error {
	return f.call(ctx, "UpdateUser", p)
}

func (f *fake) UnlockUser(ctx context.Context, name string) error {
	return f.call(ctx, "UnlockUser", name)
}

func (f *fake) ResetUser(ctx context.Context, name string) (adminsock.ResetCode, error) {
	return code, f.call(ctx, "ResetUser", name)
}

func (f *fake) DeleteUser(ctx context.Context, name string) error {
	return f.call(ctx, "DeleteUser", name)
}

func (f *fake) ImportUsers(ctx context.Context, i adminsock.Import) (adminsock.ImportReport, error) {
	return report, f.call(ctx, "ImportUsers", i)
}

func (f *fake) AddDevice(ctx context.Context, d adminsock.NewDevice) (adminsock.DeviceKey, error) {
	return key, f.call(ctx, "AddDevice", d)
}

func (f *fake) ListDevices(ctx context.Context) (adminsock.DeviceList, error) {
	return devices, f.call(ctx, "ListDevices", nil)
}

func (f *fake) UpdateDevice(ctx context.Context, p adminsock.DevicePatch) error {
	return f.call(ctx, "UpdateDevice", p)
}

func (f *fake) RotateDeviceKey(ctx context.Context, name string) (adminsock.DeviceKey, error) {
	return key, f.call(ctx, "RotateDeviceKey", name)
}

func (f *fake) DeleteDevice(ctx context.Context, name string) error {
	return f.call(ctx, "DeleteDevice", name)
}

func (f *fake) ImportDevices(ctx context.Context, i adminsock.Import) (adminsock.ImportReport, error) {
	return report, f.call(ctx, "ImportDevices", i)
}

func (f *fake) ShowSetup(ctx context.Context) (adminsock.SetupState, error) {
	return stands, f.call(ctx, "ShowSetup", nil)
}

func (f *fake) SetUp(ctx context.Context, o adminsock.Owner) error {
	return f.call(ctx, "SetUp", o)
}

func (f *fake) NewSetupCode(ctx context.Context) (adminsock.SetupCode, error) {
	return opener, f.call(ctx, "NewSetupCode", nil)
}

func (f *fake) IssueToken(ctx context.Context, r adminsock.TokenRequest) (adminsock.Token, error) {
	return issued, f.call(ctx, "IssueToken", r)
}

func (f *fake) InspectToken(ctx context.Context, raw string) (adminsock.Inspection, error) {
	return looked, f.call(ctx, "InspectToken", raw)
}

func (f *fake) RotateKey(ctx context.Context) (adminsock.KeyRotation, error) {
	return rotated, f.call(ctx, "RotateKey", nil)
}

// serve runs a server on a folder of its own until the test ends, or until stop
// is called, which returns what Serve did.
func (f *fake) Backup(ctx context.Context, w io.Writer) error {
	if _, err := io.WriteString(w, "an archive"); err != nil {
		return err
	}
	return f.call(ctx, "Backup", nil)
}

func (f *fake) BackupDone(ctx context.Context, good bool) error {
	return f.call(ctx, "BackupDone", good)
}

func (f *fake) Check(ctx context.Context) ([]adminsock.Checked, error) {
	return found, f.call(ctx, "Check", nil)
}

func (f *fake) Compact(ctx context.Context) ([]adminsock.Compacted, error) {
	return smaller, f.call(ctx, "Compact", nil)
}

var (
	found   = []adminsock.Checked{{File: "a", Kind: "identity", Schema: 2, Values: 3, Damaged: 1, Problems: []string{"x"}}}
	smaller = []adminsock.Compacted{{File: "a", Before: 2, After: 1}}
)

var shown = adminsock.Clock{Now: 3, Wall: 2, Floor: 1, Age: 2, State: "floor", Running: true}

func (f *fake) ShowClock(ctx context.Context) (adminsock.Clock, error) {
	return shown, f.call(ctx, "ShowClock", nil)
}

func (f *fake) SetClock(ctx context.Context, to adminsock.NewTime) (adminsock.Clock, error) {
	return shown, f.call(ctx, "SetClock", to)
}

func (f *fake) ResetClock(ctx context.Context) (adminsock.Clock, error) {
	return shown, f.call(ctx, "ResetClock", nil)
}

func serve(t *testing.T, a adminsock.Admin) (dir string, stop func() error) {
	t.Helper()
	dir = t.TempDir()
	l, err := adminsock.Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- adminsock.Serve(ctx, l, a, slog.New(slog.NewTextHandler(io.Discard, nil))) }()
	stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return dir, stop
}

func dial(t *testing.T, dir string) *adminsock.Client {
	t.Helper()
	c, err := adminsock.Dial(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
