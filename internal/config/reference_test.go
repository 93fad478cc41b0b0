package config_test

import (
	"bytes"
	"flag"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"edgegw/internal/config"
)

var update = flag.Bool("update", false, "write docs/edgegw.reference.toml anew")

const referenceFile = "../../docs/edgegw.reference.toml"

// TestReference holds the shipped file equal to the option table. After a change
// of the table: go test ./internal/config -run TestReference -update
func TestReference(t *testing.T) {
	var b bytes.Buffer
	if err := config.WriteReference(&b); err != nil {
		t.Fatal(err)
	}
	if *update {
		if strconv.IntSize == 32 {
			t.Fatal("the shipped file is that of 64-bit machines; update it there")
		}
		if err := os.WriteFile(referenceFile, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	shipped, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	// The one option that depends on the machine.
	want := string(shipped)
	if strconv.IntSize == 32 {
		want = strings.Replace(want, "= 2147483648", "= 268435456", 1)
	}
	space := regexp.MustCompile(`[\s#]+`)
	most := regexp.MustCompile(`16777216 to \d+ bytes`)
	normal := func(s string) string { return most.ReplaceAllString(space.ReplaceAllString(s, " "), "") }
	if strconv.IntSize == 64 && b.String() != want || normal(b.String()) != normal(want) {
		t.Fatalf("%s differs from the option table; run this test with -update", referenceFile)
	}
	same(t, load(t, config.Sources{File: referenceFile}), load(t, config.Sources{}))

	// With every option switched on it must still mean the defaults.
	on := regexp.MustCompile(`(?m)^#(\S)`).ReplaceAllString(want, "$1")
	c := load(t, config.Sources{File: write(t, on)})
	if len(c.Rooms) != 1 || c.Rooms[0].Match != "*" || c.Rooms[0].Settings != config.DefaultRoomSettings() {
		t.Errorf("rooms: %+v", c.Rooms)
	}
	c.Rooms = nil
	same(t, c, load(t, config.Sources{}))
	for _, s := range c.Settings() {
		if s.Origin != config.FromFile {
			t.Errorf("%s is not in the file", s.Name)
		}
	}
}

func TestOptions(t *testing.T) {
	seen := make(map[string]bool)
	for _, o := range config.Options() {
		if seen[o.Name] || o.Doc == "" || !strings.HasSuffix(o.Doc, ".") || len(o.Doc) > 200 {
			t.Errorf("%s: twice, or without a short text for operators", o.Name)
		}
		seen[o.Name] = true
		if o.Secret != (strings.HasSuffix(o.Name, "_file")) {
			t.Errorf("%s: names of secret files, and only those, end in _file", o.Name)
		}
	}
	if o := config.Options()[4]; o.Name != "data_dir" || o.Variable() != "EDGEGW_DATA_DIR" || o.Flag() != "data-dir" {
		t.Errorf("got %+v", o)
	}
}
