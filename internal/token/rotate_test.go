package token_test

import (
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"edgegw/internal/token"
)

// ringFile writes a ring file with the keys old (secret) and new (otherSecret),
// and gives the path.
func ringFile(t *testing.T) string {
	t.Helper()
	b64 := base64.StdEncoding.EncodeToString
	path := filepath.Join(t.TempDir(), "keys.json")
	content := `{"active":"new","keys":{"old":"` + b64([]byte(secret)) + `","new":"` + b64([]byte(otherSecret)) + `"}}`
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func loadKeys(t *testing.T, path string) *token.KeyRing {
	t.Helper()
	ring, err := token.LoadKeysFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// alone fails unless the file is the only thing in its folder.
func alone(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("%d files in the folder (%v), want one", len(entries), err)
	}
}

func TestRotateKeysFile(t *testing.T) {
	path := ringFile(t)
	a := newAuthority(t, token.Options{Ring: loadKeys(t, path)})
	tokens := map[string]string{
		"of the old key":                sign(`{"alg":"HS256","kid":"old"}`, minimal, secret),
		"of the old key without kid":    sign(`{"alg":"HS256"}`, minimal, secret),
		"of the active key without kid": sign(`{"alg":"HS256"}`, minimal, otherSecret),
	}
	issue := func(name string) {
		raw, err := a.Issue(token.Claims{Subject: "ada"}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		tokens[name] = raw
	}
	issue("before")
	want := []string{"old", "new"}
	for n := range 5 {
		kid, err := token.RotateKeysFile(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`^k-[a-z2-7]{8}$`).MatchString(kid) {
			t.Errorf("kid %q", kid)
		}
		want = append(want, kid)
		ring := loadKeys(t, path)
		if !slices.Equal(ring.KIDs(), want) || ring.Active() != kid {
			t.Fatalf("KIDs %q, Active %q; want %q", ring.KIDs(), ring.Active(), want)
		}
		a.SetRing(ring)
		issue("of rotation " + string(rune('1'+n)))
		for name, raw := range tokens {
			if _, err := a.Verify(raw); err != nil {
				t.Errorf("after rotation %d a token %s is refused: %v", n+1, name, err)
			}
		}
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	alone(t, path)
	checkSecrets(t, path, want[2:])
}

// checkSecrets looks at the keys that were made: 48 bytes each, no two alike.
func checkSecrets(t *testing.T, path string, kids []string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, kid := range kids {
		found := regexp.MustCompile(`"` + kid + `": "([A-Za-z0-9+/]{64})"`).FindSubmatch(b)
		if found == nil || seen[string(found[1])] {
			t.Fatalf("key %q has not 48 bytes of its own", kid)
		}
		seen[string(found[1])] = true
	}
}

func TestRotateDrops(t *testing.T) {
	path := ringFile(t)
	var asked []string
	kid, err := token.RotateKeysFile(path, func(kid string) bool {
		asked = append(asked, kid)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	if ids := loadKeys(t, path).KIDs(); !slices.Equal(ids, []string{"new", kid}) {
		t.Errorf("KIDs %q, want the former active key and the new one", ids)
	}
	if !slices.Equal(asked, []string{"old"}) {
		t.Errorf("asked about %q, want old alone", asked)
	}
	if b, _ := os.ReadFile(path); strings.Contains(string(b), base64.StdEncoding.EncodeToString([]byte(secret))) {
		t.Error("the dropped secret is still in the file")
	}
	next, err := token.RotateKeysFile(path, func(id string) bool { return id == "new" })
	if err != nil {
		t.Fatal(err)
	}
	if ids := loadKeys(t, path).KIDs(); !slices.Equal(ids, []string{kid, next}) {
		t.Errorf("KIDs %q, want %q", ids, []string{kid, next})
	}
}

func TestRotateRefuses(t *testing.T) {
	full := `{"active":"k0","keys":{`
	for i := range token.MaxKeys {
		full += `"k` + string(rune('0'+i)) + `":"` + base64.StdEncoding.EncodeToString([]byte(secret)) + `",`
	}
	// The names of 10 to 15 would be : ; < = > ?, which no kid may hold.
	full = strings.NewReplacer("k:", "ka", "k;", "kb", "k<", "kc", "k=", "kd", "k>", "ke", "k?", "kf").Replace(full)
	full = strings.TrimSuffix(full, ",") + "}}"
	for name, tt := range map[string]struct{ content, says string }{
		"no key fits in":   {full, "more than 16 keys"},
		"not a ring":       {secret, "not a JSON object"},
		"unknown member":   {`{"active":"a","keys":{},"note":"x"}`, "unknown member"},
		"active is no key": {`{"active":"a","keys":{}}`, "names no key"},
		"weak key":         {`{"active":"a","keys":{"a":"AAAA"}}`, "at least 32"},
		"too large":        {strings.Repeat(" ", 200_000), "larger than"},
	} {
		path := filepath.Join(t.TempDir(), "keys.json")
		if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
			t.Fatal(err)
		}
		kid, err := token.RotateKeysFile(path, nil)
		if err == nil || kid != "" || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: kid %q, %v", name, kid, err)
		}
		if b, _ := os.ReadFile(path); string(b) != tt.content {
			t.Errorf("%s: the file was changed", name)
		}
		alone(t, path)
	}
	// A key that is dropped makes room.
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(path, []byte(full), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := token.RotateKeysFile(path, func(kid string) bool { return kid == "k7" }); err != nil {
		t.Errorf("with a key dropped: %v", err)
	}
	if _, err := token.RotateKeysFile(filepath.Join(t.TempDir(), "missing"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestRotateKeepsOwnerModeAndLink(t *testing.T) {
	path := ringFile(t)
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 { // only root may give files away
		uid, gid = 12345, 23456
		if err := os.Chown(path, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link.json")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := token.RotateKeysFile(link, nil); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	if info.Mode().Perm() != 0o640 || int(st.Uid) != uid || int(st.Gid) != gid {
		t.Errorf("mode %v, owner %d:%d; want 0640, %d:%d", info.Mode(), st.Uid, st.Gid, uid, gid)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode().Type() != fs.ModeSymlink {
		t.Errorf("the link is a link no more: %v, %v", info, err)
	}
	if ids := loadKeys(t, link).KIDs(); len(ids) != 3 {
		t.Errorf("through the link: %q", ids)
	}
	alone(t, path)
	alone(t, link)
}

func TestCreateKeysFile(t *testing.T) {
	for name, content := range map[string]string{"plain": secret, "with a newline": secret + "\n"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "jwt-keys.json")
			a := newAuthority(t, token.Options{Ring: secretRing(t, content)})
			before, err := a.Issue(token.Claims{Subject: "ada"}, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			kid, err := token.CreateKeysFile(path, []byte(content))
			if err != nil {
				t.Fatal(err)
			}
			ring := loadKeys(t, path)
			if !slices.Equal(ring.KIDs(), []string{token.SecretKID, kid}) || ring.Active() != kid {
				t.Errorf("KIDs %q, Active %q", ring.KIDs(), ring.Active())
			}
			a.SetRing(ring)
			check(t, a, before, "")
			check(t, a, sign(`{"alg":"HS256"}`, minimal, secret), "")
			fresh, err := a.Issue(token.Claims{Subject: "ada"}, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			check(t, a, fresh, "")
			if header, _ := parts(t, fresh); header["kid"] != kid {
				t.Errorf("header %v, want kid %q", header, kid)
			}
			if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
				t.Errorf("mode %v, want 0600", info.Mode())
			}
			alone(t, path)

			b, _ := os.ReadFile(path)
			if _, err := token.CreateKeysFile(path, []byte(content)); !errors.Is(err, fs.ErrExist) {
				t.Errorf("the second time: %v", err)
			}
			if again, _ := os.ReadFile(path); string(again) != string(b) {
				t.Error("the second time changed the file")
			}
			if _, err := token.RotateKeysFile(path, nil); err != nil {
				t.Error(err)
			}
			a.SetRing(loadKeys(t, path))
			check(t, a, before, "")
			check(t, a, fresh, "")
		})
	}
}

func TestCreateKeysFileRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jwt-keys.json")
	if _, err := token.CreateKeysFile(path, []byte("short")); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a short secret: %v", err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was made of it: %v", err)
	}
	missing := filepath.Join(t.TempDir(), "missing", "jwt-keys.json")
	if _, err := token.CreateKeysFile(missing, []byte(secret)); err == nil || !strings.Contains(err.Error(), "folder") {
		t.Errorf("a missing folder: %v", err)
	}
	// A link that leads nowhere is something, too.
	if err := os.Symlink(missing, path); err != nil {
		t.Fatal(err)
	}
	if _, err := token.CreateKeysFile(path, []byte(secret)); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a dangling link: %v", err)
	}
}
