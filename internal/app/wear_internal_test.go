package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestWear(t *testing.T) {
	if got := wear(time.Hour, 3_000_000); got != "72.0 MB a day" {
		t.Errorf("3 MB in an hour: %s", got)
	}
	if got := wear(30*time.Second, 3_000_000); !strings.Contains(got, "minute") {
		t.Errorf("at the start: %s", got)
	}
}

func TestStorageWritten(t *testing.T) {
	root := t.TempDir()
	if got := storageWritten(root); got != 0 {
		t.Errorf("without a count: %d", got)
	}
	if err := os.MkdirAll(filepath.Join(root, "proc/self"), 0o700); err != nil {
		t.Fatal(err)
	}
	text := "wchar: 7\nread_bytes: 8\nwrite_bytes: 4096\ncancelled_write_bytes: 9\n"
	if err := os.WriteFile(filepath.Join(root, "proc/self/io"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := storageWritten(root); got != 4096 {
		t.Errorf("counted %d", got)
	}
}
