package app

import (
	"os"
	"path/filepath"
	"testing"
)

// A restore that is cut off behind its decision is completed, wherever it was
// cut: what was there is aside as a whole, and what came is in place.
func TestInstallFromAnywhere(t *testing.T) {
	names := []string{identityFile, "identity.db.bak", historyFile, "jwt-secret", "jwt-keys.json"}
	comes := map[string]bool{identityFile: true, historyFile: true, "jwt-secret": true}
	for cut := 0; cut <= len(names)+1+len(comes); cut++ {
		dir := t.TempDir()
		out, in := filepath.Join(dir, movingOut), filepath.Join(dir, movingIn)
		for _, d := range []string{stagedOld, stagedNew} {
			if err := os.MkdirAll(filepath.Join(out, d), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		var steps []func() error
		for _, name := range names {
			write(t, filepath.Join(dir, name), "old "+name)
			steps = append(steps, func() error {
				return os.Rename(filepath.Join(dir, name), filepath.Join(out, stagedOld, name))
			})
		}
		steps = append(steps, func() error { return os.Rename(out, in) })
		for _, name := range names {
			if comes[name] {
				write(t, filepath.Join(out, stagedNew, name), "new "+name)
				steps = append(steps, func() error {
					return os.Rename(filepath.Join(in, stagedNew, name), filepath.Join(dir, name))
				})
			}
		}
		for _, step := range steps[:cut] {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		if err := finishRestore(dir); err != nil {
			t.Fatalf("cut after %d: %v", cut, err)
		}
		for _, name := range names {
			want := ""
			if comes[name] {
				want = "new " + name
			}
			if got, _ := os.ReadFile(filepath.Join(dir, name)); string(got) != want {
				t.Errorf("cut after %d: %s is %q", cut, name, got)
			}
			aside, err := filepath.Glob(filepath.Join(dir, "replaced-*", name))
			if err != nil || len(aside) != 1 {
				t.Errorf("cut after %d: %s is not aside: %v", cut, name, aside)
			}
		}
		if there(dir, movingOut) || there(dir, movingIn) {
			t.Errorf("cut after %d: the folder is left", cut)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
