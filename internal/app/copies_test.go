package app_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgegw/internal/app"
	"edgegw/internal/backup"
	"edgegw/internal/config"
	"edgegw/internal/gatewaytest"
)

func comes(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 2000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s did not come within 20 s", what)
}

// events counts those of a kind in the audit.
func eventsOf(g *gatewaytest.Gateway, kind string) int {
	n := 0
	list, _ := g.Do("GET", "/audit?limit=1000", g.Token("admin"), nil).JSON()["events"].([]any)
	for _, e := range list {
		if e.(map[string]any)["event"] == kind {
			n++
		}
	}
	return n
}

// damage leaves nothing of a file that could be read.
func damage(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, make([]byte, info.Size()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// An account store that rots comes back by itself, as it was after the last change
// of an administrator; without its copy, as in the newest backup.
func TestDamagedAccountsComeBack(t *testing.T) {
	t.Parallel()
	dir, backups := t.TempDir(), filepath.Join(t.TempDir(), "backups")
	g := gatewaytest.StartIn(t, dir, "backup_dir="+backups, "backup_every=1h")
	key, _ := g.Do("POST", "/devices", g.Token("admin"), `{"name":"pump"}`).JSON()["device_key"].(string)
	copied := filepath.Join(dir, "identity.db.bak")
	comes(t, "the copy with the device", func() bool {
		b, err := os.ReadFile(copied)
		return err == nil && bytes.Contains(b, []byte("pump"))
	})
	comes(t, "the first backup", func() bool {
		list, _ := filepath.Glob(filepath.Join(backups, "*"+backup.Suffix))
		return len(list) == 1
	})
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	login := func(g *gatewaytest.Gateway) int {
		return g.Do("POST", "/auth/device", "", `{"device_key":"`+key+`"}`).Status
	}

	damage(t, filepath.Join(dir, "identity.db"))
	g = gatewaytest.StartIn(t, dir, "-admin_password_file")
	if status := login(g); status != 200 {
		t.Errorf("after a mending by the copy the device gets %d", status)
	}
	health := g.Do("GET", "/health", "", nil)
	if health.Status != 200 || !strings.Contains(string(health.Body), "identity.db.bak") || health.JSON()["status"] != "degraded" {
		t.Errorf("health: %s", health.Body)
	}
	if n := eventsOf(g, "quarantine"); n != 1 {
		t.Errorf("%d quarantines are in the audit", n)
	}
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}

	damage(t, filepath.Join(dir, "identity.db"))
	damage(t, copied)
	// The backup may be older than the device: it is made at the first start.
	g = gatewaytest.StartIn(t, dir, "-admin_password_file", "backup_dir="+backups)
	if status := g.Do("GET", "/users", g.Token("admin"), nil).Status; status != 200 {
		t.Errorf("after a mending by a backup the admin gets %d", status)
	}
	if !strings.Contains(string(g.Do("GET", "/health", "", nil).Body), backup.Suffix) {
		t.Error("health does not tell of the backup")
	}
	bad, _ := filepath.Glob(filepath.Join(dir, "identity.db.bad-*"))
	if len(bad) != 2 {
		t.Errorf("kept aside: %v", bad)
	}
}

// Backups of another site, and of another gateway with the same site's name, mend
// nothing here, however new they are: their administrators are nobody here.
func TestForeignBackupsMendNothing(t *testing.T) {
	t.Parallel()
	dir, shared := t.TempDir(), t.TempDir()
	backupOf := func(dir, site, account string) string {
		g := gatewaytest.StartIn(t, dir, "site="+site)
		g.AddUser(account, "")
		if err := g.Stop(); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Load(config.Sources{Flags: map[string]string{"env": "development", "data_dir": dir, "site": site}})
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "x")
		if err := app.Backup(t.Context(), cfg, file); err != nil {
			t.Fatal(err)
		}
		return file
	}
	place := func(file, name string) {
		if err := os.Rename(file, filepath.Join(shared, name+backup.Suffix)); err != nil {
			t.Fatal(err)
		}
	}
	own := backupOf(dir, "a", "ours")
	twin := t.TempDir() // only its site is another
	if secret, err := os.ReadFile(filepath.Join(dir, "jwt-secret")); err != nil || os.WriteFile(filepath.Join(twin, "jwt-secret"), secret, 0o600) != nil {
		t.Fatal(err)
	}
	place(backupOf(twin, "b", "theirs"), "a-20260103-000000")
	place(backupOf(t.TempDir(), "b", "theirs"), "b-20260102-000000")
	place(backupOf(t.TempDir(), "a", "theirs"), "a-20260104-000000")
	flags := []string{"-admin_password_file", "site=a", "backup_dir=" + shared}
	rot := func() {
		damage(t, filepath.Join(dir, "identity.db"))
		if err := os.Remove(filepath.Join(dir, "identity.db.bak")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	rot()
	cfg, err := config.Load(config.Sources{Flags: map[string]string{
		"env": "development", "data_dir": dir, "site": "a", "backup_dir": shared, "listen": "127.0.0.1:0",
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := app.New(t.Context(), cfg, app.Deps{Log: io.Discard}); err == nil || !strings.Contains(err.Error(), "neither a copy nor a backup") {
		t.Fatalf("with backups of others alone: %v", err)
	}
	place(own, "a-20260101-000000")
	g := gatewaytest.StartIn(t, dir, flags...)
	if users := string(g.Do("GET", "/users", g.Token("admin"), nil).Body); !strings.Contains(users, "ours") || strings.Contains(users, "theirs") {
		t.Error(users)
	}
}

// The timer makes a backup when one is due and keeps so many; each can be restored.
func TestBackupsByTimer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old := []string{"edgegw-20200101-000000", "edgegw-20200102-000000", "edgegw-20200103-000000"}
	for _, name := range old {
		if err := os.WriteFile(filepath.Join(dir, name+backup.Suffix), []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	killed := filepath.Join(dir, old[0]+backup.Suffix+".tmp")
	for _, path := range []string{filepath.Join(dir, "mine.txt"), killed} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g := gatewaytest.Start(t, "backup_dir="+dir, "backup_every=1m", "backup_keep=2")
	var list []string
	comes(t, "a backup", func() bool {
		list, _ = filepath.Glob(filepath.Join(dir, "*"+backup.Suffix))
		return len(list) == 2 && !strings.Contains(list[1], "2020")
	})
	if _, err := os.Stat(killed); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what a killed backup has left: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "mine.txt")); err != nil || !strings.Contains(list[0], old[2]) {
		t.Errorf("left are %v, %v", list, err)
	}
	comes(t, "its event", func() bool { return eventsOf(g, "backup") == 1 })
	if !strings.Contains(string(g.Do("GET", "/metrics", "", nil).Body), "\nedgegw_backup_age_seconds ") ||
		strings.Contains(string(g.Do("GET", "/metrics", "", nil).Body), "\nedgegw_backup_age_seconds -1\n") {
		t.Error("the metric has no age")
	}
	blank := filepath.Join(t.TempDir(), "blank")
	if _, err := app.Restore(configOf(t, blank), list[1]); err != nil {
		t.Error(err)
	}
}

// A timer that cannot write its backups says so in /health, not only in the log.
func TestFailingBackupsShow(t *testing.T) {
	t.Parallel()
	taken := filepath.Join(t.TempDir(), "taken")
	if err := os.WriteFile(taken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	g := gatewaytest.Start(t, "backup_dir="+taken, "backup_every=1h")
	comes(t, "the failure", func() bool {
		health := g.Do("GET", "/health", "", nil).JSON()
		said, _ := health["checks"].(map[string]any)["backup"].(string)
		return health["status"] == "degraded" && strings.HasPrefix(said, "failed at 20") && strings.Contains(said, "not a directory")
	})
}

// GET /backup is for administrators, and gives what restore takes.
func TestDownloadedBackup(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	g.AddUser("ann", "")
	if a := g.Do("GET", "/backup", g.Token("ann"), nil); a.Status != 403 {
		t.Errorf("a member gets %d", a.Status)
	}
	if a := g.Do("HEAD", "/backup", g.Token("admin"), nil); a.Status != 200 || eventsOf(g, "backup") != 0 {
		t.Errorf("HEAD: %d", a.Status)
	}
	a := g.Do("GET", "/backup", g.Token("admin"), nil)
	if a.Status != 200 || !strings.Contains(a.Header.Get("Content-Disposition"), backup.Suffix) || a.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", a.Status, a.Header)
	}
	if n := eventsOf(g, "backup"); n != 2 { // its begin and its end
		t.Errorf("%d backups are in the audit", n)
	}
	file := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(file, a.Body, 0o600); err != nil {
		t.Fatal(err)
	}
	blank := filepath.Join(t.TempDir(), "blank")
	if _, err := app.Restore(configOf(t, blank), file); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(blank, "identity.db")); errors.Is(err, fs.ErrNotExist) {
		t.Error("nothing was restored")
	}
}
