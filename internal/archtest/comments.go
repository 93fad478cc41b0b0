package archtest

import (
	"go/ast"
	"go/token"
	"path"
	"strings"
)

func checkPackageComments(t *Tree, report reporter) {
	for _, p := range t.packages {
		if len(p.files) == 0 {
			continue // tests only: what they are for stands in what they test
		}
		want := "Package " + p.name + " "
		if p.name == "main" {
			want = "Command " + path.Base(p.dir) + " "
		}
		found := false
		for _, f := range p.files {
			if f.ast.Doc == nil {
				continue
			}
			_, line := t.at(f.ast.Name)
			switch text := f.ast.Doc.Text(); {
			case found:
				report(f.path, line, p.dir, "package %s has a second package comment; one place says what it is for", p.dir)
			case !strings.HasPrefix(text, want):
				report(f.path, line, p.dir, "the package comment starts with %q", want)
			}
			found = true
		}
		if !found {
			report(p.dir, 0, p.dir, "no package comment; say what the package is for and what it is not, starting with %q", want)
		}
	}
}

func checkDocComments(t *Tree, report reporter) {
	for _, p := range t.packages {
		for _, f := range p.files {
			missing := func(n *ast.Ident, what string) {
				_, line := t.at(n)
				report(f.path, line, n.Name, "%s %s is exported and has no comment", what, n.Name)
			}
			for _, decl := range f.ast.Decls {
				switch d := decl.(type) {
				case *ast.FuncDecl:
					if d.Doc == nil && d.Name.IsExported() && exportedReceiver(d) {
						missing(d.Name, "function")
					}
				case *ast.GenDecl:
					checkGroup(d, missing)
				}
			}
		}
	}
}

// exportedReceiver reports whether a method belongs to an exported type; a
// function without receiver counts as well.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	e := d.Recv.List[0].Type
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return true
		}
	}
}

// checkGroup wants a comment on each exported name of a declaration, or one on
// the group as a whole. A type needs its own.
func checkGroup(d *ast.GenDecl, missing func(*ast.Ident, string)) {
	for _, s := range d.Specs {
		switch spec := s.(type) {
		case *ast.TypeSpec:
			if spec.Name.IsExported() && spec.Doc == nil && (d.Doc == nil || len(d.Specs) > 1) {
				missing(spec.Name, "type")
			}
			if iface, ok := spec.Type.(*ast.InterfaceType); ok && spec.Name.IsExported() {
				checkMethods(iface, d.Doc.Text()+spec.Doc.Text(), missing)
			}
		case *ast.ValueSpec:
			if spec.Doc != nil || spec.Comment != nil || d.Doc != nil {
				continue
			}
			what := "variable"
			if d.Tok == token.CONST {
				what = "constant"
			}
			for _, name := range spec.Names {
				if name.IsExported() {
					missing(name, what)
				}
			}
		}
	}
}

// checkMethods wants a comment on each method of an exported interface: it is
// where a contract names its errors. The type's comment is enough for one method,
// or when it says itself which errors there are.
func checkMethods(iface *ast.InterfaceType, doc string, missing func(*ast.Ident, string)) {
	if iface.Methods.NumFields() < 2 || strings.Contains(strings.ToLower(doc), "error") {
		return
	}
	for _, m := range iface.Methods.List {
		for _, name := range m.Names {
			if name.IsExported() && m.Doc == nil && m.Comment == nil {
				missing(name, "interface method")
			}
		}
	}
}
