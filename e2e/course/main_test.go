package course_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"edgegw/e2e/process"
)

// Variables that say which client runs: one of the table, and the words of the
// command that starts its driver. Without them it is the client in Go.
const (
	clientVariable = "COURSE_CLIENT"
	driverVariable = "COURSE_DRIVER"
)

// features is what not every client has, or cannot have.
type features struct {
	// typing: it tells and hears of typing and presence. Others have to pass over it.
	typing bool
	// ownClock: nobody can set the program's wall clock wrong from outside, so
	// its driver does, by the variable COURSE_CLOCK.
	ownClock bool
	// platform: its WebSocket is that of a browser, which does not tell the status of
	// a refused handshake, and decides by itself what is illegal.
	platform bool
	// strict: its WebSocket library, tungstenite, takes a close code from 5000 on for
	// illegal (RFC 6455 section 7.4.2) and puts 1002 in its place before anybody sees it.
	strict bool
	// untimed: its TLS can leave out the calendar.
	untimed bool
	// shallow: its stack does not carry the deepest data, which it tells as too large.
	shallow bool
	// fixedBuffer: it takes messages up to COURSE_MAX_MESSAGE bytes.
	fixedBuffer bool
}

var clients = map[string]features{
	"go":          {typing: true, ownClock: true},
	"javascript":  {typing: true, platform: true},
	"cpython":     {fixedBuffer: true, shallow: true},
	"micropython": {fixedBuffer: true, shallow: true},
	"rust":        {typing: true, untimed: true, strict: true},
	"c":           {fixedBuffer: true, untimed: true},
}

// client is the one that runs.
var client features

func TestMain(m *testing.M) {
	if err := chooseClient(); err != nil {
		fmt.Fprintln(os.Stderr, "course:", err)
		os.Exit(1)
	}
	dir, err := os.MkdirTemp("", "edgegw-course-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "course:", err)
		os.Exit(1)
	}
	code := 1
	if err := buildDriver(dir); err != nil {
		fmt.Fprintln(os.Stderr, "course:", err)
	} else {
		code = process.Main(m, filepath.Join("..", ".."))
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func chooseClient() error {
	name := os.Getenv(clientVariable)
	if name == "" {
		name = "go"
	}
	var known bool
	if client, known = clients[name]; !known {
		return fmt.Errorf("%s is %q, which is none of the clients in main_test.go", clientVariable, name)
	}
	if (os.Getenv(driverVariable) == "") != (name == "go") {
		return fmt.Errorf("%s has to be the command of the driver, and empty for the client in Go", driverVariable)
	}
	return nil
}

// buildDriver makes that of the Go client.
func buildDriver(dir string) error {
	if os.Getenv(driverVariable) != "" {
		return nil
	}
	bin := filepath.Join(dir, "driver")
	if out, err := exec.Command("go", "build", "-o", bin, "./driver").CombinedOutput(); err != nil {
		return fmt.Errorf("building the driver: %w\n%s", err, out)
	}
	return os.Setenv(driverVariable, bin)
}
