package app

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"edgegw/internal/backup"
	"edgegw/internal/boltstore"
	"edgegw/internal/config"
	"edgegw/internal/gateway"
)

// unpack brings all of an archive back in dir, and verifies it. finish ends the
// history: with Finish it is on disk.
func unpack(path, dir string, finish func(*boltstore.HistoryImport) error) (m backup.Manifest, err error) {
	file, err := openRegular(path)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	history, err := boltstore.NewHistoryImport(filepath.Join(dir, historyFile))
	if err != nil {
		return m, err
	}
	m, err = backup.Read(file, func(name string, data []byte) error {
		if strings.HasPrefix(name, "history/") {
			return history.Add(data)
		}
		return unpackFile(dir, name, data)
	})
	if err == nil {
		err = finish(history)
	}
	if err != nil {
		return m, errors.Join(err, history.Abort())
	}
	if _, err := os.Stat(filepath.Join(dir, identityFile)); err != nil {
		return m, gateway.Errorf(gateway.CodeUnavailable, "the backup has no accounts in it; use another one")
	}
	return m, boltstore.VerifyIdentity(filepath.Join(dir, identityFile))
}

// unpackFile takes the entries that a backup is known to have, and no others: a
// name must not lead out of the folder.
func unpackFile(dir, name string, data []byte) error {
	if !knownEntry(name) {
		return gateway.Errorf(gateway.CodeUnavailable, "the backup has an entry %q that this edgegw does not know; use the edgegw that made it", name)
	}
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

func knownEntry(name string) bool {
	switch name {
	case identityFile, "jwt-secret", "jwt-keys.json", configEntry, givenEntry, caCertEntry, caKeyEntry:
		return true
	}
	option, ok := strings.CutPrefix(name, configFolder+"/")
	return ok && slices.ContainsFunc(config.Options(), func(o config.Option) bool { return o.Secret && o.Name == option })
}

// openRegular opens a file for reading, and nothing else: a pipe would be waited
// for, and a device never ends.
func openRegular(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = gateway.Errorf(gateway.CodeInvalidRequest, "%s is not a regular file; name one", path)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// readRegular reads a whole file that openRegular opens.
func readRegular(path string) (data []byte, err error) {
	file, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return io.ReadAll(file)
}
