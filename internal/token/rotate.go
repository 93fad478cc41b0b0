package token

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// SecretKID is the name that CreateKeysFile gives the key of the secret file.
const SecretKID = "first"

// newKeyBytes is the length of the secrets that are made here.
const newKeyBytes = 48

// RotateKeysFile adds a new random key to a jwt_keys_file, makes it the active
// one and returns its name. Keys for which drop is true are removed, except the
// one that was active until now: tokens that it signed are still out. A nil drop
// keeps all.
//
// Owner and mode of the file stay as far as this user may set them, and a link to
// it stays a link. An error, or a power cut at any moment, leaves the old file or
// the new one, whole. Two rotations of one file must not overlap: the new key of
// one would be lost.
func RotateKeysFile(path string, drop func(kid string) bool) (kid string, err error) {
	return rotate(osDisk(), path, drop)
}

func rotate(d disk, path string, drop func(kid string) bool) (kid string, err error) {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	file, info, err := read(target)
	if err != nil {
		return "", err
	}
	ring, err := NewKeysRing(file)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	var keys []key
	for _, k := range ring.all {
		if k.id == ring.active.id || drop == nil || !drop(k.id) {
			keys = append(keys, k)
		}
	}
	fresh := newKey(ring.all)
	content, err := render(append(keys, fresh), fresh.id)
	if err != nil {
		return "", fmt.Errorf("%s with a new key: %w", path, err)
	}
	if err := replace(d, target, content, info); err != nil {
		return "", notWritten(path, err)
	}
	return fresh.id, nil
}

// CreateKeysFile makes a jwt_keys_file, mode 0600, that takes over from a secret
// file with the content old: its secret stays in the ring under the name
// SecretKID, so that its tokens verify on, and a new random key signs, whose name
// is returned. The file appears whole or not at all, also across a power cut, and
// never replaces another: the error is fs.ErrExist then.
func CreateKeysFile(path string, old []byte) (kid string, err error) {
	return create(osDisk(), path, old)
}

func create(d disk, path string, old []byte) (kid string, err error) {
	ring, err := NewSecretRing(old)
	if err != nil {
		return "", fmt.Errorf("the secret that is to stay in %s: %w", path, err)
	}
	first := ring.active
	first.id = SecretKID
	keys := []key{first}
	fresh := newKey(keys)
	content, err := render(append(keys, fresh), fresh.id)
	if err != nil {
		return "", err
	}
	switch err := placeNew(d, path, content); {
	case errors.Is(err, fs.ErrExist):
		return "", fmt.Errorf("%w; a file that is there is rotated, not made anew", err)
	case err != nil:
		return "", notWritten(path, err)
	}
	return fresh.id, nil
}

func notWritten(path string, err error) error {
	return fmt.Errorf("%s with a new key: %w; the gateway's user has to be able to write in that folder", path, err)
}

// newKey makes a key whose name none of the others has.
func newKey(others []key) key {
	secret := make([]byte, newKeyBytes)
	rand.Read(secret) // never fails: crypto/rand ends the process instead
	return key{id: newKID(rand.Text(), others), method: jwt.SigningMethodHS256, secret: secret}
}

// newKID makes a name from the first eight of the random characters, or from as
// many more as it takes to differ from the others. There are more such lengths
// than there can be keys.
func newKID(random string, others []key) string {
	kid := ""
	for n := 8; n <= len(random); n++ {
		kid = "k-" + strings.ToLower(random[:n])
		taken := false
		for _, k := range others {
			taken = taken || k.id == kid
		}
		if !taken {
			break
		}
	}
	return kid
}

// render writes a ring, one key a line. It refuses what NewKeysRing would refuse,
// among it more than MaxKeys keys.
func render(keys []key, active string) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "{\n  \"active\": %q,\n  \"keys\": {", active)
	for i, k := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "\n    %q: %q", k.id, base64.StdEncoding.EncodeToString(k.secret))
	}
	b.WriteString("\n  }\n}\n")
	if _, err := NewKeysRing(b.Bytes()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
