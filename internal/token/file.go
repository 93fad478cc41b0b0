package token

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxFileBytes bounds what is read from a secret or keys file, whatever device
// the path may name.
const maxFileBytes = 128 << 10

// LoadSecretFile reads a jwt_secret_file; see NewSecretRing. Its errors name the
// file and say how to make a good one.
func LoadSecretFile(path string) (*KeyRing, error) { return load(path, NewSecretRing) }

// LoadKeysFile reads a jwt_keys_file; see NewKeysRing. Its errors name the file
// and never quote a secret.
func LoadKeysFile(path string) (*KeyRing, error) { return load(path, NewKeysRing) }

func load(path string, parse func([]byte) (*KeyRing, error)) (*KeyRing, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxFileBytes {
		return nil, fmt.Errorf("%s: larger than %d bytes; is it the right file?", path, maxFileBytes)
	}
	ring, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	ring.exposed = info.Mode()&0o004 != 0
	return ring, nil
}

// EnsureSecretFile makes a secret at path, mode 0600, unless something is there
// already, and reports whether it did. The secret is 48 random bytes as base64url
// text, so that other services can read it as a string. The file appears whole or
// not at all, also across a power cut, and never replaces another.
func EnsureSecretFile(path string) (created bool, err error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	secret := make([]byte, 48)
	rand.Read(secret) // never fails: crypto/rand ends the process instead
	tmp := path + ".tmp-" + rand.Text()
	defer os.Remove(tmp)
	if err := writeSynced(tmp, base64.RawURLEncoding.EncodeToString(secret)); err != nil {
		return false, err
	}
	// A link fails where a rename would replace the secret that another
	// process made meanwhile. File systems without links get the rename.
	switch err := os.Link(tmp, path); {
	case errors.Is(err, fs.ErrExist):
		return false, nil
	case err != nil:
		if err := os.Rename(tmp, path); err != nil {
			return false, err
		}
	}
	return true, syncDir(filepath.Dir(path))
}

func writeSynced(path, content string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
