package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"edgegw/internal/config"
)

// TestBadFile holds what each mistake in a file is answered with. FILE stands
// for the name of the file.
func TestBadFile(t *testing.T) {
	tests := []struct {
		name, file string
		want       []string
	}{
		{"bad unknown key", "\n\nlistne = \"secret-canary\"\n", []string{`FILE:3: listne: unknown option; did you mean listen? "edgegw config reference" lists`}},
		{"bad unknown key that is like nothing", "frobnicate = 1", []string{`FILE:1: frobnicate: unknown option. "edgegw config`}},
		{"bad secret instead of its file", "jwt_secret = \"secret-canary\"", []string{`FILE:1: jwt_secret: unknown option; did you mean jwt_secret_file?`}},
		{"bad table", "site = \"a\"\n[server]\nlisten = \":1\"\n", []string{`FILE:2: server: unknown option`, `in no [table]`}},
		{"bad implied table", "a.b.c.d = 1", []string{`FILE:1: a: unknown option`}},
		{"bad implied table further down", "site = 'a'\n\n[a.b]\n\nc=1\n[a.d]\n", []string{`FILE:3: a: unknown option`}},
		{"bad not TOML", "site = \"a\"\nlisten == 5", []string{`FILE:2: not TOML: `}},
		{"bad key twice", "site = \"a\"\n\nsite = \"b\"", []string{`FILE:3: not TOML: `}},
		{"bad UTF-8", "site = \"\xff\"", []string{`FILE:1: not TOML: `}},
		{"bad number as text", `max_connections = "5"`, []string{`FILE:1: max_connections: this is text; write a whole number without quotes`}},
		{"bad fraction", `max_connections = 5.5`, []string{`FILE:1: max_connections: this is a fraction;`}},
		{"bad text as number", `listen = 8080`, []string{`FILE:1: listen: this is a whole number; write text in quotes`}},
		{"bad boolean", `site = true`, []string{`FILE:1: site: this is a boolean;`}},
		{"bad date", `site = 2026-01-01`, []string{`FILE:1: site: this is a date or time;`}},
		{"bad webhook in a file", `reset_webhook = "//a/canary"`, []string{`FILE:1: reset_webhook: "://a/…" is no address of a webhook`}},
		{"bad webhook with a line break", `reset_webhook = "https://a/canary\n"`, []string{`FILE:1: reset_webhook: "…" holds control`}},
		{"bad webhook that is no text", `reset_webhook = ["https://a/canary"]`, []string{`FILE:1: reset_webhook: this is an array; write text`}},
		{"bad duration as number", `access_ttl = 900`, []string{`FILE:1: access_ttl: this is a whole number; write a duration in quotes: name = "15m"`}},
		{"bad list as text", `allowed_origins = "http://a"`, []string{`FILE:1: allowed_origins: this is text; write an array`}},
		{"bad item of a list", "allowed_origins = [\n\"http://a\",\n5]", []string{`FILE:1: allowed_origins: item 2 of the array is a whole number; use strings`}},
		{"bad table for an option", "[listen]\nhost = 'a'", []string{`FILE:1: listen: this is a table;`}},
		{"bad control character", `site = "a\u0007b"`, []string{`FILE:1: site: "a\ab" holds control characters`}},
		{"bad after a byte order mark", "\ufeffsite = 'a'\nlistne = 1", []string{`FILE:2: listne: unknown option`}},
		{"bad with line ends of Windows", "site = 'a'\r\nlistne = 1\r\n", []string{`FILE:2: listne: unknown option`}},
		{"bad text over two lines of Windows", "site = 'a'\r\nenv = 'b\r\n", []string{`FILE:2: not TOML: strings cannot contain newlines`}},
		{"bad after a text of several lines", "jwt_issuer = \"\"\"a\\\n  b\"\"\"\nlistne = 1", []string{`FILE:3: listne: unknown option`}},
		{"bad several at once, in order", "site = 1\nenv = 'test'\nlistne = 1\nmax_connections = 0\n", []string{
			`FILE:1: site: `, `FILE:2: env: "test" is unknown; use one of production, development`, `FILE:3: listne`, `FILE:4: max_connections: "0" is out of range; use 1 to 1000000 connections`}},

		{"bad rooms as text", `rooms = "a"`, []string{`FILE:1: rooms: rooms are written as tables that begin with a line [[rooms]]`}},
		{"bad rooms as one table", "site='a'\n[rooms]\nmatch = 'a'", []string{`FILE:2: rooms: rooms are written as tables`}},
		{"bad room without match", "[[rooms]]\nmatch='a'\n\n[[rooms]]\noverflow = 'disconnect'\n[[rooms]]\nmatch='b'\n",
			[]string{`FILE:4: match: missing in this [[rooms]] table`}},
		{"bad room options in several tables", "[[rooms]]\nmatch='a'\n# x\nmax_age='5'\n\n[[rooms]]\n  match='/'\nmax_mesages=1\n[[rooms]]\nmatch='c'\n\ndurability='maybe'\nmax_bytes=0\n",
			[]string{`FILE:4: max_age: "5" is not a duration such as 90s`, `FILE:7: match: room pattern "/" is neither`,
				`FILE:8: max_mesages: unknown option of [[rooms]]; did you mean max_messages? It has match, durability`,
				`FILE:12: durability: "maybe" is unknown; use one of memory, queued, fsynced`, `FILE:13: max_bytes: "0" is out of range; use 1 to 1099511627776 bytes`}},
		{"bad rooms after a byte order mark", "\ufeff[[rooms]]\nmatch='/'\n[[rooms]]\nmatch='/'", []string{`FILE:2: match: `, `FILE:4: match: `}},
		{"bad inline rooms", "site='a'\nrooms = [{match='a'}, {match='b', overflow='x'}]", []string{`FILE:2: overflow: `}},
		{"bad inline tables, too many", "rooms = [" + strings.Repeat("{match='a'},", 257) + "]", []string{`FILE:1: rooms: 257 [[rooms]] tables; use at most 256`}},
		{"bad file, too large", strings.Repeat("# filler\n", 40_000), []string{`FILE: the configuration file cannot be read: it has more than 262144 bytes`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name := write(t, tt.file)
			_, err := config.Load(config.Sources{File: name})
			check(t, err, name, tt.want)
		})
	}
}

