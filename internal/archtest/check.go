package archtest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Finding is one place that breaks a rule.
type Finding struct {
	Rule string
	Path string // relative to the root, with slashes
	Line int    // from 1; 0 is the whole file or folder
	// Subject is what exceptions are made for: an import path, a name.
	Subject string
	Message string
}

// String gives the finding as compilers do, so that editors jump to it.
func (f Finding) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", f.Path, f.Line, f.Rule, f.Message)
}

// Rule is one rule of the house.
type Rule struct {
	Name string
	// Why says what goes wrong in a house without the rule.
	Why   string
	check func(t *Tree, report reporter)
}

// reporter takes what a rule found.
type reporter func(path string, line int, subject, format string, args ...any)

// Exception lets one subject pass a rule in one place.
type Exception struct {
	Rule string
	// Path is a file, or a folder with everything below it.
	Path    string
	Subject string
	Why     string
}

func (e Exception) covers(f Finding) bool {
	below := f.Path == e.Path || strings.HasPrefix(f.Path, e.Path+"/")
	return e.Rule == f.Rule && e.Subject == f.Subject && below
}

// Check returns what breaks one of the rules and is covered by no exception,
// sorted by place, and the exceptions that covered nothing.
func (t *Tree) Check(rules []Rule, exceptions []Exception) (findings []Finding, unused []Exception) {
	used := make([]bool, len(exceptions))
	for _, rule := range rules {
		rule.check(t, func(path string, line int, subject, format string, args ...any) {
			f := Finding{Rule: rule.Name, Path: path, Line: line, Subject: subject, Message: fmt.Sprintf(format, args...)}
			i := slices.IndexFunc(exceptions, func(e Exception) bool { return e.covers(f) })
			if i >= 0 {
				used[i] = true
				return
			}
			findings = append(findings, f)
		})
	}
	for i, e := range exceptions {
		if !used[i] {
			unused = append(unused, e)
		}
	}
	slices.SortFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Message, b.Message))
	})
	return findings, unused
}
