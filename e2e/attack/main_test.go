package attack_test

import (
	"os"
	"path/filepath"
	"testing"

	"edgegw/e2e/process"
)

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	if os.Getenv(crowdVariable) != "" {
		return crowdMain()
	}
	return process.Main(m, filepath.Join("..", ".."))
}

// scaled is how often a test does something: n times, or few times with -short.
func scaled(n, few int) int {
	if testing.Short() {
		return few
	}
	return n
}
