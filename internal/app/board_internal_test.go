package app

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// put writes a file below a root that stands for /.
func put(t *testing.T, root, name, text string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTemperature(t *testing.T) {
	const zone = "sys/class/thermal/thermal_zone0/temp"
	root := t.TempDir()
	if got := temperature(root); got != nil {
		t.Errorf("without a sensor: %v", *got)
	}
	put(t, root, zone, "48312\n")
	if got := temperature(root); got == nil || *got != 48.312 {
		t.Errorf("at 48312 thousandths: %v", got)
	}
	put(t, root, zone, "hot\n")
	if got := temperature(root); got != nil {
		t.Errorf("of a sensor that says nothing: %v", *got)
	}
}

func TestResidentBytes(t *testing.T) {
	root := t.TempDir()
	if got := residentBytes(root); got != 0 {
		t.Errorf("without /proc: %d", got)
	}
	put(t, root, "proc/self/statm", "5000 3 1 1 0 1 0\n")
	if got := residentBytes(root); got != 3*int64(os.Getpagesize()) {
		t.Errorf("three pages: %d", got)
	}
	if got := residentBytes("/"); got < 1<<20 {
		t.Errorf("this process: %d", got)
	}
}

func TestWearStatus(t *testing.T) {
	if got := wearStatus(59*time.Second, 100); got.Written != 100 || got.PerDay != 0 {
		t.Errorf("in the first minute: %+v", got)
	}
	if got := wearStatus(time.Hour, 100); got.PerDay != 2400 {
		t.Errorf("after an hour: %+v", got)
	}
}

func TestKnown(t *testing.T) {
	if known(-1) != nil || *known(0) != 0 {
		t.Error("-1 is known, or 0 is not")
	}
}
