package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Sources are where a configuration comes from.
type Sources struct {
	// Flags are the option flags that were given, by name without hyphens in
	// front (data-dir or data_dir), with their text.
	Flags map[string]string
	// Environ is the environment as os.Environ gives it.
	Environ []string
	// File is what the flag --config names; "" takes EDGEGW_CONFIG, and
	// with neither there is no file.
	File string
}

// loader gathers values and problems on the way to a Config.
type loader struct {
	file *document
	// credentials are the files that systemd hands to the unit.
	credentials map[string]raw
	variables   map[string]raw
	flags       map[string]raw
	problems    Problems
	config      *Config
}

// Load makes the configuration: flags win over variables over the file over
// credentials of systemd over the defaults. Its error is of type Problems and holds everything that is wrong,
// values that a stronger source overrides included.
func Load(s Sources) (*Config, error) {
	l := &loader{config: &Config{}}
	fileName := l.readVariables(s.Environ)
	if s.File != "" {
		fileName = s.File
	}
	l.readFlags(s.Flags)
	l.config.file = fileName
	l.file = &document{}
	if fileName != "" {
		l.file = readDocument(fileName, &l.problems)
	}
	return l.build()
}

// readVariables takes the EDGEGW_* variables and gives the name of the file that
// they name, if any.
func (l *loader) readVariables(environ []string) (file string) {
	l.variables = make(map[string]raw)
	for _, pair := range environ {
		name, value, ok := strings.Cut(pair, "=")
		if name == credentialsVariable {
			l.findCredentials(value)
		}
		if !ok || !strings.HasPrefix(name, Prefix) {
			continue
		}
		if name == FileVariable {
			file = value
			continue
		}
		from := source{origin: FromVariable, name: name}
		i := slices.IndexFunc(table, func(r row[Config]) bool { return r.Variable() == name })
		if i < 0 {
			l.problems.add(from, "unknown variable%s \"edgegw config reference\" lists all options; unset it if it belongs to something else",
				suggest(name, variables()))
			continue
		}
		from.option = table[i].Name
		l.variables[from.option] = raw{text: value, from: from}
	}
	return file
}

// findCredentials takes the files that are named after an option's credential
// for the option's value.
func (l *loader) findCredentials(dir string) {
	l.credentials = make(map[string]raw)
	for i := range table {
		name := table[i].Credential
		if name == "" || dir == "" {
			continue
		}
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			l.credentials[table[i].Name] = raw{text: path, from: source{origin: FromCredential, name: path, option: table[i].Name}}
		}
	}
}

func variables() []string {
	all := []string{FileVariable}
	for i := range table {
		all = append(all, table[i].Variable())
	}
	return all
}

func (l *loader) readFlags(flags map[string]string) {
	l.flags = make(map[string]raw)
	for flag, value := range flags {
		name := strings.ReplaceAll(flag, "-", "_")
		from := source{origin: FromFlag, name: "--" + flag, option: name}
		if find(table, name) < 0 {
			l.problems.add(from, "unknown flag%s", suggest(name, names(table)))
			continue
		}
		l.flags[name] = raw{text: value, from: from}
	}
}

// build applies all sources, the weakest first.
func (l *loader) build() (*Config, error) {
	env := l.environment()
	l.config.texts = make(map[string]string, len(table))
	for i := range table {
		row := &table[i]
		last := raw{text: row.Default(env), from: source{origin: FromDefault, name: row.Name}}
		apply(l, l.config, row, last)
		for _, given := range []map[string]raw{l.credentials, l.file.values, l.variables, l.flags} {
			if r, ok := given[row.Name]; ok {
				apply(l, l.config, row, r)
				last = r
			}
		}
		l.config.settings = append(l.config.settings, row.setting(last))
		l.config.texts[row.Name] = last.text
	}
	for i := range l.file.rooms {
		l.addRoom(i)
	}
	l.checkTogether()
	if len(l.problems) > 0 {
		l.problems.locate(l.file)
		return nil, l.problems
	}
	return l.config, nil
}

// environment finds the environment first, since defaults depend on it. If it is
// wrong, that is reported with the other options.
func (l *loader) environment() Environment {
	env := Production
	for _, given := range []map[string]raw{l.file.values, l.variables, l.flags} {
		if r, ok := given["env"]; ok {
			env = Environment(r.text)
		}
	}
	return env
}

// apply sets one option in t and notes what is wrong with it.
func apply[T any](l *loader, t *T, row *row[T], r raw) {
	for _, s := range append([]string{r.text}, r.list...) {
		if err := printable(s, row.shown); err != nil {
			l.problems.add(r.from, "%v", err)
			return
		}
	}
	if err := row.set(t, r); err != nil {
		l.problems.add(r.from, "%v", err)
	}
}

