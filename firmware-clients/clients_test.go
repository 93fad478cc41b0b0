package clients_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	clients "edgegw/firmware-clients"
)

var update = flag.Bool("update", false, "pack the files anew")

// served is what a folder has for its users; its tests, and what builds it, stay
// at home.
var served = []string{
	"README.md",
	"c/README.md", "c/CMakeLists.txt", "c/Kconfig", "c/idf_component.yml", "c/keywords.txt", "c/library.json", "c/library.properties", "c/ports/*/*.[ch]", "c/src/*",
	"c/examples/*.c", "c/examples/*/*.ino", "c/examples/*/CMakeLists.txt", "c/examples/*/sdkconfig.defaults", "c/examples/*/main/*",
	"go/*.go", "go/README.md", "javascript/*.js", "javascript/*.d.ts", "javascript/package.json", "javascript/README.md", "micropython/*.py", "micropython/package.json", "micropython/README.md",
	"rust/Cargo.toml", "rust/README.md", "rust/src/*.rs", "rust/examples/device.rs",
}

func sources(t *testing.T) (names []string) {
	for _, pattern := range served {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v %v", pattern, found, err)
		}
		for _, name := range found {
			if !strings.HasSuffix(name, "_test.go") && filepath.Base(name) != "vectors.rs" {
				names = append(names, filepath.ToSlash(name))
			}
		}
	}
	slices.Sort(names)
	return names
}

// The packed files are those of the folders, with nothing forgotten.
func TestPacked(t *testing.T) {
	names := sources(t)
	if *update {
		if err := os.WriteFile("clients.tar.gz", pack(t, names), 0o600); err != nil {
			t.Fatal(err)
		}
		return // what is embedded here is of before
	}
	if got := clients.Names(); !slices.Equal(got, names) {
		t.Fatalf("packed are %v, and there are %v; run go test ./firmware-clients -update", got, names)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if got, found := clients.File(name); !found || !bytes.Equal(got, b) {
			t.Errorf("%s is packed as it was before; run go test ./firmware-clients -update", name)
		}
	}
	if _, found := clients.File("go/client_test.go"); found {
		t.Error("a test is packed")
	}
}

func pack(t *testing.T, names []string) []byte {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	archive := tar.NewWriter(z)
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
