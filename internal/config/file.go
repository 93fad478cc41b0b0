package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// Limits of the configuration file.
const (
	maxFileBytes  = 256 << 10
	maxRoomTables = 256
	maxTableDepth = 16
)

// document is the decoded file: options by name, and the [[rooms]] tables.
type document struct {
	name   string
	src    string
	values map[string]raw
	rooms  []map[string]raw

	roomLines []map[string]int // see lineInRooms
}

// readDocument reads and decodes the file. What is wrong with it goes into ps.
func readDocument(name string, ps *Problems) *document {
	d := &document{name: name}
	data, err := readFile(name)
	if err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		ps.add(d.source(""), "the configuration file cannot be read: %v; check --config and %s", err, FileVariable)
		return d
	}
	d.decode(string(data), ps)
	return d
}

// readFile reads a file of bounded size, since the name may be anything, also a
// device that never ends.
func readFile(name string) ([]byte, error) {
	if printable(name, strconv.Quote) != nil {
		return nil, errors.New("its name holds control characters or broken UTF-8")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err == nil && len(data) > maxFileBytes {
		err = fmt.Errorf("it has more than %d bytes", maxFileBytes)
	}
	return data, err
}

func (d *document) source(name string) source {
	return source{origin: FromFile, file: d.name, name: name, option: name}
}

func (d *document) decode(src string, ps *Problems) {
	// The library drops the byte order mark too, but counts positions
	// without it.
	d.src = strings.TrimPrefix(src, "\ufeff")
	var top map[string]toml.Primitive
	md, err := toml.Decode(d.src, &top)
	if err != nil {
		from := d.source("")
		text := err.Error()
		var pe toml.ParseError
		if errors.As(err, &pe) {
			// Counted here, since the library is a line off for a newline
			// in a text when line ends are those of Windows.
			before := d.src[:max(0, min(pe.Position.Start, len(d.src)))]
			from.line, text = 1+strings.Count(before, "\n"), pe.Message
		}
		ps.add(from, "not TOML: %s", text)
		return
	}
	d.values = make(map[string]raw, len(top))
	for name, value := range top {
		if name == "rooms" {
			d.decodeRooms(&md, value, ps)
			continue
		}
		from := d.source(name)
		from.line = lineOf(&md, value, 0)
		i := find(table, name)
		if i < 0 {
			ps.add(from, "unknown option%s %s", suggest(name, names(table)), hint(&md, value))
			continue
		}
		if r, ok := read(&md, value, table[i].Option, from, ps); ok {
			d.values[name] = r
		}
	}
}

// hint is the next step after an unknown name.
func hint(md *toml.MetaData, value toml.Primitive) string {
	var members map[string]toml.Primitive
	if md.PrimitiveDecode(value, &members) == nil && members != nil {
		return `Options stand by themselves, in no [table]; only [[rooms]] has tables.`
	}
	return `"edgegw config reference" lists all options.`
}

func (d *document) decodeRooms(md *toml.MetaData, value toml.Primitive, ps *Problems) {
	from := d.source("rooms")
	from.line = lineOf(md, value, 0)
	var tables []map[string]toml.Primitive
	if md.PrimitiveDecode(value, &tables) != nil {
		ps.add(from, "rooms are written as tables that begin with a line [[rooms]]")
		return
	}
	if len(tables) > maxRoomTables {
		ps.add(from, "%d [[rooms]] tables; use at most %d, and patterns with *", len(tables), maxRoomTables)
		return
	}
	d.rooms = make([]map[string]raw, len(tables))
	for i, members := range tables {
		d.rooms[i] = make(map[string]raw, len(members))
		for name, value := range members {
			from := d.source(name)
			from.table = i + 1
			j := find(roomTable, name)
			if j < 0 {
				ps.add(from, "unknown option of [[rooms]]%s It has %s.",
					suggest(name, names(roomTable)), strings.Join(names(roomTable), ", "))
				continue
			}
			if r, ok := read(md, value, roomTable[j].Option, from, ps); ok {
				d.rooms[i][name] = r
			}
		}
	}
}

// read takes a value if it has the option's type.
func read(md *toml.MetaData, value toml.Primitive, o Option, from source, ps *Problems) (raw, bool) {
	r := raw{from: from}
	var v any
	if err := md.PrimitiveDecode(value, &v); err != nil {
		ps.add(from, "%v", err)
		return r, false
	}
	switch v := v.(type) {
	case string:
		if o.Kind == Text || o.Kind == Duration {
			r.text = v
			return r, true
		}
	case int64:
		if o.Kind == Integer {
			r.text = strconv.FormatInt(v, 10)
			return r, true
		}
	case []any:
		if o.Kind == List {
			r.list = make([]string, len(v))
			for i, item := range v {
				s, ok := item.(string)
				if !ok {
					ps.add(from, "item %d of the array is %s; use strings", i+1, typeName(item))
					return r, false
				}
				r.list[i] = s
			}
			return r, true
		}
	}
	ps.add(from, "this is %s; %s", typeName(v), form[o.Kind])
	return r, false
}

// form says how each kind is written in the file.
var form = map[Kind]string{
	Text:     `write text in quotes: name = "value"`,
	Integer:  "write a whole number without quotes: name = 5",
	Duration: `write a duration in quotes: name = "15m"`,
	List:     `write an array of strings: name = ["a", "b"]`,
}

func typeName(v any) string {
	switch v.(type) {
	case string:
		return "text"
	case int64:
		return "a whole number"
	case float64:
		return "a fraction"
	case bool:
		return "a boolean"
	case []any:
		return "an array"
	case map[string]any, []map[string]any:
		return "a table"
	}
	return "a date or time"
}

// errProbe is what a probe answers; see lineOf.
var errProbe = errors.New("probe")

type probe struct{}

// UnmarshalTOML refuses everything.
func (*probe) UnmarshalTOML(any) error { return errProbe }

// position asks where a value stands. The library tells positions only in its
// errors, so one is provoked.
func position(md *toml.MetaData, value toml.Primitive) toml.Position {
	var pe toml.ParseError
	errors.As(md.PrimitiveDecode(value, &probe{}), &pe)
	return pe.Position
}

// lineOf gives the line of a value; for a table that is only implied by the
// names of others, that of its first member; 0 when it cannot be told.
func lineOf(md *toml.MetaData, value toml.Primitive, depth int) int {
	if line := position(md, value).Line; line > 0 || depth == maxTableDepth {
		return line
	}
	var members map[string]toml.Primitive
	if md.PrimitiveDecode(value, &members) != nil {
		return 0
	}
	first := 0
	for _, m := range members {
		if line := lineOf(md, m, depth+1); line > 0 && (first == 0 || line < first) {
			first = line
		}
	}
	return first
}

// lineInRooms gives the line of a member of a [[rooms]] table, counted from 1,
// or of the table when it has no such member.
//
// The library keeps positions of the last table only. So the tables are located
// from the last to the first, each in a text that ends with it.
func (d *document) lineInRooms(table int, name string) int {
	if d.roomLines == nil {
		d.locateRooms()
	}
	lines := d.roomLines[table-1]
	if line := lines[name]; line > 0 {
		return line
	}
	return lines[""]
}

func (d *document) locateRooms() {
	d.roomLines = make([]map[string]int, len(d.rooms))
	src, header := d.src, 0
	for i := len(d.rooms) - 1; i >= 0; i-- {
		d.roomLines[i] = map[string]int{"": header}
		var top map[string]toml.Primitive
		md, err := toml.Decode(src, &top)
		rooms, ok := top["rooms"]
		if err != nil || !ok {
			continue // tables written inline all stand where rooms does
		}
		var tables []map[string]toml.Primitive
		if md.PrimitiveDecode(rooms, &tables) != nil || len(tables) != i+1 {
			continue
		}
		at := position(&md, rooms)
		header = at.Line
		d.roomLines[i][""] = header
		for name, value := range tables[i] {
			d.roomLines[i][name] = lineOf(&md, value, 0)
		}
		src = src[:min(at.Start, len(src))]
	}
}

func find[T any](rows []row[T], name string) int {
	for i := range rows {
		if rows[i].Name == name {
			return i
		}
	}
	return -1
}

func names[T any](rows []row[T]) []string {
	all := make([]string, len(rows))
	for i := range rows {
		all[i] = rows[i].Name
	}
	return all
}
