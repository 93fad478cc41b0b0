package config

import (
	"slices"
	"strings"
)

// Prefix starts the name of every variable.
const Prefix = "EDGEGW_"

// FileVariable names the configuration file when no flag does.
const FileVariable = Prefix + "CONFIG"

// credentialsVariable names the folder of a unit's credentials (systemd.exec(5)).
const credentialsVariable = "CREDENTIALS_DIRECTORY"

// Kind is the type that an option has in the file.
type Kind string

// The kinds. Durations are strings in the file, such as "15m" or "30d"; lists
// are arrays of strings there and comma-separated in variables and flags.
const (
	Text     Kind = "text"
	Integer  Kind = "integer"
	Duration Kind = "duration"
	List     Kind = "list"
)

// Option is one row of the option table, as far as others need to know it.
type Option struct {
	// Name is the key in the file.
	Name string
	Kind Kind
	// Range says in words which values are allowed; "" when any are.
	Range string
	// Doc is one or more sentences for operators.
	Doc string
	// Secret marks the path of a file that holds a secret.
	Secret bool
	// Credential is the name of the systemd credential that is taken when
	// nothing gives the option; "" is none.
	Credential string

	production, development string
	// mask gives what may be shown of a value that can hold a secret; nil
	// shows all.
	mask func(string) string
}

// Variable is the option's environment variable, for example
// EDGEGW_DATA_DIR.
func (o Option) Variable() string { return Prefix + strings.ToUpper(o.Name) }

// Flag is the option's flag without its hyphens, for example data-dir. Load
// takes it with underscores as well.
func (o Option) Flag() string { return strings.ReplaceAll(o.Name, "_", "-") }

// Default is the value without any source, as it would stand in a variable.
func (o Option) Default(env Environment) string {
	if env == Development {
		return o.development
	}
	return o.production
}

// shown is what may be shown of a value.
func (o Option) shown(s string) string {
	if o.mask == nil {
		return s
	}
	return o.mask(s)
}

// Options lists the option table in its order. [[rooms]] tables are not in it,
// since only the file has them.
func Options() []Option {
	options := make([]Option, len(table))
	for i := range table {
		options[i] = table[i].Option
	}
	return options
}

// raw is a value as a source gave it.
type raw struct {
	text string
	list []string // of a List given as an array
	from source
}

// items are the elements of a List, however it was given.
func (r raw) items() []string {
	if r.list != nil || strings.TrimSpace(r.text) == "" {
		return r.list
	}
	items := strings.Split(r.text, ",")
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	return items
}

// row is an option with its way into T: Config, or RoomRule.
type row[T any] struct {
	Option
	set func(*T, raw) error
}

// scalar makes a row of one value. field says where the parsed value goes.
func scalar[T, V any](name string, kind Kind, def string, v values[V], field func(*T) *V, doc string) row[T] {
	return row[T]{
		Option: Option{Name: name, Kind: kind, Range: v.words, Doc: doc, production: def, development: def},
		set: func(t *T, r raw) error {
			value, err := v.parse(r.text)
			if err == nil {
				*field(t) = value
			}
			return err
		},
	}
}

// list makes a row of several values.
func list[T any, L ~[]V, V any](name, def string, v values[V], field func(*T) *L, doc string) row[T] {
	return row[T]{
		Option: Option{Name: name, Kind: List, Range: v.words, Doc: doc, production: def, development: def},
		set: func(t *T, r raw) error {
			items := r.items()
			parsed := make(L, 0, len(items))
			for _, item := range items {
				value, err := v.parse(item)
				if err != nil {
					return err
				}
				parsed = append(parsed, value)
			}
			*field(t) = slices.Clip(parsed)
			return nil
		},
	}
}

// dev gives the row another default in development.
func (r row[T]) dev(def string) row[T] {
	r.development = def
	return r
}

// secret marks a path of a secret file.
func (r row[T]) secret() row[T] {
	r.Secret = true
	return r
}

// credential names the systemd credential that stands in for the option.
func (r row[T]) credential(name string) row[T] {
	r.Credential = name
	return r
}

// hiding marks a value that may hold a secret; mask gives what may be shown.
func (r row[T]) hiding(mask func(string) string) row[T] {
	r.mask = mask
	return r
}