func (l *loader) addRoom(i int) {
	given := l.file.rooms[i]
	rule := RoomRule{Settings: DefaultRoomSettings()}
	if _, ok := given["match"]; !ok {
		from := l.file.source("match")
		from.table = i + 1
		l.problems.add(from, `missing in this [[rooms]] table; name the rooms, for example match = "plant.*"`)
	}
	var settings []Setting
	for j := range roomTable {
		row := &roomTable[j]
		r, ok := given[row.Name]
		if !ok {
			r = raw{text: row.Default(l.config.Env), from: source{origin: FromDefault, name: row.Name}}
		} else {
			apply(l, &rule, row, r)
		}
		settings = append(settings, row.setting(r))
	}
	l.config.Rooms = append(l.config.Rooms, rule)
	l.config.roomSettings = append(l.config.roomSettings, settings)
}

// checkTogether finds values that are right alone and wrong together.
func (l *loader) checkTogether() {
	c := l.config
	if l.sound("send_queue_bytes", "max_message_bytes") && c.SendQueueBytes < 2*c.MaxMessageBytes {
		l.problems.add(l.stronger("send_queue_bytes", "max_message_bytes"),
			"send_queue_bytes (%d) must be at least twice max_message_bytes (%d); raise the one or lower the other",
			c.SendQueueBytes, c.MaxMessageBytes)
	}
	l.checkLifetimes("refresh_ttl", c.RefreshTTL, "access_ttl", c.AccessTTL)
	l.checkLifetimes("device_refresh_ttl", c.DeviceRefreshTTL, "device_access_ttl", c.DeviceAccessTTL)
	l.checkListeners()
	if l.sound("listen", "metrics_listen") && c.Listen != "" && c.MetricsListen == c.Listen && !strings.HasSuffix(c.Listen, ":0") {
		l.problems.add(l.stronger("metrics_listen", "listen"),
			"metrics_listen and listen are the same address; leave metrics_listen out to serve /metrics on listen")
	}
}

// checkListeners refuses a gateway that nobody can reach, and one certificate file
// without the other.
func (l *loader) checkListeners() {
	c := l.config
	if l.sound("listen", "tls_listen") {
		switch {
		case c.Listen == "" && c.TLSListen == "":
			l.problems.add(l.stronger("listen", "tls_listen"), "listen and tls_listen are both empty; give one of them an address")
		case c.TLSListen == c.Listen && !strings.HasSuffix(c.Listen, ":0"):
			l.problems.add(l.stronger("tls_listen", "listen"),
				"tls_listen and listen are the same address; give them different ports, or leave listen empty")
		}
	}
	if l.sound("tls_cert_file", "tls_key_file") && c.TLSListen != "" && (c.TLSCertFile == "") != (c.TLSKeyFile == "") {
		l.problems.add(l.stronger("tls_cert_file", "tls_key_file"),
			"tls_cert_file and tls_key_file belong together; give both, or neither for the gateway's own CA")
	}
	if l.sound("tls_listen", "metrics_listen") && c.TLSListen != "" && c.TLSListen == c.MetricsListen && !strings.HasSuffix(c.TLSListen, ":0") {
		l.problems.add(l.stronger("metrics_listen", "tls_listen"),
			"metrics_listen and tls_listen are the same address; leave metrics_listen out to serve /metrics on tls_listen")
	}
}

// checkLifetimes refuses a session that ends before its access token does.
func (l *loader) checkLifetimes(refresh string, session time.Duration, access string, token time.Duration) {
	if l.sound(refresh, access) && session < token {
		l.problems.add(l.stronger(refresh, access), "%s (%s) must not be shorter than %s (%s); raise the one or lower the other",
			refresh, shortDuration(session), access, shortDuration(token))
	}
}

// sound reports whether nothing is wrong with the options yet, so that one slip
// is not reported twice.
func (l *loader) sound(options ...string) bool {
	return !slices.ContainsFunc(l.problems, func(p Problem) bool { return slices.Contains(options, p.from.option) })
}

// stronger gives the source of the first option, or that of the second when the
// first was left at its default.
func (l *loader) stronger(first, second string) source {
	for _, name := range []string{first, second} {
		for _, given := range []map[string]raw{l.flags, l.variables, l.file.values} {
			if r, ok := given[name]; ok {
				return r.from
			}
		}
	}
	return source{origin: FromDefault, name: first, option: first}
}
