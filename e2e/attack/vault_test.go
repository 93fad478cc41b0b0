package attack_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// vault is every secret that a test knows of. None of them may come to light
// anywhere but in the answer that is meant to hold it. It is safe for concurrent
// use.
type vault struct {
	mu    sync.Mutex
	kinds map[string]string // by secret
}

// shapes are what secrets look like that nobody has written down. They hold for
// logs and the like, not for answers.
var shapes = regexp.MustCompile(`canary-[a-z]+-|eyJ[A-Za-z0-9_-]{8,}\.|\$argon2(i|d|id)\$|\$edgegw-legacy\$|BEGIN [A-Z ]*PRIVATE KEY`)

func newVault() *vault { return &vault{kinds: map[string]string{}} }

// hide adds a secret. Of those that are kept as their SHA-256, that is one too.
func (v *vault) hide(kind, secret string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if secret == "" {
		return
	}
	v.kinds[secret] = kind
	if kind == "device_key" || kind == "reset_token" {
		sum := sha256.Sum256([]byte(secret))
		v.kinds[hex.EncodeToString(sum[:])] = "hash of a " + kind
		v.kinds[base64.StdEncoding.EncodeToString(sum[:])] = "hash of a " + kind
		v.kinds[base64.RawURLEncoding.EncodeToString(sum[:])] = "hash of a " + kind
	}
}

// hideAnswer adds what an answer tells in confidence.
func (v *vault) hideAnswer(members map[string]any) {
	for _, name := range []string{"access_token", "refresh_token", "device_key", "reset_token"} {
		if secret, ok := members[name].(string); ok {
			v.hide(name, secret)
		}
	}
}

// check fails the test when the text holds a secret. It shows none.
func (v *vault) check(t testing.TB, where, text string) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	for secret, kind := range v.kinds {
		if i := strings.Index(text, secret); i >= 0 {
			before := shapes.ReplaceAllLiteralString(text[max(0, i-60):i], "…")
			t.Errorf("%s holds a %s, behind …%s", where, kind, before)
		}
	}
	if at := shapes.FindStringIndex(text); at != nil {
		t.Errorf("%s holds what looks like a secret, at byte %d", where, at[0])
	}
}

func (v *vault) size() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.kinds)
}
