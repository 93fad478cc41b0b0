package app_test

import (
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails when a gateway leaves a goroutine behind. Some tests do little
// but wait, so more of them run at once than there are processors.
func TestMain(m *testing.M) {
	atOnce := "8"
	if strconv.IntSize == 32 {
		atOnce = "3" // each store maps 256 MiB of the few addresses
	}
	if err := flag.Set("test.parallel", atOnce); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// writeConfig writes a configuration file.
func writeConfig(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "edgegw.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
