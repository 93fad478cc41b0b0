package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"edgegw/internal/buildinfo"
	"edgegw/internal/command"
	"edgegw/internal/config"
)

// manualVariable names the variable with the folder that TestManual writes the
// pages of the manual to; scripts/package.sh sets it. The pages are made here,
// of the commands themselves, so that nothing of it is in the shipped program.
const manualVariable = "EDGEGW_MANUAL"

// roff escapes text for troff: no line begins a request by accident.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

// page is one page of the manual in the making.
type page struct {
	strings.Builder
	name    string
	section int
}

func newPage(name string, section int, short string) *page {
	p := &page{name: name, section: section}
	p.linef(`.TH "%s" %d "" "edgegw %s" "edgegw"`, strings.ToUpper(roff(name)), section, roff(buildinfo.Read().Version))
	p.head("NAME")
	p.linef("%s \\- %s", roff(name), roff(short))
	return p
}

func (p *page) linef(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }
func (p *page) head(title string)                { p.linef(".SH %s", title) }

func (p *page) item(term, text string) {
	p.linef(".TP\n.B %s\n%s", roff(term), roff(strings.TrimSpace(text)))
}

// command writes a command and what is below it.
func (p *page) command(c *command.Command) {
	if len(c.Commands()) > 0 {
		for _, sub := range c.Commands() {
			if !sub.Hidden && sub.Name() != "help" {
				p.command(sub)
			}
		}
		return
	}
	p.linef(".SS \"%s\"", roff(strings.TrimSuffix(c.UseLine(), " [flags]")))
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	p.linef("%s", strings.ReplaceAll(roff(strings.TrimSpace(text)), "\n\n", "\n.PP\n"))
	options := make(map[string]bool)
	for _, o := range config.Options() {
		options[o.Flag()] = true
	}
	some := false
	c.Flags().VisitAll(func(f *pflag.Flag) {
		switch {
		case f.Hidden || f.Name == "help":
		case options[f.Name]:
			some = true
		default:
			kind, usage := pflag.UnquoteUsage(f)
			p.item(strings.TrimSpace("--"+f.Name+" "+kind), usage)
		}
	})
	if some {
		p.linef(".PP\nOptions of the configuration may be given as flags, such as\n.BR \\-\\-data\\-dir ;\nsee\n.BR edgegw.toml (5).")
	}
}

func (p *page) seeAlso(root *command.Command) {
	p.head("SEE ALSO")
	for _, c := range root.Commands() {
		if !c.Hidden && c.Name() != "help" && "edgegw-"+c.Name() != p.name {
			p.linef(".BR edgegw\\-%s (1),", roff(c.Name()))
		}
	}
	if p.name != "edgegw" {
		p.linef(".BR edgegw (1),")
	}
	p.linef(".BR edgegw.toml (5)")
}

func mainPage(root *command.Command) *page {
	p := newPage("edgegw", 1, "the secure real-time hub of a site")
	p.head("SYNOPSIS")
	p.linef(".B edgegw\n.I COMMAND\n[flags]")
	p.head("DESCRIPTION")
	p.linef("edgegw is a gateway for messages between people and devices of one site: rooms over WebSocket and HTTP, logins, history. " +
		"As a Debian package it runs as the service edgegw.service.")
	p.head("COMMANDS")
	for _, c := range root.Commands() {
		if !c.Hidden && c.Name() != "help" {
			p.item("edgegw "+c.Name(), c.Short+fmt.Sprintf("; see edgegw-%s(1).", c.Name()))
		}
	}
	p.head("FILES")
	p.item("/etc/edgegw/edgegw.toml", "The configuration of the service; see edgegw.toml(5).")
	p.item("/var/lib/edgegw", "The databases and generated secrets, unless data_dir says otherwise.")
	p.head("EXIT STATUS")
	p.item("0", "Done.")
	p.item("1", "Failed, or unhealthy.")
	p.item("2", "The command line or the configuration is wrong.")
	p.seeAlso(root)
	return p
}

func configPage(root *command.Command) *page {
	p := newPage("edgegw.toml", 5, "configuration of edgegw")
	p.head("DESCRIPTION")
	p.linef("%s", roff("A file in TOML with the options below. A flag wins over a variable of the environment, that over the file, that over the default: "+
		"listen is --listen and EDGEGW_LISTEN as well. Durations are written like 90s, 15m, 12h or 30d. "+
		"Secrets are never written here: options that end in _file name a file that holds one.\n.PP\n"))
	p.linef("%s", roff("`edgegw config check --config FILE` says what is wrong with a file, `edgegw config show` what is in force and where it comes from. "+
		"After a change: systemctl restart edgegw."))
	p.head("OPTIONS")
	for _, o := range config.Options() {
		text := o.Doc
		if d := o.Default(config.Production); d != "" {
			text += " Default: " + d + "."
		}
		p.item(o.Name, text)
	}
	p.linef(".PP\n%s", roff("[[rooms]] tables give settings to rooms by pattern; `edgegw config reference` explains them, and prints a file with everything."))
	p.seeAlso(root)
	return p
}

// manual is every page.
func manual() []*page {
	root := newRoot()
	pages := []*page{mainPage(root), configPage(root)}
	for _, c := range root.Commands() {
		if c.Hidden || c.Name() == "help" {
			continue
		}
		short := strings.ToLower(c.Short[:1]) + c.Short[1:]
		p := newPage("edgegw-"+c.Name(), 1, short)
		p.head("COMMANDS")
		p.command(c)
		p.seeAlso(root)
		pages = append(pages, p)
	}
	return pages
}

// TestManual makes the manual: a page for each command, which names all of its
// flags, and one for the configuration. What troff says of them is lintian's business,
// in `make test-packages`.
func TestManual(t *testing.T) {
	dir := os.Getenv(manualVariable)
	if dir == "" {
		dir = t.TempDir()
	}
	text := make(map[string]string)
	for _, p := range manual() {
		name := fmt.Sprintf("%s.%d", p.name, p.section)
		text[name] = p.String()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(p.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	root := newRoot()
	for use, c := range commands(root) {
		top := strings.Fields(use)[1]
		for _, want := range append(ownFlags(c), use) {
			if !strings.Contains(text["edgegw-"+top+".1"], roff(want)) {
				t.Errorf("the manual of %s does not have %s", use, want)
			}
		}
	}
	for _, o := range config.Options() {
		if !strings.Contains(text["edgegw.toml.5"], roff(o.Name)) {
			t.Errorf("edgegw.toml(5) does not have %s", o.Name)
		}
	}
}