// check looks for each wanted piece, in order, and for what must not be shown.
func check(t *testing.T, err error, file string, want []string) {
	t.Helper()
	if err == nil {
		t.Fatal("accepted")
	}
	got := strings.ReplaceAll(err.Error(), file, "FILE")
	rest := got
	for _, w := range want {
		i := strings.Index(rest, w)
		if i < 0 {
			t.Errorf("missing or out of order: %s\ngot:\n%s", w, got)
			return
		}
		rest = rest[i+len(w):]
	}
	if strings.Contains(got, "canary") {
		t.Errorf("the value of an unknown option shows: %s", got)
	}
}

// TestBadValue gives each kind of value in bad forms, by variable.
func TestBadValue(t *testing.T) {
	tests := []struct{ variable, value, want string }{
		{"EDGEGW_LISTNE", "secret-canary", `EDGEGW_LISTNE: unknown variable; did you mean EDGEGW_LISTEN?`},
		{"EDGEGW_JWT_SECRET", "secret-canary", `EDGEGW_JWT_SECRET: unknown variable; did you mean EDGEGW_JWT_SECRET_FILE?`},
		{"EDGEGW_CONFIGS", "x", `did you mean EDGEGW_CONFIG?`},
		{"EDGEGW_ROOMS", "x", `EDGEGW_ROOMS: unknown variable`},
		{"EDGEGW_", "x", `EDGEGW_: unknown variable`},
		{"EDGEGW_CONFIG", "/nowhere/edgegw.toml", `/nowhere/edgegw.toml: the configuration file cannot be read: no such file or directory; check --config and EDGEGW_CONFIG`},
		{"EDGEGW_CONFIG", "/", `/: the configuration file cannot be read: is a directory`},
		{"EDGEGW_CONFIG", "a\nb", `cannot be read: its name holds control characters`},
		{"EDGEGW_SITE", "", `is no site name`},
		{"EDGEGW_SITE", "a/b", `EDGEGW_SITE: "a/b" is no site name; use 1 to 64 of`},
		{"EDGEGW_SITE", strings.Repeat("a", 65), `is no site name`},
		{"EDGEGW_DATA_DIR", "", `must not be empty`},
		{"EDGEGW_DATA_DIR", "a\xff", `broken UTF-8`},
		{"EDGEGW_LISTEN", "", `listen and tls_listen are both empty; give one of them an address`},
		{"EDGEGW_LISTEN", "8080", `"8080" is no address`},
		{"EDGEGW_LISTEN", ":65536", `has no port from 0 to 65535`},
		{"EDGEGW_LISTEN", "::1:80", `is no address`},
		{"EDGEGW_LISTEN", "http://a:80", `is no address`},
		{"EDGEGW_TLS_LISTEN", "127.0.0.1:8080", `tls_listen and listen are the same address`},
		{"EDGEGW_TLS_NAMES", "*.example.net", `is no name; use DNS names such as gw.example.net`},
		{"EDGEGW_TLS_NAMES", "gw.example.net:8443", `is no name`},
		{"EDGEGW_TLS_NAMES", "10.0.0", `is no name`},
		{"EDGEGW_TLS_NAMES", "-a.net", `is no name`},
		{"EDGEGW_METRICS_LISTEN", "127.0.0.1:8080", `metrics_listen and listen are the same address`},
		{"EDGEGW_LOG_LEVEL", "INFO+1", `use one of debug, info, warn, error`},
		{"EDGEGW_MAX_CONNECTIONS", "", `"" is not a whole number; use 1 to 1000000 connections`},
		{"EDGEGW_MAX_CONNECTIONS", "1e3", `is not a whole number`},
		{"EDGEGW_MAX_CONNECTIONS", "99999999999999999999", `is not a whole number`},
		{"EDGEGW_MAX_CONNECTIONS", "1000001", `out of range`},
		{"EDGEGW_ARGON2_THREADS", "260", `"260" is out of range; use 1 to 4 threads`},
		{"EDGEGW_ARGON2_MEMORY_KIB", "4294986752", `out of range; use 7168 to 65536 KiB`},
		{"EDGEGW_PASSWORD_MIN_LENGTH", "7", `use 8 to 64 characters`},
		{"EDGEGW_MAX_STORE_BYTES", "1000", `out of range; use 16777216 to`},
		{"EDGEGW_MAX_MESSAGE_BYTES", "200000", `EDGEGW_MAX_MESSAGE_BYTES: send_queue_bytes (262144) must be at least twice max_message_bytes (200000)`},
		{"EDGEGW_SEND_QUEUE_BYTES", "100000", `EDGEGW_SEND_QUEUE_BYTES: send_queue_bytes (100000) must be`},
		{"EDGEGW_ACCESS_TTL", "15", `"15" is not a duration such as 90s, 15m, 12h or 30d; use 1s to 1d`},
		{"EDGEGW_ACCESS_TTL", "999ms", `"999ms" is out of range`},
		{"EDGEGW_ACCESS_TTL", "0", `out of range`},
		{"EDGEGW_ACCESS_TTL", "-15m", `out of range`},
		{"EDGEGW_ACCESS_TTL", "1d1s", `out of range`},
		{"EDGEGW_ACCESS_TTL", "1d-1h", `is not a duration`},
		{"EDGEGW_ACCESS_TTL", "d", `is not a duration`},
		{"EDGEGW_ACCESS_TTL", "99999d", `is not a duration`},
		{"EDGEGW_ACCESS_TTL", "65535d2562047h", `out of range`},
		{"EDGEGW_DEVICE_ACCESS_TTL", "31d", `use 1s to 30d`},
		{"EDGEGW_REFRESH_TTL", "14m59s", `EDGEGW_REFRESH_TTL: refresh_ttl (14m59s) must not be shorter than access_ttl (15m); raise the one or lower the other`},
		{"EDGEGW_DEVICE_REFRESH_TTL", "23h", `device_refresh_ttl (23h) must not be shorter than device_access_ttl (1d); raise`},
		{"EDGEGW_REFRESH_TTL", "0", `out of range; use 1s to 3650d`},
		{"EDGEGW_LOGIN_RATE_PER_IP", "-1", `out of range; use 0 to 1000000 attempts a minute`},
		{"EDGEGW_LOCKOUT_THRESHOLD", "10001", `out of range; use 0 to 10000 failures`},
		{"EDGEGW_LOCKOUT_DURATION", "0", `out of range; use 1s to 1d`},
		{"EDGEGW_RESET_WEBHOOK", "canary", `"…" is no address of a webhook; use an http:// or https:// address such as`},
		{"EDGEGW_RESET_WEBHOOK", "ftp://a.example/canary", `"ftp://a.example/…" is no address of a webhook`},
		{"EDGEGW_RESET_WEBHOOK", "https:///canary", `"…" is no address`},
		{"EDGEGW_RESET_WEBHOOK", "https://:80/canary", `"…" is no address`},
		{"EDGEGW_RESET_WEBHOOK", "https://a:0/canary", `"…" is no address`},
		{"EDGEGW_RESET_WEBHOOK", "https://a:65536/canary", `"…" is no address`},
		{"EDGEGW_RESET_WEBHOOK", "https://a&canary", `"…" is no address`},
		{"EDGEGW_RESET_WEBHOOK", "https://a/%zzcanary", `"…" is no address`},
		{"EDGEGW_RESET_WEBHOOK", "https://a/canary canary", `"https://a/…" is no address`},
		{"EDGEGW_RESET_WEBHOOK", "https://canary:canary@a:81/canary?canary", `"https://a:81/…" has a user or password in front`},
		{"EDGEGW_RESET_WEBHOOK", "https://a/canary#canary", `"https://a/…" has a # with`},
		{"EDGEGW_RESET_WEBHOOK", "https://a/canary\n", `"…" holds control characters`},
		{"EDGEGW_RESET_WEBHOOK", "https://a/canary\xff", `"https://a/…" holds control characters or broken UTF-8`},
		{"EDGEGW_RESET_WEBHOOK", "https://a/…", `this is the address as it is shown, without the part that may be secret; write all of it`},
		{"EDGEGW_COMMIT_WINDOW", "100ms", `use 1s to 1m, or 0 for commits back to back`},
		{"EDGEGW_TRUSTED_PROXIES", "10.0.0.0/33", `"10.0.0.0/33" is no network`},
		{"EDGEGW_TRUSTED_PROXIES", "10.0.0.1,,10.0.0.2", `"" is no network`},
		{"EDGEGW_TRUSTED_PROXIES", "proxy.local", `is no network`},
		{"EDGEGW_ALLOWED_ORIGINS", "*", `"*" is no origin; use SCHEME://HOST`},
		{"EDGEGW_ALLOWED_ORIGINS", "https://*.example.com", `is no origin`},
		{"EDGEGW_ALLOWED_ORIGINS", "https://a/", `is no origin`},
		{"EDGEGW_ALLOWED_ORIGINS", "https://user@a", `is no origin`},
		{"EDGEGW_ALLOWED_ORIGINS", "https://a:b", `is no origin`},
		{"EDGEGW_ALLOWED_ORIGINS", "https://:80", `is no origin`},
		{"EDGEGW_ALLOWED_ORIGINS", "https://a:1:2", `is no origin`},
		{"EDGEGW_ALLOWED_ORIGINS", "1x://a", `is no origin`},
		{"EDGEGW_ALLOWED_ORIGINS", "null", `is no origin`},
		{"EDGEGW_DEFAULT_GRANTS", "*", `a grant is written PATTERN:RIGHTS`},
		{"EDGEGW_DEFAULT_GRANTS", "a:x", `rights`},
		{"EDGEGW_DEFAULT_GRANTS", "/:r", `room pattern`},
	}
	for _, tt := range tests {
		t.Run("bad "+tt.variable+"="+tt.value[:min(len(tt.value), 30)], func(t *testing.T) {
			_, err := config.Load(config.Sources{Environ: []string{tt.variable + "=" + tt.value}})
			check(t, err, "FILE", []string{tt.want})
		})
	}
}

