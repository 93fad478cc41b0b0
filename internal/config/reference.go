package config

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Setting is one option as it was set. For a secret file it holds the path,
// since Load reads no more; of a value that may hold a secret itself, the part
// that may be shown.
type Setting struct {
	Name string
	// Value is in TOML, and at the same time in JSON: a number, a quoted
	// text or an array of them.
	Value  string
	Origin Origin
	// Where is the file and line, the variable or the flag; "" for a default.
	Where string
	// Hidden says that Value is not all of it.
	Hidden bool
}

func (o Option) setting(r raw) Setting {
	shown := r
	shown.text = o.shown(r.text)
	return Setting{
		Name: o.Name, Value: o.literal(shown), Origin: r.from.origin, Where: r.from.place(),
		Hidden: shown.text != r.text,
	}
}

// literal writes a value as it stands in the file.
func (o Option) literal(r raw) string {
	switch o.Kind {
	case Integer:
		// Variables may have signs and zeros that TOML has not.
		if n, err := strconv.ParseInt(r.text, 10, 64); err == nil {
			return strconv.FormatInt(n, 10)
		}
	case List:
		items := slices.Clone(r.items())
		for i := range items {
			items[i] = quote(items[i])
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	return quote(r.text)
}

// quote writes a basic string of TOML. Load let no control characters in.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// Settings lists every option with its value and where that came from, in the
// order of the option table. [[rooms]] tables are in Rooms.
func (c *Config) Settings() []Setting { return slices.Clone(c.settings) }

// Write writes the configuration as a TOML file, each value with its origin in a
// comment. Loading that file gives the same configuration, less the values that
// are not shown in full: those lines are comments.
func (c *Config) Write(w io.Writer) error {
	b := bufio.NewWriter(w)
	for _, s := range c.settings {
		s.write(b)
	}
	c.writeRooms(b)
	return b.Flush()
}

// WriteGiven writes as a TOML file what was set, by whatever source, with nothing
// left out: a gateway that is given that file alone is configured as this one. It
// is for whoever may know the secret in reset_webhook.
func (c *Config) WriteGiven(w io.Writer) error {
	b := bufio.NewWriter(w)
	for _, s := range c.settings {
		if s.Hidden {
			s.Value, s.Hidden = quote(c.texts[s.Name]), false
		}
		if s.Origin != FromDefault {
			s.write(b)
		}
	}
	c.writeRooms(b)
	return b.Flush()
}

// SecretFiles are the paths of the secret files that were named, by option.
func (c *Config) SecretFiles() map[string]string {
	files := make(map[string]string)
	for _, s := range c.settings {
		if path := c.texts[s.Name]; path != "" && table[find(table, s.Name)].Secret {
			files[s.Name] = path
		}
	}
	return files
}

func (c *Config) writeRooms(b io.Writer) {
	for _, table := range c.roomSettings {
		fmt.Fprint(b, "\n[[rooms]]\n")
		for _, s := range table {
			s.write(b)
		}
	}
}

func (s Setting) write(w io.Writer) {
	if s.Hidden {
		fmt.Fprint(w, "#")
	}
	fmt.Fprintf(w, "%s = %s # %s", s.Name, s.Value, s.Origin)
	if s.Where != "" {
		fmt.Fprintf(w, " %s", s.Where)
	}
	fmt.Fprintln(w)
}

const referenceHead = `# The options of edgegw, each with its default. This file is made by
# "edgegw config reference"; it sets nothing until a # in front of a name is taken
# away.
#
# A flag wins over a variable, a variable over this file, this file over the
# default: listen is --listen and EDGEGW_LISTEN as well. "edgegw serve --config
# FILE" or EDGEGW_CONFIG names the file; "edgegw config check" tests it and
# "edgegw config show" says where each value comes from.
#
# Durations are written like 90s, 15m, 12h or 30d. Lists are arrays here and
# comma-separated in variables and flags. Secrets are never written here: options
# that end in _file name a file that holds one. Only the address of reset_webhook
# may be worth keeping to yourself; "edgegw config show" leaves out its path.
`

const referenceRooms = `
# [[rooms]] tables give settings to the rooms that they match. The first table
# that matches a room counts, so the particular ones go first; they stand at the
# end of the file. Only the file has them.
`

// WriteReference writes the reference file: every option, explained, with its
// default.
func WriteReference(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprint(b, referenceHead)
	for i := range table {
		table[i].writeReference(b)
	}
	fmt.Fprint(b, referenceRooms)
	fmt.Fprint(b, "#[[rooms]]\n")
	for i := range roomTable {
		o := roomTable[i].Option
		if o.Name == "match" {
			o.production = "*"
			o.development = "*"
		}
		o.writeReference(b)
	}
	return b.Flush()
}

func (o Option) writeReference(w io.Writer) {
	fmt.Fprintln(w)
	text := o.Doc
	if o.Range != "" {
		text += " Allowed: " + o.Range + "."
	}
	if o.production != o.development {
		text += fmt.Sprintf(" In development the default is %s.", o.development)
	}
	for line := range wrap(text, 78) {
		fmt.Fprintf(w, "# %s\n", line)
	}
	fmt.Fprintf(w, "#%s = %s\n", o.Name, o.literal(raw{text: o.production}))
}

// wrap breaks a text into lines of at most width bytes, unless a word is longer.
func wrap(text string, width int) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		line := ""
		for word := range strings.FieldsSeq(text) {
			if line != "" && len(line)+1+len(word) > width {
				if !yield(line) {
					return
				}
				line = ""
			}
			if line != "" {
				line += " "
			}
			line += word
		}
		yield(line)
	}
}
