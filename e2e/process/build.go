package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// BinVariable names the variable with the path of the binary that is run.
const BinVariable = "EDGEGW_BIN"

// Main builds the gateway unless there is one already, runs the tests, and
// returns the exit code. It is for TestMain, with the root of the repository.
func Main(m *testing.M, root string) int {
	if os.Getenv(BinVariable) != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "edgegw-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	bin := filepath.Join(dir, "edgegw")
	build := exec.Command(filepath.Join(root, "scripts", "build.sh"), bin)
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the gateway: %v\n%s", err, out)
		return 1
	}
	if err := os.Setenv(BinVariable, bin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// Bin is the path of the binary.
func Bin() string { return os.Getenv(BinVariable) }

// Environment is that of every process of ours: EDGEGW variables of the tests
// would be unknown options.
func Environment() []string { return []string{"PATH=" + os.Getenv("PATH")} }

// Command is another command of the binary.
func Command(args ...string) *exec.Cmd {
	cmd := exec.Command(Bin(), args...)
	cmd.Env = Environment()
	return cmd
}