func TestOneSlipIsOneProblem(t *testing.T) {
	for name, environ := range map[string][]string{
		"bad queue":   {"EDGEGW_MAX_MESSAGE_BYTES=1000000", "EDGEGW_SEND_QUEUE_BYTES=x"},
		"bad session": {"EDGEGW_ACCESS_TTL=x", "EDGEGW_REFRESH_TTL=1s"},
		"bad address": {"EDGEGW_LISTEN=x", "EDGEGW_METRICS_LISTEN=127.0.0.1:8080"},
	} {
		_, err := config.Load(config.Sources{Environ: environ})
		if err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: want one problem, got %v", name, err)
		}
	}
}

// TestOverriddenIsChecked: a bad value in the file is reported although a
// variable wins over it, since it would surprise on the day the variable goes.
func TestOverriddenIsChecked(t *testing.T) {
	file := write(t, "max_connections = 0")
	_, err := config.Load(config.Sources{File: file, Environ: []string{"EDGEGW_MAX_CONNECTIONS=5"}})
	check(t, err, file, []string{"FILE:1: max_connections: "})
}

// TestEndlessFile names a pipe from which more comes than any file has.
func TestEndlessFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err == nil {
			_, err = f.Write(make([]byte, 8<<20))
			f.Close()
		}
		written <- err
	}()
	_, err := config.Load(config.Sources{File: name})
	check(t, err, name, []string{`it has more than 262144 bytes`})
	if err := <-written; !errors.Is(err, syscall.EPIPE) {
		t.Errorf("all of it was read (%v)", err)
	}
}
