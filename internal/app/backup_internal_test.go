package app

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"edgegw/internal/backup"
	"edgegw/internal/gateway"
)

// What cannot be brought back never gets the name of a backup, and nothing of it
// is left.
func TestOnlyWhatComesBackIsABackup(t *testing.T) {
	for name, content := range map[string]func(io.Writer) error{
		"no archive": func(w io.Writer) error {
			_, err := io.WriteString(w, "hello")
			return err
		},
		"sums that agree, and stores that are none": func(w io.Writer) error {
			out, err := backup.NewWriter(w, backup.Manifest{})
			if err == nil {
				err = out.Add(identityFile, []byte("accounts"))
			}
			if err != nil {
				return err
			}
			return out.Close()
		},
	} {
		dir := t.TempDir()
		if err := writeArchive(filepath.Join(dir, "x"), content); gateway.CodeOf(err) != gateway.CodeUnavailable {
			t.Errorf("%s: %v", name, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: left are %v, %v", name, left, err)
		}
	}
}
