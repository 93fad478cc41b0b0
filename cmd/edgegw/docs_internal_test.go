package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"edgegw/internal/command"
	"edgegw/internal/config"
)

// commands gives each command that does something its line of use without
// "[flags]", for example "edgegw user add NAME".
func commands(cmd *command.Command) map[string]*command.Command {
	all := make(map[string]*command.Command)
	for _, c := range cmd.Commands() {
		if c.Hidden || c.Name() == "help" {
			continue
		}
		if len(c.Commands()) == 0 {
			all[strings.TrimSuffix(c.UseLine(), " [flags]")] = c
		}
		for use, below := range commands(c) {
			all[use] = below
		}
	}
	return all
}

// ownFlags are those that are no option of the configuration.
func ownFlags(cmd *command.Command) (names []string) {
	options := []string{"config", "help"}
	for _, o := range config.Options() {
		options = append(options, o.Flag())
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !slices.Contains(options, f.Name) {
			names = append(names, "--"+f.Name)
		}
	})
	return names
}

// The page has a row for each command, which names its flags, and none for a
// command that there is not.
func TestOperationsNamesEveryCommand(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "OPERATIONS.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]string)
	for _, line := range strings.Split(string(b), "\n") {
		cells := strings.SplitN(line, " | ", 2)
		for _, m := range regexp.MustCompile("`(edgegw [^`]+)`").FindAllStringSubmatch(cells[0], -1) {
			if strings.HasPrefix(line, "| `edgegw ") {
				rows[m[1]] = line
			}
		}
	}
	root := newRoot()
	all := commands(root)
	for use, cmd := range all {
		row, found := rows[use]
		if !found {
			t.Errorf("docs/OPERATIONS.md has no row for `%s`", use)
		}
		for _, flag := range ownFlags(cmd) {
			if found && !regexp.MustCompile("`"+flag+"[` ]").MatchString(row) {
				t.Errorf("docs/OPERATIONS.md does not name %s of `%s`", flag, use)
			}
		}
	}
	for use := range rows {
		if all[use] == nil {
			t.Errorf("docs/OPERATIONS.md has the command `%s`, which there is not", use)
		}
	}
	if len(all) < 25 {
		t.Errorf("only %d commands were found", len(all))
	}
}
