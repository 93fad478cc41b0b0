package realtime_test

import (
	"os"
	"path/filepath"
	"testing"

	"edgegw/e2e/process"
)

func TestMain(m *testing.M) { os.Exit(process.Main(m, filepath.Join("..", ".."))) }
