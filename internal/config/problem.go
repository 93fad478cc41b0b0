package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Origin says which kind of source a value came from.
type Origin string

// The origins, from the weakest to the strongest.
const (
	FromDefault    Origin = "default"
	FromCredential Origin = "credential"
	FromFile       Origin = "file"
	FromVariable   Origin = "env"
	FromFlag       Origin = "flag"
)

// source is where exactly a value came from.
type source struct {
	origin Origin
	option string // the option's name, if it is known
	name   string // as it is written there: listen, EDGEGW_LISTEN, --listen
	file   string
	line   int // 0 when it is not known
	// table is the number of the [[rooms]] table, from 1; 0 is none. Its line
	// is looked up only when there is something to say about it.
	table int
}

// place names the source for people, for example "edgegw.toml:12".
func (s source) place() string {
	switch {
	case s.origin == FromDefault:
		return ""
	case s.origin != FromFile:
		return s.name
	case s.line == 0:
		return s.file
	}
	return fmt.Sprintf("%s:%d", s.file, s.line)
}

// Problem is one thing that is wrong with the configuration.
type Problem struct {
	// Where is the file and line, the variable or the flag.
	Where string
	// Text says what is wrong, what is allowed and what to do. It never
	// holds the value of an option that edgegw does not know, which may be a
	// secret in the wrong place.
	Text string

	from source
}

// String gives the problem on one line.
func (p Problem) String() string { return p.Where + ": " + p.Text }

// Problems is the error of Load: all that is wrong, in the order of the file,
// then of the variables and flags.
type Problems []Problem

// Error gives one line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

func (ps *Problems) add(from source, format string, args ...any) {
	*ps = append(*ps, Problem{Text: fmt.Sprintf(format, args...), from: from})
}

// locate fills in where the problems are and puts them in order.
func (ps Problems) locate(d *document) {
	rank := []Origin{FromDefault, FromCredential, FromFile, FromVariable, FromFlag}
	for i := range ps {
		p := &ps[i]
		if p.from.table > 0 && p.from.line == 0 {
			p.from.line = d.lineInRooms(p.from.table, p.from.name)
		}
		p.Where = p.from.place()
		if p.from.origin == FromFile && p.from.name != "" {
			p.Text = p.from.name + ": " + p.Text
		}
	}
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(slices.Index(rank, a.from.origin), slices.Index(rank, b.from.origin)),
			cmp.Compare(a.from.line, b.from.line),
			cmp.Compare(a.from.name, b.from.name))
	})
}

// suggest gives the known name that is nearest to the given one, in the form of
// a question that ends a sentence, or just its end.
func suggest(given string, known []string) string {
	best, least := "", max(2, len(given)/4)+1
	for _, k := range known {
		// A name with a piece missing or too much is a likely slip, however
		// long the piece: secret_file, server_listen.
		d := distance(given, k)
		if len(given) >= 4 && (strings.Contains(k, given) || strings.Contains(given, k)) {
			d = min(d, 2)
		}
		if d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return "."
	}
	return "; did you mean " + best + "?"
}

// distance is the number of letters to change, add or take away (Levenshtein).
// Long names are cut: they are no slip of the pen.
func distance(a, b string) int {
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
