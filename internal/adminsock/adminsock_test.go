package adminsock_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"edgegw/internal/accounts"
	"edgegw/internal/adminsock"
	"edgegw/internal/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
