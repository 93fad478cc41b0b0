package archtest

import (
	"bytes"
	"go/ast"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"
)

func checkInit(t *Tree, report reporter) {
	for _, p := range t.packages {
		for _, f := range p.all() {
			for _, decl := range f.ast.Decls {
				if d, ok := decl.(*ast.FuncDecl); ok && d.Recv == nil && d.Name.Name == "init" {
					_, line := t.at(d)
					report(f.path, line, "init", "has an init function; do it in a constructor that can be called, given options and fail")
				}
			}
		}
	}
}

func checkNames(t *Tree, report reporter) {
	for _, p := range t.packages {
		for _, name := range []string{p.name, path.Base(p.dir)} {
			if BadPackageNames[name] {
				report(p.dir, 0, name, "a package called %s is for everything; name it after the one thing that it is about", name)
				break
			}
		}
	}
}

func checkTestFiles(t *Tree, report reporter) {
	for _, p := range t.packages {
		for _, f := range p.tests {
			outside := strings.HasSuffix(f.ast.Name.Name, "_test")
			inside := strings.HasSuffix(f.path, "_internal_test.go")
			if outside == inside {
				report(f.path, 1, f.ast.Name.Name, "a test file is in package %s_test, or is named *_internal_test.go and sees the inside", strings.TrimSuffix(f.ast.Name.Name, "_test"))
			}
		}
	}
}

func checkSkips(t *Tree, report reporter) {
	for _, p := range t.packages {
		for _, f := range p.all() {
			if !f.test && !support(p.dir) {
				continue
			}
			ast.Inspect(f.ast, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				if sel, ok := call.Fun.(*ast.SelectorExpr); ok {
					switch name := sel.Sel.Name; name {
					case "Skip", "Skipf", "SkipNow":
						_, line := t.at(sel)
						report(f.path, line, name, "calls %s; install what is missing, or fail and say how to get it", name)
					}
				}
				return true
			})
		}
	}
}

func checkLength(t *Tree, report reporter) {
	for _, p := range t.packages {
		for _, f := range p.files {
			if f.lines > MaxFileLines {
				report(f.path, 0, f.path, "%d lines; a file has %d at most", f.lines, MaxFileLines)
			}
			for _, decl := range f.ast.Decls {
				d, ok := decl.(*ast.FuncDecl)
				if !ok {
					continue
				}
				_, first := t.at(d)
				if n := t.fset.Position(d.End()).Line - first + 1; n > MaxFunctionLines {
					report(f.path, first, d.Name.Name, "%s has %d lines; a function has %d at most", d.Name.Name, n, MaxFunctionLines)
				}
			}
		}
	}
}

func checkWords(t *Tree, report reporter) {
	for _, bad := range BadWords {
		// Words stand alone; paths and hosts count wherever they are.
		expr := regexp.QuoteMeta(bad.Word)
		if strings.ToUpper(bad.Word) == bad.Word && !strings.Contains(bad.Word, "/") {
			expr = `\b` + expr + `\b`
		}
		re := regexp.MustCompile(expr)
		for _, f := range t.texts {
			if !utf8.Valid(f.bytes) {
				continue
			}
			for i, line := range bytes.Split(f.bytes, []byte("\n")) {
				if re.Match(line) {
					report(f.path, i+1, bad.Word, "%s: %s", bad.Word, bad.Why)
				}
			}
		}
	}
}
