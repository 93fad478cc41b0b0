package archtest

import (
	"go/ast"
	"go/token"
	"go/types"
	"strconv"
	"strings"
)

// checkVariables lets package variables be errors, tables that nothing writes to,
// embedded files and the results of Immutable calls.
func checkVariables(t *Tree, report reporter) {
	for _, p := range t.packages {
		for _, f := range p.files {
			for _, decl := range f.ast.Decls {
				if d, ok := decl.(*ast.GenDecl); ok && d.Tok == token.VAR {
					t.checkDeclared(p, f, d, report)
				}
			}
			t.checkWrites(p, f, report)
		}
	}
}

func (t *Tree) checkDeclared(p *pkg, f *file, d *ast.GenDecl, report reporter) {
	for _, s := range d.Specs {
		spec := s.(*ast.ValueSpec)
		if embedded(d.Doc) || embedded(spec.Doc) {
			continue
		}
		for i, name := range spec.Names {
			var value ast.Expr
			if i < len(spec.Values) {
				value = spec.Values[i]
			}
			if name.Name == "_" || value != nil && p.constant(f, value) {
				continue
			}
			_, line := t.at(name)
			report(f.path, line, name.Name, "package variable %s is no error, no table and no embedded file; make it a field of what uses it", name.Name)
		}
	}
}

// embedded reports whether a declaration's comment has a go:embed directive.
func embedded(doc *ast.CommentGroup) bool {
	if doc == nil {
		return false
	}
	for _, c := range doc.List {
		if strings.HasPrefix(c.Text, "//go:embed ") {
			return true
		}
	}
	return false
}

// constant reports whether the value can stand in a variable that is not written
// to: a composite literal, an Immutable call, a conversion of a literal.
func (p *pkg) constant(f *file, value ast.Expr) bool {
	switch v := value.(type) {
	case *ast.ParenExpr:
		return p.constant(f, v.X)
	case *ast.UnaryExpr:
		return v.Op == token.AND && p.constant(f, v.X)
	case *ast.CompositeLit:
		// A literal of a lock, an atomic, a pool or a client is no table.
		name := qualified(f, v.Type)
		return !strings.HasPrefix(name, "sync.") && !strings.HasPrefix(name, "sync/atomic.") && !strings.HasPrefix(name, "net/http.")
	case *ast.CallExpr:
		if name := qualified(f, v.Fun); Immutable[name] {
			return true
		}
		return bytesOfLiteral(v)
	}
	return false
}

// bytesOfLiteral reports whether the call is a conversion such as []byte("x").
func bytesOfLiteral(call *ast.CallExpr) bool {
	if _, ok := call.Fun.(*ast.ArrayType); !ok || len(call.Args) != 1 {
		return false
	}
	_, ok := call.Args[0].(*ast.BasicLit)
	return ok
}

// qualified spells a selector with the import path in front, such as
// "encoding/base64.RawURLEncoding.Strict". Names of the package itself, and what
// is no name, give "".
func qualified(f *file, e ast.Expr) string {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	x, ok := sel.X.(*ast.Ident)
	if !ok {
		if q := qualified(f, sel.X); q != "" {
			return q + "." + sel.Sel.Name
		}
		return ""
	}
	for path, spec := range f.imports() {
		if spec.Name != nil && spec.Name.Name == x.Name || spec.Name == nil && (path == x.Name || strings.HasSuffix(path, "/"+x.Name)) {
			return path + "." + sel.Sel.Name
		}
	}
	return ""
}

// checkWrites finds assignments to package variables, this package's and others'.
func (t *Tree) checkWrites(p *pkg, f *file, report reporter) {
	written := func(e ast.Expr) {
		if e == nil {
			return
		}
		if name := p.variable(f, e); name != "" {
			_, line := t.at(e)
			report(f.path, line, name, "writes to package variable %s; a variable that changes is a field of what changes it", name)
		}
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, e := range n.Lhs {
				written(e)
			}
		case *ast.IncDecStmt:
			written(n.X)
		case *ast.RangeStmt:
			if n.Tok == token.ASSIGN {
				written(n.Key)
				written(n.Value)
			}
		case *ast.UnaryExpr:
			if id, ok := n.X.(*ast.Ident); ok && n.Op == token.AND {
				written(id)
			}
		case *ast.CallExpr:
			if fn, ok := n.Fun.(*ast.Ident); ok && len(n.Args) > 0 && (fn.Name == "delete" || fn.Name == "clear" || fn.Name == "copy") {
				written(n.Args[0])
			}
		}
		return true
	})
}

// variable returns the name of the package variable that an expression lies in,
// or "".
func (p *pkg) variable(f *file, e ast.Expr) string {
	var last string
	for {
		switch x := e.(type) {
		case *ast.ParenExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.SelectorExpr:
			last, e = x.Sel.Name, x.X
		case *ast.Ident:
			switch obj := p.uses[x].(type) {
			case *types.Var:
				if obj.Parent() == p.scope {
					return x.Name
				}
			case *types.PkgName:
				return strconv.Quote(obj.Imported().Path()) + "." + last
			}
			return ""
		default:
			return ""
		}
	}
}
