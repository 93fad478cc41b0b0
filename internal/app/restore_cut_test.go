package app_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"edgegw/internal/app"
	"edgegw/internal/gateway"
	"edgegw/internal/gatewaytest"
)

// twoStores gives the files of a gateway that has the account "old", and those of
// a restored one that has "new".
func twoStores(t *testing.T) (before, after map[string][]byte) {
	t.Helper()
	read := func(dir string) map[string][]byte {
		files := make(map[string][]byte)
		for _, name := range []string{"identity.db", "identity.db.bak", "history.db", "jwt-secret"} {
			if b, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
				files[name] = b
			}
		}
		return files
	}
	g := gatewaytest.Start(t)
	g.AddUser("old", "")
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	other := gatewaytest.Start(t)
	other.AddUser("new", "")
	file := filepath.Join(t.TempDir(), "x.edgegw-backup")
	if err := app.Backup(t.Context(), configOf(t, other.Dir), file); err != nil {
		t.Fatal(err)
	}
	blank := filepath.Join(t.TempDir(), "blank")
	if _, err := app.Restore(configOf(t, blank), file); err != nil {
		t.Fatal(err)
	}
	return read(g.Dir), read(blank)
}

// cutRestore makes the folder of a gateway whose restore was cut off after so many
// of its moves. It returns false when there are not so many.
func cutRestore(t *testing.T, before, after map[string][]byte, cut int) (dir string, ok bool) {
	t.Helper()
	dir = t.TempDir()
	out, in := filepath.Join(dir, "restore.out"), filepath.Join(dir, "restore.in")
	put := func(to string, files map[string][]byte) {
		if err := os.MkdirAll(to, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, b := range files {
			if err := os.WriteFile(filepath.Join(to, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(dir, before)
	put(filepath.Join(out, "new"), after)
	put(filepath.Join(out, "old"), nil)
	var steps [][2]string
	for _, name := range slices.Sorted(maps.Keys(before)) {
		steps = append(steps, [2]string{filepath.Join(dir, name), filepath.Join(out, "old", name)})
	}
	steps = append(steps, [2]string{out, in})
	for _, name := range slices.Sorted(maps.Keys(after)) {
		steps = append(steps, [2]string{filepath.Join(in, "new", name), filepath.Join(dir, name)})
	}
	if cut > len(steps) {
		return dir, false
	}
	for _, s := range steps[:cut] {
		if err := os.Rename(s[0], s[1]); err != nil {
			t.Fatal(err)
		}
	}
	return dir, true
}

// Wherever a restore was cut off behind its decision, the next start completes it
// before it opens anything: never a start on half of the files.
func TestStartCompletesARestore(t *testing.T) {
	t.Parallel()
	before, after := twoStores(t)
	for cut := 0; ; cut++ {
		dir, ok := cutRestore(t, before, after, cut)
		if !ok {
			break
		}
		g := gatewaytest.StartIn(t, dir, "-admin_password_file")
		users := string(g.Do("GET", "/users", g.Token("admin"), nil).Body)
		if !strings.Contains(users, `"new"`) || strings.Contains(users, `"old"`) {
			t.Errorf("cut after %d: %s", cut, users)
		}
		if err := g.Stop(); err != nil {
			t.Fatal(err)
		}
		for name, b := range before {
			aside, err := filepath.Glob(filepath.Join(dir, "replaced-*", name))
			if err != nil || len(aside) != 1 {
				t.Fatalf("cut after %d: %s is not aside: %v", cut, name, aside)
			}
			if kept, err := os.ReadFile(aside[0]); err != nil || string(kept) != string(b) {
				t.Errorf("cut after %d: %s aside is another: %v", cut, name, err)
			}
		}
	}
}

// `edgegw check` on a stopped gateway completes it as well.
func TestCheckCompletesARestore(t *testing.T) {
	t.Parallel()
	before, after := twoStores(t)
	dir, _ := cutRestore(t, before, after, 2)
	if list, err := app.Check(t.Context(), configOf(t, dir), ""); err != nil || len(list) != 2 {
		t.Errorf("%v, %v", list, err)
	}
}

// A store that somebody has made in the middle of a restore is not put over the
// one that is kept aside.
func TestRestoreOverwritesNothing(t *testing.T) {
	t.Parallel()
	before, after := twoStores(t)
	dir, _ := cutRestore(t, before, after, 1) // the history is aside
	if err := os.WriteFile(filepath.Join(dir, "history.db"), []byte("made in between"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := app.New(t.Context(), configOf(t, dir), app.Deps{Log: t.Output()}); gateway.CodeOf(err) != gateway.CodeConflict {
		t.Errorf("a start: %v", err)
	}
	kept, err := os.ReadFile(filepath.Join(dir, "restore.out", "old", "history.db"))
	if err != nil || string(kept) != string(before["history.db"]) {
		t.Errorf("what was kept aside is another: %v", err)
	}
}
