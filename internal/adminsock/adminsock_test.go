package adminsock_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"edgegw/internal/accounts"
	"edgegw/internal/adminsock"
	"edgegw/internal/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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

// Every operation arrives as it was asked, and its answer as it was given.
func TestOperations(t *testing.T) {
	f := &fake{}
	dir, _ := serve(t, f)
	c := dial(t, dir)
	odd := "pass\"word\\ é😀\n \x00 and more"
	role, off, nothing, ctx := "admin", true, []string{}, t.Context()
	user := adminsock.NewUser{Name: "ann", Password: odd, Role: "admin", Grants: []string{"a.*:r", "b:rw"}}
	patch := adminsock.UserPatch{Name: "ann", Role: &role, Password: &odd, Grants: &nothing}
	device := adminsock.NewDevice{Name: "pump", Room: "hall", Grants: []string{"hall:r"}}
	file := adminsock.Import{Data: []byte(odd + "\xff"), SkipBad: true}
	at := adminsock.NewTime{At: time.UnixMilli(1_800_000_000_000).UTC(), Force: true}
	token := adminsock.TokenRequest{Name: "ann", Room: "hall", Life: 60}
	owner := adminsock.Owner{Username: "ann", Password: odd}
	tests := []struct {
		name string
		req  any
		want any
		do   func() (any, error)
	}{
		{"Check", nil, found, func() (any, error) { return c.Check(ctx) }},
		{"Compact", nil, smaller, func() (any, error) { return c.Compact(ctx) }},
		{"ShowClock", nil, shown, func() (any, error) { return c.ShowClock(ctx) }},
		{"SetClock", at, shown, func() (any, error) { return c.SetClock(ctx, at) }},
		{"ResetClock", nil, shown, func() (any, error) { return c.ResetClock(ctx) }},
		{"ShowSetup", nil, stands, func() (any, error) { return c.ShowSetup(ctx) }},
		{"SetUp", owner, nil, func() (any, error) { return nil, c.SetUp(ctx, owner) }},
		{"NewSetupCode", nil, opener, func() (any, error) { return c.NewSetupCode(ctx) }},
		{"AddUser", user, nil, func() (any, error) { return nil, c.AddUser(ctx, user) }},
		{"ListUsers", nil, users, func() (any, error) { return c.ListUsers(ctx) }},
		{"UpdateUser", patch, nil, func() (any, error) { return nil, c.UpdateUser(ctx, patch) }},
		{"UpdateUser", adminsock.UserPatch{Name: "a", Disabled: &off}, nil, func() (any, error) {
			return nil, c.UpdateUser(ctx, adminsock.UserPatch{Name: "a", Disabled: &off})
		}},
		{"UnlockUser", "ann", nil, func() (any, error) { return nil, c.UnlockUser(ctx, "ann") }},
		{"ResetUser", "ann", code, func() (any, error) { return c.ResetUser(ctx, "ann") }},
		{"DeleteUser", "ann", nil, func() (any, error) { return nil, c.DeleteUser(ctx, "ann") }},
		{"ImportUsers", file, report, func() (any, error) { return c.ImportUsers(ctx, file) }},
		{"AddDevice", device, key, func() (any, error) { return c.AddDevice(ctx, device) }},
		{"ListDevices", nil, devices, func() (any, error) { return c.ListDevices(ctx) }},
		{"UpdateDevice", adminsock.DevicePatch{Name: "pump", Room: &odd}, nil, func() (any, error) {
			return nil, c.UpdateDevice(ctx, adminsock.DevicePatch{Name: "pump", Room: &odd})
		}},
		{"RotateDeviceKey", "pump", key, func() (any, error) { return c.RotateDeviceKey(ctx, "pump") }},
		{"DeleteDevice", "pump", nil, func() (any, error) { return nil, c.DeleteDevice(ctx, "pump") }},
		{"ImportDevices", file, report, func() (any, error) { return c.ImportDevices(ctx, file) }},
		{"IssueToken", token, issued, func() (any, error) { return c.IssueToken(ctx, token) }},
		{"InspectToken", odd, looked, func() (any, error) { return c.InspectToken(ctx, odd) }},
		{"RotateKey", nil, rotated, func() (any, error) { return c.RotateKey(ctx) }},
	}
	for i, test := range tests {
		got, err := test.do()
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s answered %+v, %v", test.name, got, err)
		}
		if want := test.name + " " + plain(test.req); len(f.calls) != i+1 || f.calls[i] != want {
			t.Fatalf("%s: calls %q, want %s as the last", test.name, f.calls, want)
		}
	}
}

