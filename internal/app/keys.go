package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"edgegw/internal/config"
	"edgegw/internal/gateway"
	"edgegw/internal/token"
)

// keyFile is where the signing keys are: jwt_keys_file, or else jwt_secret_file,
// or else files of the gateway's own in data_dir. The secret there becomes a ring
// with the first rotation, and is then one of its keys.
type keyFile struct{ cfg *config.Config }

func (k keyFile) secretPath() string { return filepath.Join(k.cfg.DataDir, "jwt-secret") }
func (k keyFile) ringPath() string   { return filepath.Join(k.cfg.DataDir, "jwt-keys.json") }

// Load reads the keys. The gateway's own secret is made when there is none.
func (k keyFile) Load() (*token.KeyRing, error) {
	ring, err := k.load()
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	return ring, nil
}

func (k keyFile) load() (*token.KeyRing, error) {
	switch {
	case k.cfg.JWTKeysFile != "":
		return token.LoadKeysFile(k.cfg.JWTKeysFile)
	case k.cfg.JWTSecretFile != "":
		return token.LoadSecretFile(k.cfg.JWTSecretFile)
	}
	switch _, err := os.Stat(k.ringPath()); {
	case err == nil:
		return token.LoadKeysFile(k.ringPath())
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if _, err := token.EnsureSecretFile(k.secretPath()); err != nil {
		return nil, fmt.Errorf("making the signing secret: %w", err)
	}
	return token.LoadSecretFile(k.secretPath())
}

// sweep removes what a process that was killed has left of the gateway's own keys.
// It is for a start: nobody may be making them.
func (k keyFile) sweep() error {
	return errors.Join(token.SweepTemp(k.ringPath()), token.SweepTemp(k.secretPath()))
}

// Rotate adds a key and makes it the active one.
func (k keyFile) Rotate(drop func(kid string) bool) (kid string, err error) {
	switch {
	case k.cfg.JWTKeysFile != "":
		kid, err = token.RotateKeysFile(k.cfg.JWTKeysFile, drop)
	case k.cfg.JWTSecretFile != "":
		return "", gateway.Errorf(gateway.CodeConflict,
			"the key comes from jwt_secret_file, which holds one secret and is not edgegw's to change; use jwt_keys_file, or neither of the two")
	default:
		kid, err = k.rotateOwn(drop)
	}
	if err != nil {
		return "", &gateway.Error{Code: gateway.CodeUnavailable,
			Message: "the key file could not be written: " + err.Error() + "; add a key to it by hand and send the gateway SIGHUP", Err: err}
	}
	return kid, nil
}

func (k keyFile) rotateOwn(drop func(kid string) bool) (string, error) {
	if _, err := os.Stat(k.ringPath()); err == nil {
		return token.RotateKeysFile(k.ringPath(), drop)
	}
	secret, err := os.ReadFile(k.secretPath())
	if err != nil {
		return "", err
	}
	return token.CreateKeysFile(k.ringPath(), secret)
}
