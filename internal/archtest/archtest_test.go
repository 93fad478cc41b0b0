package archtest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"edgegw/internal/archtest"
)

const root = "../.."

// TestHouse checks this repository, one subtest a rule.
func TestHouse(t *testing.T) {
	tree, err := archtest.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	findings, unused := tree.Check(archtest.Rules, archtest.Exceptions)
	for _, rule := range archtest.Rules {
		t.Run(rule.Name, func(t *testing.T) {
			for _, f := range findings {
				if f.Rule == rule.Name {
					t.Errorf("%s", f)
				}
			}
			if t.Failed() {
				t.Logf("why there is this rule: %s", rule.Why)
			}
		})
	}
	t.Run("exceptions", func(t *testing.T) {
		for _, e := range unused {
			t.Errorf("nothing needs the exception any more; take it out: %+v", e)
		}
	})
}

// TestTables checks the tables against the tree: what they name has to exist.
func TestTables(t *testing.T) {
	for dir := range archtest.Floors {
		if goFiles, _ := filepath.Glob(filepath.Join(root, dir, "*.go")); len(goFiles) == 0 {
			t.Errorf("Floors lists %s, which has no Go files", dir)
		}
	}
	for _, e := range archtest.Exceptions {
		if e.Why == "" {
			t.Errorf("an exception has no reason: %+v", e)
		}
	}
}

// TestRules runs every rule over small trees that break one of them, and over a
// good one. Each tree says in want.txt what is to be found in it.
func TestRules(t *testing.T) {
	dirs, err := filepath.Glob("testdata/*")
	if err != nil || len(dirs) == 0 {
		t.Fatal("no trees in testdata", err)
	}
	broken := map[string]bool{"words": true} // see TestWords
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			want, err := os.ReadFile(filepath.Join(dir, "want.txt"))
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, f := range findings(t, dir, nil) {
				broken[f.Rule] = true
				fmt.Fprintln(&got, f)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("findings differ (-want +got):\n%s", diff)
			}
		})
	}
	for _, rule := range archtest.Rules {
		if !broken[rule.Name] {
			t.Errorf("no tree in testdata breaks the rule %q; a rule that was never seen to fail holds nothing", rule.Name)
		}
	}
}

// TestWords makes its trees as it runs, so that no file has to hold the words.
func TestWords(t *testing.T) {
	for _, bad := range archtest.BadWords {
		dir := t.TempDir()
		write(t, dir, "internal/hub/hub.go", "// Package hub is written down.\npackage hub\n\n// See "+bad.Word+": below.\n")
		write(t, dir, "docs/notes.md", "Nothing here.\n`"+bad.Word+"`\n")
		write(t, dir, "data/notes.md", bad.Word)
		write(t, dir, "logo.png", "\x89PNG\xff "+bad.Word)
		if !strings.Contains(bad.Word, "/") && !strings.Contains(bad.Word, ".") {
			write(t, dir, "docs/inside.md", "mktemp x."+bad.Word+bad.Word+" mas"+bad.Word+"s "+strings.ToLower(bad.Word))
		}
		var got []string
		for _, f := range findings(t, dir, nil) {
			got = append(got, fmt.Sprintf("%s:%d %s %s", f.Path, f.Line, f.Rule, f.Subject))
		}
		want := []string{"docs/notes.md:2 words " + bad.Word, "internal/hub/hub.go:4 words " + bad.Word}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("findings differ for %q (-want +got):\n%s", bad.Word, diff)
		}
	}
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	full := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestExceptions(t *testing.T) {
	const dir = "testdata/bad-calls"
	all := findings(t, dir, nil)
	covered := archtest.Exception{Rule: "calls", Path: "internal/hub", Subject: "time.Now", Why: "test"}
	some := findings(t, dir, []archtest.Exception{covered})
	var want []archtest.Finding
	for _, f := range all {
		if f.Subject != "time.Now" || !strings.HasPrefix(f.Path, "internal/hub/") {
			want = append(want, f)
		}
	}
	if diff := cmp.Diff(want, some); diff != "" || len(want) == len(all) {
		t.Errorf("an exception covers the wrong findings (-want +got):\n%s", diff)
	}

	tree, err := archtest.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []archtest.Exception{
		{Rule: "imports", Path: "internal/hub", Subject: "time.Now"},
		{Rule: "calls", Path: "internal/hu", Subject: "time.Now"},
		{Rule: "calls", Path: "internal/hub", Subject: "time"},
	} {
		left, unused := tree.Check(archtest.Rules, []archtest.Exception{e})
		if len(left) != len(all) || len(unused) != 1 {
			t.Errorf("exception %+v covers something", e)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	empty := t.TempDir()
	if _, err := archtest.Load(empty); err == nil {
		t.Error("a tree without Go files is no error; the rules would hold for nothing")
	}
	write(t, empty, "x.go", "package")
	if _, err := archtest.Load(empty); err == nil {
		t.Error("a file that does not parse is no error")
	}
}

func findings(t *testing.T, dir string, exceptions []archtest.Exception) []archtest.Finding {
	t.Helper()
	tree, err := archtest.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	found, _ := tree.Check(archtest.Rules, exceptions)
	return found
}