// An empty list of grants is a change, and no list is none.
func TestPatchTellsNothingFromEmpty(t *testing.T) {
	f := &fake{}
	dir, _ := serve(t, f)
	c := dial(t, dir)
	for _, p := range []adminsock.UserPatch{{Name: "a"}, {Name: "a", Grants: &[]string{}}} {
		if err := c.UpdateUser(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{`UpdateUser {"name":"a"}`, `UpdateUser {"name":"a","grants":[]}`}; !slices.Equal(f.calls, want) {
		t.Errorf("calls %q, want %q", f.calls, want)
	}
}

// How a backup went stands behind it: what came before does not count then.
func TestBackup(t *testing.T) {
	f := &fake{}
	dir, _ := serve(t, f)
	c := dial(t, dir)
	var got strings.Builder
	if err := c.Backup(t.Context(), &got); err != nil || got.String() != "an archive" {
		t.Errorf("%q, %v", got.String(), err)
	}
	if err := c.BackupDone(t.Context(), true); err != nil || f.calls[len(f.calls)-1] != "BackupDone true" {
		t.Errorf("calls %q, %v", f.calls, err)
	}
	f.err = gateway.Errorf(gateway.CodeConflict, "one is being made")
	if err := c.Backup(t.Context(), io.Discard); gateway.CodeOf(err) != gateway.CodeConflict || !strings.Contains(err.Error(), "one is being made") {
		t.Errorf("error %v", err)
	}
}

func TestErrors(t *testing.T) {
	tests := []struct {
		name string
		err  error
		code gateway.Code
		want string
	}{
		{"bad by code", gateway.Errorf(gateway.CodeWeakPassword, "use 15 characters"), gateway.CodeWeakPassword, "use 15 characters"},
		{"bad, wrapped", fmt.Errorf("x: %w", gateway.Errorf(gateway.CodeNotFound, "no such account")), gateway.CodeNotFound, "no such account"},
		// Whoever may use the socket is the operator, and sees the cause.
		{"bad, internal", gateway.Wrap("boltstore.Update", errors.New("EIO")), gateway.CodeInternal, "boltstore.Update: EIO"},
		{"bad, foreign", errors.New("boom"), gateway.CodeInternal, "boom"},
	}
	for _, test := range tests {
		dir, _ := serve(t, &fake{err: test.err})
		c := dial(t, dir)
		for _, err := range []error{c.DeleteUser(t.Context(), "ann"), second(c.ListUsers(t.Context()))} {
			if gateway.CodeOf(err) != test.code || err == nil || err.Error() != test.want {
				t.Errorf("%s: %v, want %s %s", test.name, err, test.code, test.want)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }

// raw sends a request of any kind to the socket.
func raw(t *testing.T, dir, method, path, body string) (status int, answer string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", adminsock.Path(dir))
		},
	}}
	req, err := http.NewRequest(method, "http://gateway"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func TestBadRequests(t *testing.T) {
	f := &fake{}
	dir, _ := serve(t, f)
	for name, body := range map[string]string{
		"empty": "", "cut": `{"name":`, "type": `{"name":1}`,
	} {
		if status, answer := raw(t, dir, "POST", "/user/add", body); status != 200 || !strings.Contains(answer, `"code":"invalid_request"`) {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	for path, method := range map[string]string{"/user/nothing": "POST", "/user/add": "GET"} {
		if status, _ := raw(t, dir, method, path, `{}`); status != 404 && status != 405 {
			t.Errorf("%s %s: %d", method, path, status)
		}
	}
	if len(f.calls) != 0 {
		t.Errorf("the accounts were asked %v", f.calls)
	}
}

// Only imports may be large.
func TestSizes(t *testing.T) {
	f := &fake{}
	dir, _ := serve(t, f)
	c := dial(t, dir)
	large := strings.Repeat("x", gateway.MaxBodyBytes)
	if err := c.AddUser(t.Context(), adminsock.NewUser{Name: large}); gateway.CodeOf(err) != gateway.CodeTooLarge {
		t.Errorf("a large name: %v", err)
	}
	if _, err := c.InspectToken(t.Context(), large); gateway.CodeOf(err) != gateway.CodeTooLarge {
		t.Errorf("a large token: %v", err)
	}
	if len(f.calls) != 0 {
		t.Fatal("the accounts were asked")
	}
	file := adminsock.Import{Data: bytes.Repeat([]byte{'"'}, accounts.MaxImportBytes)}
	if _, err := c.ImportUsers(t.Context(), file); err != nil {
		t.Errorf("the largest file: %v", err)
	}
	if _, err := c.ImportDevices(t.Context(), file); err != nil {
		t.Errorf("the largest file: %v", err)
	}
	if status, answer := raw(t, dir, "POST", "/user/import", `{"data":"`+strings.Repeat("A", 6<<20)+`"}`); status != 200 || !strings.Contains(answer, `"code":"too_large"`) {
		t.Errorf("a larger file: %d %s", status, answer)
	}
	if len(f.calls) != 2 {
		t.Errorf("%d calls", len(f.calls))
	}
}

// Another server, or another version, at the other end is told apart from an
// operation that failed.
func TestForeignServer(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("unix", adminsock.Path(dir))
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.NotFoundHandler()}
	go func() { _ = srv.Serve(l) }()
	defer func() { _ = srv.Close() }()
	if err := dial(t, dir).DeleteUser(t.Context(), "ann"); err == nil || !strings.Contains(err.Error(), "another version") {
		t.Errorf("error %v", err)
	}
}

func TestListen(t *testing.T) {
	// The mode has to hold whatever the umask is.
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := t.TempDir()
	l, err := adminsock.Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(adminsock.Path(dir))
	if err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("the socket's mode is %v, %v", info.Mode(), err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(adminsock.Path(dir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the closed socket is still there: %v", err)
	}
	// What a killed gateway left behind is in nobody's way.
	if err := os.WriteFile(adminsock.Path(dir), []byte("left over"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err = adminsock.Listen(dir); err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
}

func TestListenRefuses(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("d", 100))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := adminsock.Listen(long); gateway.CodeOf(err) != gateway.CodeUnavailable || !strings.Contains(err.Error(), "shorter data_dir") {
		t.Errorf("a long path: %v", err)
	}
	if l, err := adminsock.Listen(filepath.Join(t.TempDir(), "none")); err == nil || l != nil {
		t.Errorf("a missing folder: %v %v", l, err)
	}
	full := t.TempDir()
	if err := os.MkdirAll(filepath.Join(adminsock.Path(full), "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := adminsock.Listen(full); err == nil {
		t.Error("a folder in the socket's place: no error")
	}
}

func TestDialWithoutAGateway(t *testing.T) {
	dir := t.TempDir()
	if _, err := adminsock.Dial(t.Context(), dir); err == nil {
		t.Error("nothing there: no error")
	}
	if err := os.WriteFile(adminsock.Path(dir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := adminsock.Dial(t.Context(), dir); err == nil {
		t.Error("a plain file: no error")
	}
}

// The store is closed when Serve has returned, so no operation may be under way
// then.
func TestServeWaitsForOperations(t *testing.T) {
	begun, slow := make(chan struct{}), make(chan struct{})
	f := &fake{during: func(context.Context) { close(begun); <-slow }}
	dir, stop := serve(t, f)
	c := dial(t, dir)
	answered := make(chan error, 1)
	go func() { answered <- c.DeleteUser(context.Background(), "ann") }()
	<-begun
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	select {
	case err := <-stopped:
		t.Errorf("Serve returned in the middle of an operation: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(slow)
	if err := <-answered; err != nil {
		t.Errorf("the operation of before the stop: %v", err)
	}
}

// An import that would take longer than a stop is told to end, and waited for.
func TestServeEndsImports(t *testing.T) {
	var over atomic.Bool
	begun := make(chan struct{})
	f := &fake{err: context.Canceled, during: func(ctx context.Context) {
		close(begun)
		<-ctx.Done()
		time.Sleep(100 * time.Millisecond) // one last hash
		over.Store(true)
	}}
	dir, stop := serve(t, f)
	c := dial(t, dir)
	answered := make(chan error, 1)
	go func() {
		_, err := c.ImportUsers(context.Background(), adminsock.Import{})
		answered <- err
	}()
	<-begun
	if err := stop(); err != nil || !over.Load() {
		t.Errorf("Serve returned %v, and the import has ended: %t", err, over.Load())
	}
	if err := <-answered; err == nil {
		t.Error("the import that was cut off succeeded")
	}
}

// Who interrupts the command ends what it asked for.
func TestClientThatLeaves(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan struct{})
	f := &fake{during: func(ctx context.Context) { close(begun); <-ctx.Done(); close(ended) }}
	dir, _ := serve(t, f)
	c := dial(t, dir)
	ctx, leave := context.WithCancel(t.Context())
	go func() { <-begun; leave() }()
	if _, err := c.ImportDevices(ctx, adminsock.Import{}); err == nil {
		t.Error("the interrupted import succeeded")
	}
	<-ended
}
