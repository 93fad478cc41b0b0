package app_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgegw/internal/app"
	"edgegw/internal/config"
	"edgegw/internal/gateway"
	"edgegw/internal/gatewaytest"
)

// open opens a gateway that is expected to refuse.
func open(t *testing.T, flags map[string]string) error {
	t.Helper()
	all := map[string]string{"env": "development", "listen": "127.0.0.1:0", "log_format": "json", "data_dir": t.TempDir()}
	for name, value := range flags {
		all[name] = value
	}
	cfg, err := config.Load(config.Sources{Flags: all})
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.New(t.Context(), cfg, app.Deps{Log: io.Discard})
	if err == nil {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		t.Errorf("it opened; running it: %v", a.Run(ctx))
	}
	return err
}

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// What cannot work is told before anything is served, with what to do.
func TestRefusalsToStart(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	plain := file(t, "not a folder")
	long := filepath.Join(t.TempDir(), strings.Repeat("long-", 30))
	type flags = map[string]string
	tests := []struct {
		name  string
		flags flags
		want  string
	}{
		{"bad folder, a file", flags{"data_dir": plain}, "data-dir"},
		{"bad folder, below a file", flags{"data_dir": filepath.Join(plain, "data")}, "data-dir"},
		{"bad folder, path too long for the socket", flags{"data_dir": long}, "use a shorter data_dir"},
		{"bad port", flags{"listen": busy.Addr().String()}, "choose another one"},
		{"bad port for metrics", flags{"metrics_listen": busy.Addr().String()}, "metrics_listen"},
		{"bad host", flags{"listen": "192.0.2.1:0"}, "listen"},
		{"bad secret, short", flags{"jwt_secret_file": file(t, canary)}, "at least 32 are needed"},
		{"bad secret, repeats", flags{"jwt_secret_file": file(t, strings.Repeat("ab", 32))}, "repeats"},
		{"bad secret, missing", flags{"jwt_secret_file": filepath.Join(t.TempDir(), "none")}, "no such file"},
		{"bad keys", flags{"jwt_keys_file": file(t, `{"active":"k1","keys":{}}`)}, "active"},
		{"bad metrics token, empty", flags{"metrics_token_file": file(t, "\n")}, "is empty"},
		{"bad admin password, missing", flags{"admin_password_file": filepath.Join(t.TempDir(), "none")}, "admin_password_file"},
		{"bad admin password, short", flags{"admin_password_file": file(t, canary[:8])}, "characters"},
		{"bad admin password, empty", flags{"admin_password_file": file(t, "\n")}, "is empty"},
	}
	for _, test := range tests {
		err := open(t, test.flags)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", test.name, err, test.want)
			continue
		}
		if strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), canary[:8]) {
			t.Errorf("%s: the error holds the secret: %v", test.name, err)
		}
	}
}

// A gateway that refused has let go of everything: the next start succeeds.
func TestRefusalLeavesNothingOpen(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	dir := t.TempDir()
	if err := open(t, map[string]string{"data_dir": dir, "metrics_listen": busy.Addr().String()}); err == nil {
		t.Fatal("it opened")
	}
	gatewaytest.StartIn(t, dir)
}

func TestSecondGatewayOnTheSameStore(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	began := time.Now()
	err := open(t, map[string]string{"data_dir": g.Dir})
	if gateway.CodeOf(err) != gateway.CodeConflict {
		t.Errorf("error %v", err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it was told after %v", took)
	}
	// The first one did not notice.
	if a := g.Do("GET", "/readyz", "", nil); a.Status != 200 {
		t.Errorf("the first one: %d", a.Status)
	}
	g.AddUser("ann", "")
}

func TestFilesArePrivate(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made", "here")
	g := gatewaytest.StartIn(t, dir)
	for name, want := range map[string]os.FileMode{
		".": 0o700 | os.ModeDir, "identity.db": 0o600, "history.db": 0o600, "jwt-secret": 0o600, "admin.sock": 0o600 | os.ModeSocket,
	} {
		info, err := os.Lstat(filepath.Join(g.Dir, name))
		if err != nil {
			t.Error(err)
		} else if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
		}
	}
}

// The file makes the account admin when no administrator is enabled, and is not
// even read when there is one.
func TestAdminPasswordFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	g := gatewaytest.StartIn(t, dir, "admin_password_file="+file(t, canary+"-first\n"))
	login := func(g *gatewaytest.Gateway, password string) int {
		return g.Do("POST", "/auth/login", "", map[string]string{"username": "admin", "password": password}).Status
	}
	if got := login(g, canary+"-first"); got != 200 {
		t.Errorf("with the password of the file: %d", got)
	}
	if got := login(g, canary+"-first\n"); got != 401 {
		t.Errorf("with the newline of the file: %d", got)
	}
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	g = gatewaytest.StartIn(t, dir, "admin_password_file="+file(t, canary+"-second\n"))
	if first, second := login(g, canary+"-first"), login(g, canary+"-second"); first != 200 || second != 401 {
		t.Errorf("the file changed the password of an admin: %d %d", first, second)
	}
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	g = gatewaytest.StartIn(t, dir, "admin_password_file="+filepath.Join(dir, "gone"))
	if got := login(g, canary+"-first"); got != 200 {
		t.Errorf("with the file gone: %d", got)
	}
}

func TestOpenAccounts(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	cfg, err := config.Load(config.Sources{Flags: map[string]string{"env": "development", "data_dir": g.Dir}})
	if err != nil {
		t.Fatal(err)
	}
	accounts, done, err := app.OpenAccounts(t.Context(), cfg, false)
	if err != nil {
		t.Fatal(err)
	}
	users, err := accounts.ListUsers(t.Context())
	if err = errors.Join(err, done()); err != nil || len(users.Users) != 1 || users.Users[0].Name != "admin" {
		t.Errorf("through the socket: %v %v", users, err)
	}
	// With the socket gone the store is still locked: it says so.
	if err := os.Remove(filepath.Join(g.Dir, "admin.sock")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := app.OpenAccounts(t.Context(), cfg, false); gateway.CodeOf(err) != gateway.CodeConflict || !strings.Contains(err.Error(), "admin socket cannot be used") {
		t.Errorf("without the socket: %v", err)
	}
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	accounts, done, err = app.OpenAccounts(t.Context(), cfg, false)
	if err != nil {
		t.Fatal(err)
	}
	users, err = accounts.ListUsers(t.Context())
	if err = errors.Join(err, done()); err != nil || len(users.Users) != 1 {
		t.Errorf("on the closed store: %v %v", users, err)
	}
}

// A mistyped folder is told, not made.
func TestOpenAccountsWithoutStore(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "typo")
	cfg, err := config.Load(config.Sources{Flags: map[string]string{"env": "development", "data_dir": dir}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := app.OpenAccounts(t.Context(), cfg, false); gateway.CodeOf(err) != gateway.CodeNotFound || !strings.Contains(err.Error(), dir) {
		t.Errorf("no store: %v", err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the folder was made: %v", err)
	}
	_, done, err := app.OpenAccounts(t.Context(), cfg, true)
	if err == nil {
		err = done()
	}
	if err != nil {
		t.Errorf("a new store: %v", err)
	}
}
