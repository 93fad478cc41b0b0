package archtest

import (
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Module is the module that the rules are written for.
const Module = "edgegw"

// Tree is a source tree, read and parsed once.
type Tree struct {
	root     string
	fset     *token.FileSet
	packages []*pkg
	texts    []text
}

// pkg is one folder of Go files.
type pkg struct {
	dir  string // relative to the root, with slashes
	name string // of the files that are no tests
	// files are the ones that are built; tests the others.
	files, tests []*file
	scope        *types.Scope
	uses         map[*ast.Ident]types.Object
}

type file struct {
	path  string // relative to the root, with slashes
	ast   *ast.File
	lines int
	test  bool
}

// text is any file that people write, Go or not.
type text struct {
	path  string
	bytes []byte
}

// Load reads the tree below root. It leaves out what git ignores and what people
// do not write: build results, data, lock files and the trees of this package's
// own tests.
func Load(root string) (*Tree, error) {
	t := &Tree{root: root, fset: token.NewFileSet()}
	byDir := map[string]*pkg{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		switch {
		case d.IsDir() && rel != "." && skipDir(rel):
			return fs.SkipDir
		case !d.Type().IsRegular() || skipFile(rel):
			return nil
		}
		return t.add(byDir, rel)
	})
	if err != nil {
		return nil, err
	}
	for _, p := range byDir {
		t.packages = append(t.packages, p)
	}
	slices.SortFunc(t.packages, func(a, b *pkg) int { return cmp.Compare(a.dir, b.dir) })
	for _, p := range t.packages {
		t.resolve(p)
	}
	if len(t.packages) == 0 {
		return nil, fmt.Errorf("archtest: no Go package below %s", root)
	}
	return t, nil
}

func skipDir(rel string) bool {
	switch rel {
	case ".git", ".cache", "data", "bin", "dist", "internal/archtest/testdata", "internal/dashboard/web/vendor":
		return true
	}
	return path.Base(rel) == "node_modules" || path.Base(rel) == "fuzz" && strings.Contains(rel, "testdata/")
}

func skipFile(rel string) bool {
	switch path.Base(rel) {
	case "LICENSE", "go.sum":
		return true
	}
	return false
}

// add reads one file; Go files go to their package as well.
func (t *Tree) add(byDir map[string]*pkg, rel string) error {
	b, err := os.ReadFile(filepath.Join(t.root, filepath.FromSlash(rel)))
	if err != nil {
		return err
	}
	t.texts = append(t.texts, text{path: rel, bytes: b})
	// The tools are a module of their own with rules of their own.
	if path.Ext(rel) != ".go" || strings.Contains(rel, "testdata/") || strings.HasPrefix(rel, "tools/") || strings.HasPrefix(rel, "third_party/") {
		return nil
	}
	parsed, err := parser.ParseFile(t.fset, rel, b, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return fmt.Errorf("archtest: %w", err)
	}
	f := &file{path: rel, ast: parsed, lines: strings.Count(string(b), "\n"), test: strings.HasSuffix(rel, "_test.go")}
	p := byDir[path.Dir(rel)]
	if p == nil {
		p = &pkg{dir: path.Dir(rel)}
		byDir[p.dir] = p
	}
	if f.test {
		p.tests = append(p.tests, f)
		return nil
	}
	p.name = parsed.Name.Name
	p.files = append(p.files, f)
	return nil
}

// resolve finds out which name means what, as far as that can be told without
// the imported packages. Whatever they are needed for stays unknown.
func (t *Tree) resolve(p *pkg) {
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	conf := types.Config{
		Importer: noImporter{},
		Error:    func(error) {},
	}
	var files []*ast.File
	for _, f := range p.files {
		files = append(files, f.ast)
	}
	// The error says that the imports are missing, which is known.
	checked, _ := conf.Check(p.importPath(), t.fset, files, info)
	p.scope, p.uses = checked.Scope(), info.Uses
}

type noImporter struct{}

func (noImporter) Import(string) (*types.Package, error) {
	return nil, errors.New("archtest reads one package at a time")
}

func (p *pkg) importPath() string { return path.Join(Module, p.dir) }

// all is the built files and the tests.
func (p *pkg) all() []*file { return slices.Concat(p.files, p.tests) }

// at says where in the tree a node is: a path and a line.
func (t *Tree) at(n ast.Node) (string, int) {
	pos := t.fset.Position(n.Pos())
	return pos.Filename, pos.Line
}

// imports returns the file's imports by path.
func (f *file) imports() map[string]*ast.ImportSpec {
	m := map[string]*ast.ImportSpec{}
	for _, spec := range f.ast.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			m[p] = spec
		}
	}
	return m
}

// selector is a use of another package's name.
type selector struct {
	node *ast.SelectorExpr
	path string // of the import
	name string
}

// selectors calls fn for each use of an imported package's name. A local variable
// that hides an import is not told from it; house style does not hide imports.
func (f *file) selectors(fn func(selector)) {
	names := map[string]string{}
	for p, spec := range f.imports() {
		name := path.Base(p)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = p
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && names[x.Name] != "" {
			fn(selector{node: sel, path: names[x.Name], name: sel.Sel.Name})
		}
		return true
	})
}
