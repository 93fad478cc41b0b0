package token

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
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
	b, info, err := read(path)
	if err != nil {
		return nil, err
	}
	ring, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	ring.exposed = info.Mode()&0o004 != 0
	return ring, nil
}

func read(path string) ([]byte, fs.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, nil, err
	}
	if len(b) > maxFileBytes {
		return nil, nil, fmt.Errorf("%s: larger than %d bytes; is it the right file?", path, maxFileBytes)
	}
	return b, info, nil
}

// EnsureSecretFile makes a secret at path, mode 0600, unless something is there
// already, and reports whether it did. The secret is 48 random bytes as base64url
// text, so that other services can read it as a string. The file appears whole or
// not at all, also across a power cut, and never replaces another.
func EnsureSecretFile(path string) (created bool, err error) {
	err = placeNew(osDisk(), path, []byte(randomText(newKeyBytes)))
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	return err == nil, err
}
