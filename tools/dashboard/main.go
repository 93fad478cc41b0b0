// Command dashboard reads Grafana dashboards with the types that Grafana's own
// schemas are generated into: members that Grafana does not know, wrong types and
// values outside of its lists are errors. It is the nearest to loading a dashboard
// that needs no Grafana.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: dashboard FILE...")
		os.Exit(2)
	}
	// Without them, queries and options of panels would be taken unread.
	plugins.RegisterDefaultPlugins()
	for _, name := range os.Args[1:] {
		if err := check(name); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			os.Exit(1)
		}
	}
}

func check(name string) error {
	raw, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var d dashboard.Dashboard
	return errors.Join(some(d.UnmarshalJSONStrict(raw)), some(d.Validate()))
}

// some gives nil for an empty list of errors, which the generated code returns as
// an error that is not nil.
func some(err error) error {
	var list cog.BuildErrors
	if errors.As(err, &list) && len(list) == 0 {
		return nil
	}
	return err
}
