package app

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"edgegw/internal/adminsock"
	"edgegw/internal/boltstore"
	"edgegw/internal/config"
	"edgegw/internal/gateway"
)

func stoppedConfig(t *testing.T, dir string) *config.Config {
	t.Helper()
	cfg, err := config.Load(config.Sources{Flags: map[string]string{
		"env": "development", "listen": "127.0.0.1:0", "log_format": "json", "data_dir": dir, "argon2_memory_kib": "7168",
	}})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// stopped does something to the accounts of a gateway that does not run.
func stopped(t *testing.T, cfg *config.Config, do func(adminsock.Admin) error) {
	t.Helper()
	admin, done, err := OpenAccounts(t.Context(), cfg, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := do(admin); err != nil {
		t.Error(err)
	}
	if err := done(); err != nil {
		t.Error(err)
	}
}

func addUser(name string) func(adminsock.Admin) error {
	return func(a adminsock.Admin) error {
		return a.AddUser(context.Background(), adminsock.NewUser{Name: name, Role: "member", Password: "a long canary-password-" + name})
	}
}

func accountsOf(t *testing.T, path string) (names []string) {
	t.Helper()
	s, err := boltstore.OpenIdentity(boltstore.IdentityOptions{Path: path, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	err = s.View(func(tx *boltstore.IdentityTx) error {
		for _, name := range []gateway.AccountName{"ann", "bob", "eve"} {
			if a, ok, err := tx.Account(name); err == nil && ok && !a.Disabled {
				names = append(names, string(name))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// What the command line changes while no gateway runs is in the copy too: a damaged
// store does not take it back. A store that is gone is mended, not begun anew.
func TestChangesOfAStoppedGatewayAreCopied(t *testing.T) {
	cfg := stoppedConfig(t, t.TempDir())
	path := filepath.Join(cfg.DataDir, identityFile)
	stopped(t, cfg, addUser("ann"))
	stopped(t, cfg, addUser("bob"))
	disabled := true
	stopped(t, cfg, func(a adminsock.Admin) error {
		return a.UpdateUser(t.Context(), adminsock.UserPatch{Name: "bob", Disabled: &disabled})
	})
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	stopped(t, cfg, func(adminsock.Admin) error { return nil })
	if got := accountsOf(t, path); len(got) != 1 || got[0] != "ann" {
		t.Errorf("after damage there are %v", got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	stopped(t, cfg, addUser("eve"))
	if got := accountsOf(t, path); len(got) != 2 {
		t.Errorf("after a loss there are %v", got)
	}
}

// A crash right after a change, and damage after the next start: the copy has it.
func TestAStartRenewsTheCopy(t *testing.T) {
	cfg := stoppedConfig(t, t.TempDir())
	stopped(t, cfg, addUser("ann"))
	old, err := os.ReadFile(copyPath(cfg))
	if err != nil {
		t.Fatal(err)
	}
	stopped(t, cfg, addUser("bob"))
	if err := os.WriteFile(copyPath(cfg), old, 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := New(t.Context(), cfg, Deps{Log: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if now, err := os.ReadFile(copyPath(cfg)); err == nil && string(now) != string(old) {
			break
		}
	}
	copied := filepath.Join(t.TempDir(), "copied")
	b, err := os.ReadFile(copyPath(cfg))
	if err == nil {
		err = os.WriteFile(copied, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := accountsOf(t, copied); len(got) != 2 {
		t.Errorf("the copy of a gateway that has just started has %v", got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// The files of before an update stay until a second start has served, whatever the
// command line did meanwhile.
func TestOldFilesStayUntilTheNextStart(t *testing.T) {
	cfg := stoppedConfig(t, t.TempDir())
	for _, name := range []string{"identity", "history"} {
		unzip(t, filepath.Join("..", "boltstore", "testdata", name+"-v1.db.gz"), filepath.Join(cfg.DataDir, name+".db"))
	}
	stopped(t, cfg, func(adminsock.Admin) error { return nil }) // migrates the accounts
	for start := 1; start <= 2; start++ {
		a, err := New(t.Context(), cfg, Deps{Log: io.Discard})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"identity.db.v1", "history.db.v1"} {
			if !there(cfg.DataDir, name) {
				t.Errorf("start %d begins without %s", start, name)
			}
		}
		a.dropOld()
		if there(cfg.DataDir, "identity.db.v1") != (start == 1) || there(cfg.DataDir, "history.db.v1") != (start == 1) {
			t.Errorf("after start %d the old files are %v and %v", start, there(cfg.DataDir, "identity.db.v1"), there(cfg.DataDir, "history.db.v1"))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := a.Run(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

func unzip(t *testing.T, from, to string) {
	t.Helper()
	file, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	zip, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(zip)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// What root does to the folder of another user leaves that user's gateway able to
// start. Only root can try.
func TestRootLeavesFilesToTheirOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("not root: nothing can belong to the wrong one")
		return
	}
	const nobody = 65534
	cfg := stoppedConfig(t, filepath.Join(t.TempDir(), "data"))
	if err := os.Mkdir(cfg.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(cfg.DataDir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(other, filepath.Join(cfg.DataDir, "linked")); err != nil {
		t.Log(err) // another disk
	}
	stopped(t, cfg, addUser("ann"))
	ownedBy(t, cfg.DataDir, nobody)
	a, err := New(t.Context(), cfg, Deps{Log: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Run(ctx); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(t.TempDir(), "archive")
	if err := Backup(t.Context(), cfg, archive); err != nil {
		t.Fatal(err)
	}
	ownedBy(t, cfg.DataDir, nobody)
	if _, err := Restore(cfg, archive); err != nil {
		t.Fatal(err)
	}
	ownedBy(t, cfg.DataDir, nobody)
}

// ownedBy wants all files below the folder to belong to a user, but for one that is
// linked from elsewhere.
func ownedBy(t *testing.T, dir string, uid uint32) {
	t.Helper()
	seen := 0
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		var st syscall.Stat_t
		if err == nil {
			err = syscall.Lstat(path, &st)
		}
		if seen++; filepath.Base(path) == "linked" != (st.Uid != uid) {
			t.Errorf("%s belongs to %d", filepath.Base(path), st.Uid)
		}
		return err
	})
	if err != nil || seen < 3 {
		t.Errorf("%d files, %v", seen, err)
	}
}

// What processes that were killed have half made is gone after a start, keys and
// deleted data among it.
func TestAStartSweepsLeftovers(t *testing.T) {
	cfg := stoppedConfig(t, t.TempDir())
	stopped(t, cfg, addUser("ann"))
	left := []string{
		"identity.db.tmp", "identity.db.bak.tmp", "identity.db.rescue", "history.db.tmp",
		"jwt-secret.tmp-ABC", "jwt-keys.json.tmp-ABC",
	}
	for _, name := range left {
		if err := os.WriteFile(filepath.Join(cfg.DataDir, name), []byte("half of it"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a, err := New(t.Context(), cfg, Deps{Log: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range left {
		if there(cfg.DataDir, name) {
			t.Errorf("%s is left", name)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

// A start tells of what others may read or change.
func TestExposedFilesAreTold(t *testing.T) {
	cfg := stoppedConfig(t, t.TempDir())
	stopped(t, cfg, addUser("ann"))
	start := func() string {
		t.Helper()
		var log bytes.Buffer
		a, err := New(t.Context(), cfg, Deps{Log: &log})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := a.Run(ctx); err != nil {
			t.Fatal(err)
		}
		return log.String()
	}
	if err := os.Chmod(cfg.DataDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if log := start(); strings.Contains(log, "data_exposed") {
		t.Errorf("nothing is exposed, and told was\n%s", log)
	}
	if err := errors.Join(os.Chmod(cfg.DataDir, 0o777), os.Chmod(filepath.Join(cfg.DataDir, historyFile), 0o644)); err != nil {
		t.Fatal(err)
	}
	if log := start(); strings.Count(log, "data_exposed") != 2 || !strings.Contains(log, "chmod 700") || !strings.Contains(log, "chmod 600") {
		t.Errorf("told was\n%s", log)
	}
}
