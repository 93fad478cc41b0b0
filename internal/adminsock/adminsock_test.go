package adminsock_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"edgegw/internal/adminsock"
	"edgegw/internal/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is Accounts that note what they were asked, and answer with err.
type fake struct {
	mu    sync.Mutex
	calls []string
	err   error
	slow  chan struct{} // when set, a call waits for it
	begun chan struct{}
}

func (f *fake) call(ctx context.Context, format string, args ...any) error {
	f.mu.Lock()
	f.calls = append(f.calls, fmt.Sprintf(format, args...)+" from "+gateway.OriginOf(ctx).IP)
	f.mu.Unlock()
	if f.slow != nil {
		close(f.begun)
		<-f.slow
	}
	return f.err
}

func (f *fake) AddUser(ctx context.Context, u adminsock.NewUser) error {
	return f.call(ctx, "add %s %s %s %q", u.Name, u.Password, u.Role, u.Grants)
}

func (f *fake) ListUsers(ctx context.Context) ([]adminsock.User, error) {
	users := []adminsock.User{{Name: "ann", Kind: "user", Role: "member", Grants: []string{"*:rw"}, Created: 1 << 60}, {Name: "bob", Disabled: true}}
	return users, f.call(ctx, "list")
}

func (f *fake) SetUserPassword(ctx context.Context, name, password string) error {
	return f.call(ctx, "password %s %s", name, password)
}

func (f *fake) SetUserDisabled(ctx context.Context, name string, disabled bool) error {
	return f.call(ctx, "disabled %s %t", name, disabled)
}

func (f *fake) DeleteUser(ctx context.Context, name string) error {
	return f.call(ctx, "delete %s", name)
}

// serve runs a server on a folder of its own until the test ends, or until stop
// is called, which returns what Serve did.
func serve(t *testing.T, a adminsock.Accounts) (dir string, stop func() error) {
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

func TestOperations(t *testing.T) {
	f := &fake{}
	dir, _ := serve(t, f)
	c := dial(t, dir)
	odd := "pass\"word\\ é😀\n \x00 and more"
	user := adminsock.NewUser{Name: "ann", Password: odd, Role: "admin", Grants: []string{"a.*:r", "b:rw"}}
	for _, err := range []error{
		c.AddUser(t.Context(), user), c.SetUserPassword(t.Context(), "ann", odd),
		c.SetUserDisabled(t.Context(), "ann", true), c.SetUserDisabled(t.Context(), "ann", false), c.DeleteUser(t.Context(), "ann"),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	users, err := c.ListUsers(t.Context())
	if err != nil || len(users) != 2 || users[0].Created != 1<<60 || !users[1].Disabled || !slices.Equal(users[0].Grants, []string{"*:rw"}) {
		t.Errorf("users are %+v, %v", users, err)
	}
	want := []string{
		`add ann ` + odd + ` admin ["a.*:r" "b:rw"]`, `password ann ` + odd, "disabled ann true", "disabled ann false", "delete ann", "list",
	}
	for i := range want {
		if got := f.calls[i]; got != want[i]+" from admin-socket" {
			t.Errorf("call %d was %q, want %q", i, got, want[i])
		}
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
		"empty": "", "cut": `{"name":`, "type": `{"name":1}`, "too large": `{"name":"` + strings.Repeat("x", gateway.MaxBodyBytes) + `"}`,
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
	f := &fake{slow: make(chan struct{}), begun: make(chan struct{})}
	dir, stop := serve(t, f)
	c := dial(t, dir)
	answered := make(chan error, 1)
	go func() { answered <- c.DeleteUser(context.Background(), "ann") }()
	<-f.begun
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	select {
	case err := <-stopped:
		t.Errorf("Serve returned in the middle of an operation: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(f.slow)
	if err := <-answered; err != nil {
		t.Errorf("the operation of before the stop: %v", err)
	}
}
