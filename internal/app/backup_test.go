package app_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"edgegw/internal/app"
	"edgegw/internal/config"
	"edgegw/internal/gateway"
	"edgegw/internal/gatewaytest"
)

func configOf(t *testing.T, dir string) *config.Config {
	t.Helper()
	cfg, err := config.Load(config.Sources{Flags: map[string]string{"env": "development", "data_dir": dir}})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// On a blank folder a restored gateway is the old one: tokens, refresh tokens and
// history go on, and who saw it all resumes.
func TestNoClientNoticesARestore(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	g.AddUser("ann", "")
	access, refresh := pair(t, g, "ann")
	for i := range 300 {
		if a := g.Do("POST", "/rooms/a/messages", access, fmt.Sprintf(`{"data":%d,"id":"i%d"}`, i, i)); a.Status != 201 {
			t.Fatal(a.Status, a.Code())
		}
	}
	epoch := history(t, g, access, "a", "").Epoch
	file := filepath.Join(t.TempDir(), "x.edgegw-backup")
	if err := app.Backup(t.Context(), configOf(t, g.Dir), file); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Error(info.Mode(), err)
	}
	// What comes after the backup is not in it.
	g.Do("POST", "/rooms/a/messages", access, `{"data":"later"}`)

	blank := filepath.Join(t.TempDir(), "blank")
	done, err := app.Restore(configOf(t, blank), file)
	if err != nil || done.Aside != "" {
		t.Fatal(done, err)
	}
	again := gatewaytest.StartIn(t, blank, "-admin_password_file")
	if got := audited(again, "restore"); len(got) != 1 || !strings.HasPrefix(got[0], "20") || !strings.HasSuffix(got[0], "Z ok") {
		t.Errorf("restores in the audit: %q", got)
	}
	if a := again.Do("GET", "/auth/me", access, nil); a.Status != 200 {
		t.Errorf("the access token: %d %s", a.Status, a.Code())
	}
	if a := renew(again, refresh); a.Status != 200 {
		t.Errorf("the refresh token: %d %s", a.Status, a.Code())
	}
	resume := func(after int) map[string]any {
		_, subscribed := again.Dial(access, fmt.Sprintf("?room=a&after=%d&epoch=%s", after, epoch)).Joined()
		return subscribed
	}
	if s := resume(290); s["recovered"] != true || s["replay"] != 10.0 || s["epoch"] == epoch {
		t.Errorf("who saw 290: %v", s)
	}
	if s := resume(301); s["recovered"] != false {
		t.Errorf("who saw what is not in the backup: %v", s)
	}
	if a := again.Do("POST", "/rooms/a/messages", access, `{"data":299,"id":"i299"}`).JSON(); a["seq"] != 300.0 {
		t.Errorf("a message that was there is stored again: %v", a)
	}
	if err := again.Stop(); err != nil {
		t.Fatal(err)
	}
	again = gatewaytest.StartIn(t, blank, "-admin_password_file")
	if got := audited(again, "restore"); len(got) != 1 {
		t.Errorf("restores in the audit after one more start: %q", got)
	}
	if _, err := app.Restore(configOf(t, g.Dir), file); gateway.CodeOf(err) != gateway.CodeConflict {
		t.Errorf("under a running gateway: %v", err)
	}
}

// A damaged archive changes nothing.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	file := filepath.Join(t.TempDir(), "x.edgegw-backup")
	if err := app.Backup(t.Context(), configOf(t, g.Dir), file); err != nil {
		t.Fatal(err)
	}
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	listing := func() string {
		var all string
		for _, name := range []string{"identity.db", "history.db", "jwt-secret"} {
			b, _ := os.ReadFile(filepath.Join(g.Dir, name))
			all += string(b)
		}
		left, err := filepath.Glob(filepath.Join(g.Dir, "re*"))
		return all + fmt.Sprint(left, err)
	}
	before := listing()
	for name, b := range map[string][]byte{
		"cut in half":  whole[:len(whole)/2],
		"cut at end":   whole[:len(whole)-1],
		"behind":       append(bytes.Clone(whole), 0),
		"changed":      bytes.Replace(whole, []byte("admin"), []byte("admim"), 1),
		"newer":        bytes.Replace(whole, []byte(`"format":1`), []byte(`"format":2`), 1),
		"empty":        nil,
		"not a backup": []byte("hello"),
	} {
		bad := filepath.Join(t.TempDir(), "bad")
		if err := os.WriteFile(bad, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := app.Restore(configOf(t, g.Dir), bad); gateway.CodeOf(err) != gateway.CodeUnavailable {
			t.Errorf("%s: %v", name, err)
		}
		if listing() != before {
			t.Fatalf("%s: the folder has changed", name)
		}
	}
}
