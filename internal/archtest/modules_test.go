package archtest_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"edgegw/internal/archtest"
)

// indirect are the modules that come with an owner's module.
var indirect = map[string]string{
	"github.com/klauspost/compress": "gws; permessage-deflate stays off",
	"github.com/valyala/fastrand":   "VictoriaMetrics/metrics",
	"github.com/valyala/histogram":  "VictoriaMetrics/metrics",
	"github.com/dolthub/maphash":    "gws",
}

type listed struct {
	ImportPath string
	Standard   bool
	Module     *struct{ Path string }
}

// TestLinked walks what the go command links into the gateway, through every
// dependency: modules that nobody named, and test support, must not be in it.
func TestLinked(t *testing.T) {
	modules := map[string]bool{}
	for _, p := range goList(t, "./cmd/edgegw") {
		if p.Standard {
			continue
		}
		if p.Module == nil {
			t.Fatalf("go list gives no module for %s", p.ImportPath)
		}
		dir, own := strings.CutPrefix(p.ImportPath, archtest.Module+"/")
		if own && archtest.Floors[dir] == archtest.FloorSupport {
			t.Errorf("test support %s is linked into the gateway", dir)
		}
		if !own {
			modules[p.Module.Path] = true
		}
	}
	for m := range modules {
		owned := slices.ContainsFunc(archtest.Owners, func(o archtest.Owner) bool { return o.Module == m })
		if !owned && indirect[m] == "" {
			t.Errorf("module %s is linked into the gateway and has neither an owner nor a line in the table of indirect ones", m)
		}
	}
	if len(modules) == 0 {
		t.Error("no third-party module is linked; the list cannot be right")
	}
}

// TestDependenciesDocumented wants each direct module of go.mod explained.
func TestDependenciesDocumented(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(root, "docs", "DEPENDENCIES.md"))
	if err != nil {
		t.Fatal(err)
	}
	mod := goModEdit(t)
	if len(mod.Require) == 0 {
		t.Fatal("go.mod requires nothing; the list cannot be right")
	}
	for _, r := range mod.Require {
		entry := "`" + r.Path + "`"
		if !r.Indirect && !strings.Contains(string(doc), entry) {
			t.Errorf("docs/DEPENDENCIES.md does not explain %s; go.mod requires it", entry)
		}
	}
}

type goMod struct {
	Require []struct {
		Path     string
		Indirect bool
	}
}

func goModEdit(t *testing.T) goMod {
	t.Helper()
	var mod goMod
	if err := json.Unmarshal(runGo(t, "mod", "edit", "-json"), &mod); err != nil {
		t.Fatal(err)
	}
	return mod
}

func goList(t *testing.T, pattern string) []listed {
	t.Helper()
	var all []listed
	dec := json.NewDecoder(strings.NewReader(string(runGo(t, "list", "-deps", "-json=ImportPath,Standard,Module", pattern))))
	for {
		var p listed
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func runGo(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, exit.Stderr)
		}
		t.Fatal(err)
	}
	return out
}
