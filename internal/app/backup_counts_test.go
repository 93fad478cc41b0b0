package app_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/app"
	"edgegw/internal/backup"
	"edgegw/internal/gateway"
	"edgegw/internal/gatewaytest"
)

// audited lists the events of a kind as "reason result".
func audited(g *gatewaytest.Gateway, kind string) (said []string) {
	list, _ := g.Do("GET", "/audit?limit=1000", g.Token("admin"), nil).JSON()["events"].([]any)
	for _, e := range list {
		if e := e.(map[string]any); e["event"] == kind {
			said = append(said, fmt.Sprint(e["reason"], " ", e["result"]))
		}
	}
	return said
}

func hasBackupAge(g *gatewaytest.Gateway) bool {
	return !strings.Contains(string(g.Do("GET", "/metrics", "", nil).Body), "\nedgegw_backup_age_seconds -1\n")
}

// A backup of the command line counts when the command line has verified it, and
// not when the gateway has sent it.
func TestBackupCountsOnceVerified(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	if err := g.Admin().Backup(t.Context(), io.Discard); err != nil {
		t.Fatal(err)
	}
	if got := audited(g, "backup"); len(got) != 0 || hasBackupAge(g) {
		t.Errorf("it counts when it was sent: %q", got)
	}
	missing := filepath.Join(t.TempDir(), "missing", "x")
	if err := app.Backup(t.Context(), configOf(t, g.Dir), missing); err == nil {
		t.Error("a backup into a folder that is not there was made")
	}
	if got := audited(g, "backup"); !slices.Equal(got, []string{"command failed"}) || hasBackupAge(g) {
		t.Errorf("after one that failed: %q", got)
	}
	if err := app.Backup(t.Context(), configOf(t, g.Dir), filepath.Join(t.TempDir(), "x")); err != nil {
		t.Fatal(err)
	}
	if got := audited(g, "backup"); !slices.Equal(got, []string{"command failed", "command ok"}) || !hasBackupAge(g) {
		t.Errorf("after one that is good: %q", got)
	}
}

// hurried takes the beginning of a backup and hangs up.
func hurried(t *testing.T, g *gatewaytest.Gateway) {
	t.Helper()
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	r, err := http.NewRequestWithContext(ctx, "GET", g.URL+"/backup", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+g.Token("admin"))
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(res.Body, make([]byte, 512)); err != nil {
		t.Fatal(err)
	}
	hangUp()
	_ = res.Body.Close()
}

// A download is in the audit from its begin on, and counts when it was sent to its
// end: a client that hangs up has most of the secrets all the same.
func TestDownloadIsAudited(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "commit_window=0")
	token := g.Token("admin")
	// More than the kernel takes from a sender whom nobody reads (4 MiB).
	for i := range 160 {
		body := fmt.Sprintf(`{"data":"%s%d"}`, strings.Repeat("x", 50_000), i)
		if a := g.Do("POST", "/rooms/a/messages", token, body); a.Status != 201 {
			t.Fatal(a.Status, a.Code())
		}
	}
	hurried(t, g)
	comes(t, "the end of the download", func() bool { return len(audited(g, "backup")) == 2 })
	if got := audited(g, "backup"); !slices.Equal(got, []string{"download_begun ok", "download failed"}) || hasBackupAge(g) {
		t.Errorf("after one that hung up: %q", got)
	}
	if a := g.Do("GET", "/backup", token, nil); a.Status != 200 {
		t.Fatal(a.Status, a.Code())
	}
	if got := audited(g, "backup"); !slices.Equal(got[2:], []string{"download_begun ok", "download ok"}) || !hasBackupAge(g) {
		t.Errorf("after a whole one: %q", got)
	}
}

// rewritten is an archive whose account store was changed, with sums that agree.
func rewritten(t *testing.T, file string, change func([]byte) []byte) string {
	t.Helper()
	var out bytes.Buffer
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	w, err := backup.NewWriter(&out, backup.Manifest{Site: "edgegw"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = backup.Read(in, func(name string, data []byte) error {
		if name == "identity.db" {
			data = change(bytes.Clone(data))
		}
		return w.Add(name, data)
	})
	if err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rewritten")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// newer gives an account store the schema version of an edgegw to come.
func newer(t *testing.T) func([]byte) []byte {
	return func(whole []byte) []byte {
		path := filepath.Join(t.TempDir(), "identity.db")
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := bolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(func(tx *bolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("schema"), []byte{0, 0, 0, 99}) })
		if err != nil || db.Close() != nil {
			t.Fatal(err)
		}
		if whole, err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		return whole
	}
}

// What the sums of an archive vouch for is that it is what was written, not that it
// is good: the stores in it are opened and looked at before they take anybody's place.
func TestRestoreLooksInside(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	g.AddUser("ann-of-the-vineyard", "")
	file := filepath.Join(t.TempDir(), "x.edgegw-backup")
	if err := app.Backup(t.Context(), configOf(t, g.Dir), file); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func([]byte) []byte{
		"ok": func(b []byte) []byte { return b },
		"bad": func(b []byte) []byte {
			return bytes.ReplaceAll(b, []byte("ann-of-the-vineyard"), []byte("eve-of-the-vineyard"))
		},
		"bad, cut":   func(b []byte) []byte { return b[:len(b)/2] },
		"bad, newer": newer(t),
		"bad, none":  func([]byte) []byte { return nil },
	} {
		blank := filepath.Join(t.TempDir(), "blank")
		_, err := app.Restore(configOf(t, blank), rewritten(t, file, change))
		if name == "ok" && err != nil || name != "ok" && gateway.CodeOf(err) != gateway.CodeUnavailable {
			t.Errorf("%s: %v", name, err)
		}
		if left, _ := filepath.Glob(filepath.Join(blank, "*")); name != "ok" && len(left) > 0 {
			t.Errorf("%s: %v is there", name, left)
		}
	}
}

// What is no file is refused at once: a pipe would be waited for, whoever asks to
// stop, and a device never ends.
func TestRestoreRefusesWhatIsNoFile(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, t.TempDir(), "/dev/zero"} {
		refused := make(chan error, 1)
		go func() {
			_, err := app.Restore(configOf(t, filepath.Join(t.TempDir(), "blank")), path)
			refused <- err
		}()
		select {
		case err := <-refused:
			if err == nil || !strings.Contains(err.Error(), "is not a regular file") {
				t.Errorf("%s: %v", path, err)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("%s is waited for", path)
		}
	}
}
