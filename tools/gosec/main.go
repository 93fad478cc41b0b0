// Command gosec runs gosec's rules and analyzers over the packages named on the
// command line and fails when one of them finds something.
//
// It stands here in place of gosec's own command, which links the clients of
// several hosted language models: 100 MB of binary, and minutes of compiling on
// every fresh checkout, for a feature that edgegw does not use. The rules are
// the same.
package main

import (
	"cmp"
	"fmt"
	"io"
	"log"
	"os"
	"slices"

	"github.com/securego/gosec/v2"
	"github.com/securego/gosec/v2/analyzers"
	"github.com/securego/gosec/v2/issue"
	"github.com/securego/gosec/v2/rules"
)

// excluded are the rules that edgegw does without, each with its reason.
var excluded = []struct{ rule, reason string }{
	{"G104", "unchecked errors are a matter of review; the rule also counts deferred Close calls"},
	{"G115", "it takes every narrowing conversion for a mistake and sees no bound beside it; lengths that come from outside are fuzzed on 32 and 64 bits"},
	{"G304", "every path that is opened comes from the operator's configuration or command line"},
	{"G703", "the same rule as G304, by taint analysis"},
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("gosec: ")
	if len(os.Args) < 2 {
		log.Fatal("name the packages to check, for example ./...")
	}
	found, err := run(os.Args[1:])
	if err != nil {
		log.Fatal(err)
	}
	if found > 0 {
		log.Fatalf("%d found; a false alarm is silenced by a comment: #nosec G123 -- why it is one", found)
	}
}

// run prints what was found and returns how much it was.
func run(patterns []string) (int, error) {
	config := gosec.NewConfig()
	config.SetGlobal(gosec.NoSecRequireRules, "true")
	config.SetGlobal(gosec.NoSecRequireJustification, "true")
	var out []string
	for _, e := range excluded {
		out = append(out, e.rule)
	}
	const (
		tests, generated, suppressed = false, false, false
		workers                      = 2
	)
	analyzer := gosec.NewAnalyzer(config, tests, generated, suppressed, workers, log.New(io.Discard, "", 0))
	analyzer.LoadRules(rules.Generate(suppressed, rules.NewRuleFilter(true, out...)).RulesInfo())
	analyzer.LoadAnalyzers(analyzers.Generate(suppressed, analyzers.NewAnalyzerFilter(true, out...)).AnalyzersInfo())

	var packages []string
	for _, pattern := range patterns {
		paths, err := gosec.PackagePaths(pattern, gosec.ExcludedDirsRegExp([]string{"testdata"}))
		if err != nil {
			return 0, err
		}
		packages = append(packages, paths...)
	}
	if len(packages) == 0 {
		return 0, fmt.Errorf("no packages match %q", patterns)
	}
	if err := analyzer.Process(nil, packages...); err != nil {
		return 0, err
	}
	return report(analyzer), nil
}

func report(analyzer *gosec.Analyzer) int {
	issues, metrics, failures := analyzer.Report()
	found := 0
	for file, errs := range failures {
		for _, e := range errs {
			fmt.Printf("%s:%d: %s\n", file, e.Line, e.Err)
			found++
		}
	}
	slices.SortFunc(issues, func(a, b *issue.Issue) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.RuleID, b.RuleID), cmp.Compare(a.Line, b.Line))
	})
	for _, i := range issues {
		// Findings that gosec itself takes for guesses are left to review.
		if i.Severity < issue.Medium || i.Confidence < issue.Medium {
			continue
		}
		fmt.Printf("%s:%s: %s: %s\n%s", i.File, i.Line, i.RuleID, i.What, i.Code)
		found++
	}
	fmt.Printf("gosec: %d files, %d lines\n", metrics.NumFiles, metrics.NumLines)
	return found
}
