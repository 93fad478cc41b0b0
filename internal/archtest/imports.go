package archtest

import (
	"path"
	"slices"
	"strings"
)

// below reports whether dir is one of the folders or lies in one of them.
func below(dir string, folders []string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return dir == f || strings.HasPrefix(dir, f+"/") })
}

// floor returns the floor of a folder, and whether it has one.
func floor(dir string) (int, bool) {
	if below(dir, []string{"cmd"}) {
		return FloorTop, true
	}
	f, ok := Floors[dir]
	return f, ok
}

// support reports whether the folder holds test support.
func support(dir string) bool {
	f, ok := floor(dir)
	return ok && f == FloorSupport
}

// own returns the folder of an import of this module.
func own(importPath string) (string, bool) { return strings.CutPrefix(importPath, Module+"/") }

func checkFloors(t *Tree, report reporter) {
	for _, p := range t.packages {
		mine, listed := floor(p.dir)
		if !listed {
			report(p.dir, 0, p.dir, "package has no floor; give it one in archtest.Floors, above everything that it imports")
			continue
		}
		for _, f := range p.all() {
			for imp, spec := range f.imports() {
				dir, ok := own(imp)
				if !ok {
					continue
				}
				_, line := t.at(spec)
				theirs, listed := floor(dir)
				switch tests := f.test || mine == FloorSupport; {
				case theirs == FloorTop && listed:
					report(f.path, line, dir, "imports a command; what two of them share belongs in a package of its own")
				case tests, !listed && mine != FloorClient:
				case mine == FloorClient:
					report(f.path, line, dir, "imports %s; a client is copied as it is, with the standard library and nothing else", dir)
				case mine == FloorTop && theirs == FloorClient: // a command may be a client
				case theirs == FloorSupport:
					report(f.path, line, dir, "imports test support outside a test")
				case theirs >= mine:
					report(f.path, line, dir, "%s is on floor %d and may import lower floors only; %s is on floor %d", p.dir, mine, dir, theirs)
				}
				checkGuarded(f, p.dir, dir, line, report)
			}
		}
	}
}

func checkGuarded(f *file, from, to string, line int, report reporter) {
	if f.test || support(from) {
		return
	}
	for _, g := range Guarded {
		if to == g.Package && !below(from, g.By) {
			report(f.path, line, to, "only %s imports %s: %s", strings.Join(g.By, ", "), to, g.Why)
		}
	}
}

// module returns the owner entry that an import path falls under. The longest
// module path wins, as it does in the go command.
func module(importPath string) (found Owner, ok bool) {
	for _, o := range Owners {
		if within(importPath, o.Module) && len(o.Module) > len(found.Module) {
			found, ok = o, true
		}
	}
	return found, ok
}

// within reports whether an import path belongs to a module.
func within(importPath, module string) bool {
	return importPath == module || strings.HasPrefix(importPath, module+"/")
}

func checkOwners(t *Tree, report reporter) {
	for _, p := range t.packages {
		for _, f := range p.all() {
			for imp, spec := range f.imports() {
				first, _, _ := strings.Cut(imp, "/")
				if !strings.Contains(first, ".") {
					continue // the standard library, or this module
				}
				_, line := t.at(spec)
				if f.test || support(p.dir) {
					if !inTestModules(imp) {
						report(f.path, line, imp, "%s is not listed for tests; list its module in archtest.TestModules with what it is for", imp)
					}
					continue
				}
				switch o, ok := module(imp); {
				case !ok && inTestModules(imp):
					report(f.path, line, imp, "%s is for tests only", imp)
				case !ok:
					report(f.path, line, imp, "%s has no owner; name one in archtest.Owners and describe the module in docs/DEPENDENCIES.md", imp)
				case o.Package != p.dir:
					report(f.path, line, o.Module, "%s belongs to %s, which has it for %s", imp, o.Package, o.For)
				}
			}
		}
	}
}

func inTestModules(importPath string) bool {
	for m := range TestModules {
		if within(importPath, m) {
			return true
		}
	}
	return false
}

func checkBans(t *Tree, report reporter) {
	for _, p := range t.packages {
		for _, f := range p.all() {
			for imp, spec := range f.imports() {
				for _, b := range Bans {
					if within(imp, b.Import) && (imp == b.Import || strings.Contains(b.Import, ".")) && b.covers(p, f) {
						_, line := t.at(spec)
						report(f.path, line, b.Import, "imports %s: %s", imp, b.Why)
					}
				}
			}
		}
	}
}

func (b Ban) covers(p *pkg, f *file) bool {
	if !b.Everywhere && (f.test || support(p.dir)) {
		return false
	}
	if fl, ok := floor(p.dir); ok && b.Below > 0 && fl != FloorSupport && fl < b.Below {
		return true
	}
	return below(p.dir, b.In) && !below(p.dir, b.Except)
}

func checkCalls(t *Tree, report reporter) {
	for _, p := range t.packages {
		for _, f := range p.all() {
			f.selectors(func(use selector) {
				for _, c := range Calls {
					exempt := !c.Tests && (f.test || support(p.dir))
					if exempt || use.path != c.Import || !slices.Contains(c.Names, use.name) || !below(p.dir, c.In) || below(p.dir, c.Except) {
						continue
					}
					_, line := t.at(use.node)
					report(f.path, line, path.Base(use.path)+"."+use.name, "%s.%s: %s", path.Base(use.path), use.name, c.Why)
				}
			})
		}
	}
}
