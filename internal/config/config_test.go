package config_test

import (
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"edgegw/internal/config"
	"edgegw/internal/gateway"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// write puts a configuration file into a folder of the test.
func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "edgegw.toml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func load(t *testing.T, s config.Sources) *config.Config {
	t.Helper()
	c, err := config.Load(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// same compares all that a configuration says, less where it came from.
func same(t *testing.T, got, want *config.Config) {
	t.Helper()
	compare := []cmp.Option{
		cmpopts.IgnoreUnexported(config.Config{}), cmpopts.EquateEmpty(),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	}
	if diff := cmp.Diff(want, got, compare...); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDefaults(t *testing.T) {
	want := &config.Config{
		Env: config.Production, Site: "edgegw", Listen: "127.0.0.1:8080", DataDir: "/var/lib/edgegw",
		LogFormat: config.LogJSON, LogLevel: slog.LevelInfo,
		AccessTTL: 15 * time.Minute, DeviceAccessTTL: 24 * time.Hour, RefreshTTL: 30 * 24 * time.Hour, DeviceRefreshTTL: 365 * 24 * time.Hour,
		LoginRatePerIP: 20, LoginRatePerAccount: 10, LockoutThreshold: 10, LockoutDuration: 15 * time.Minute,
		Argon2MemoryKiB: 19456, Argon2Time: 2, Argon2Threads: 1, Argon2Concurrency: 1, PasswordMinLength: 15,
		MaxConnections: 10000, MaxRoomsPerConnection: 128, MaxMessageBytes: 65536, MessageRate: 100,
		PingInterval: 25 * time.Second, SendQueueBytes: 262144, CommitWindow: time.Second, BackupKeep: 7,
		DefaultGrants: gateway.Grants{{Pattern: "*", Rights: gateway.RightRead | gateway.RightWrite}},
	}
	same(t, load(t, config.Sources{}), want)

	want.Env, want.DataDir, want.LogFormat = config.Development, "./data", config.LogText
	want.Argon2MemoryKiB, want.Argon2Time = 8192, 1
	same(t, load(t, config.Sources{Environ: []string{"EDGEGW_ENV=development"}}), want)

	want.Argon2MemoryKiB = 9000
	same(t, load(t, config.Sources{Environ: []string{"EDGEGW_ENV=development", "EDGEGW_ARGON2_MEMORY_KIB=9000"}}), want)
}

// given are three values for each option, none of them a default. A new option
// without them fails TestPrecedence.
var given = map[string][3]string{
	"env":                         {"development", "production", "development"},
	"site":                        {"a", "b", "c"},
	"listen":                      {":1", ":2", "[::1]:3"},
	"tls_listen":                  {":1", ":2", "[::1]:3"},
	"tls_cert_file":               {"/a", "/b", "c d"},
	"tls_key_file":                {"/a", "/b", "c d"},
	"tls_names":                   {"gw.example.net", "a.b,10.0.0.1", "fd00::1"},
	"metrics_listen":              {":1", ":2", "localhost:3"},
	"data_dir":                    {"/a", "/b", "c d"},
	"log_format":                  {"text", "json", "text"},
	"log_level":                   {"debug", "warn", "error"},
	"allowed_origins":             {"http://a", "http://b,https://c:9", "app://d"},
	"trusted_proxies":             {"10.0.0.0/8", "10.0.0.1,fd00::/8", "::1"},
	"jwt_secret_file":             {"/a", "/b", `/c "quoted" \ # name`},
	"jwt_keys_file":               {"/a", "/b", "/c"},
	"jwt_issuer":                  {"a", "b", "c"},
	"jwt_audience":                {"a", "b", "c"},
	"access_ttl":                  {"1s", "1h30m", "1d"},
	"device_access_ttl":           {"1s", "1h", "30d"},
	"refresh_ttl":                 {"15m", "1h", "3650d"},
	"device_refresh_ttl":          {"24h", "2d", "3650d"},
	"argon2_memory_kib":           {"7168", "7169", "65536"},
	"argon2_time":                 {"1", "3", "10"},
	"argon2_threads":              {"2", "3", "4"},
	"argon2_concurrency":          {"2", "3", "64"},
	"password_min_length":         {"8", "9", "64"},
	"login_rate_per_ip":           {"0", "1", "1000000"},
	"login_rate_per_account":      {"0", "1", "1000000"},
	"lockout_threshold":           {"0", "1", "10000"},
	"lockout_duration":            {"1s", "1h", "1d"},
	"reset_webhook":               {"http://127.0.0.1:9000", "https://a/", "HTTPS://[::1]"},
	"max_connections":             {"1", "2", "1000000"},
	"max_connections_per_ip":      {"1", "2", "3"},
	"max_connections_per_account": {"1", "2", "3"},
	"max_rooms_per_connection":    {"1", "2", "3"},
	"max_message_bytes":           {"1024", "2048", "131072"},
	"message_rate":                {"0", "1", "2"},
	"ping_interval":               {"1s", "2s", "10m"},
	"send_queue_bytes":            {"131072", "131073", "67108864"},
	"commit_window":               {"0", "2s", "1m"},
	"backup_dir":                  {"/mnt/a", "/mnt/b", "/mnt/c"},
	"backup_every":                {"1h", "2h", "1d"},
	"backup_keep":                 {"1", "2", "3"},
	"max_store_bytes":             {"16777216", "16777217", "16777218"},
	"default_grants":              {"a:r", "a.*:r,b:w", "c:rw"},
	"metrics_token_file":          {"/a", "/b", "/c"},
	"admin_password_file":         {"/a", "/b", "/c"},
}

// inFile writes an option as a line of the file.
func inFile(o config.Option, value string) string {
	quote := func(s string) string { return "'" + s + "'" }
	switch o.Kind {
	case config.Integer:
		return o.Name + " = " + value
	case config.List:
		items := strings.Split(value, ",")
		for i := range items {
			items[i] = quote(items[i])
		}
		return o.Name + " = [" + strings.Join(items, ", ") + "]"
	}
	return o.Name + " = " + quote(value)
}

// TestPrecedence sets every option in three ways and looks at which one counts
// and that it is said to.
func TestPrecedence(t *testing.T) {
	for _, o := range config.Options() {
		t.Run("ok "+o.Name, func(t *testing.T) {
			values, ok := given[o.Name]
			if !ok {
				t.Fatal("no values; add them to the table above")
			}
			file := write(t, "\n"+inFile(o, values[0])+"\n")
			steps := []struct {
				origin  config.Origin
				sources config.Sources
				value   string
				where   string
			}{
				{config.FromDefault, config.Sources{}, o.Default(config.Production), ""},
				{config.FromFile, config.Sources{Environ: []string{"EDGEGW_CONFIG=" + file, "HOME=/"}}, values[0], file + ":2"},
				{config.FromVariable, config.Sources{File: file, Environ: []string{"EDGEGW_CONFIG=/nowhere", o.Variable() + "=" + values[1]}},
					values[1], o.Variable()},
				{config.FromFlag, config.Sources{File: file, Environ: []string{o.Variable() + "=" + values[1]},
					Flags: map[string]string{o.Flag(): values[2]}}, values[2], "--" + o.Flag()},
				{config.FromFlag, config.Sources{Flags: map[string]string{o.Name: values[2]}}, values[2], "--" + o.Name},
			}
			for _, s := range steps {
				c := load(t, s.sources)
				i := slices.IndexFunc(c.Settings(), func(s config.Setting) bool { return s.Name == o.Name })
				got := c.Settings()[i]
				if got.Origin != s.origin || got.Where != s.where {
					t.Errorf("from %s (%s), want %s (%s)", got.Origin, got.Where, s.origin, s.where)
				}
				// The same value by flag alone must make the same Config.
				only := load(t, config.Sources{Flags: map[string]string{o.Name: s.value}})
				same(t, c, only)
				// And what is shown must load again as the same.
				var b strings.Builder
				if err := c.Write(&b); err != nil {
					t.Fatal(err)
				}
				same(t, load(t, config.Sources{File: write(t, b.String())}), c)
				var given strings.Builder
				if err := c.WriteGiven(&given); err != nil {
					t.Fatal(err)
				}
				same(t, load(t, config.Sources{File: write(t, given.String())}), c)
				if n := strings.Count(given.String(), "\n"); s.origin != config.FromFile && n > 2 || strings.Contains(given.String(), "# default") {
					t.Errorf("what was set has %d lines:\n%s", n, given.String())
				}
				if path := c.SecretFiles()[o.Name]; o.Secret && path != s.value || !o.Secret && path != "" {
					t.Errorf("the secret file is %q", path)
				}
			}
			a := load(t, config.Sources{Flags: map[string]string{o.Name: values[0]}})
			b := load(t, config.Sources{Flags: map[string]string{o.Name: values[1]}})
			if cmp.Equal(a, b, cmpopts.IgnoreUnexported(config.Config{}), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })) {
				t.Errorf("%q and %q make the same configuration", values[0], values[1])
			}
		})
	}
}

func TestParsed(t *testing.T) {
	file := write(t, `
allowed_origins = ["HTTPS://App.Example.com:443", "http://[::1]:80", "capacitor://localhost"]
trusted_proxies = ["10.1.2.3/8", "::ffff:192.168.1.1"]
tls_names = ["GW.Example.net", "::ffff:192.168.1.1", "fe80::1%eth0"]
access_ttl = "1d"
commit_window = "0"
default_grants = []

[[rooms]]
match = "plant.*"
durability = "fsynced"
max_age = "30d12h"

[[rooms]]
match = "plant.a"
overflow = "keep_latest"

[[rooms]]
match = "live.*"
durability = "memory"
max_messages = 100
max_bytes = 1_000
`)
	c := load(t, config.Sources{File: file})
	want := []string{"https://app.example.com", "http://[::1]", "capacitor://localhost"}
	if !slices.Equal(c.AllowedOrigins, want) {
		t.Errorf("origins: got %q, want %q", c.AllowedOrigins, want)
	}
	if want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.168.1.1/32")}; !slices.Equal(c.TrustedProxies, want) {
		t.Errorf("proxies: got %v, want %v", c.TrustedProxies, want)
	}
	if want := []string{"gw.example.net", "192.168.1.1", "fe80::1"}; !slices.Equal(c.TLSNames, want) {
		t.Errorf("names: got %q, want %q", c.TLSNames, want)
	}
	if c.AccessTTL != 24*time.Hour || c.CommitWindow != 0 || len(c.DefaultGrants) != 0 {
		t.Errorf("got %v, %v, %v", c.AccessTTL, c.CommitWindow, c.DefaultGrants)
	}
	settings := func(d gateway.Durability, o gateway.Overflow, n, b int64, age time.Duration) gateway.RoomSettings {
		return gateway.RoomSettings{Durability: d, Overflow: o, MaxMessages: n, MaxBytes: b, MaxAge: age}
	}
	for room, want := range map[gateway.RoomID]gateway.RoomSettings{
		"plant.a": settings("fsynced", "disconnect", 100000, 64<<20, 30*24*time.Hour+12*time.Hour),
		"live.x":  settings("memory", "disconnect", 100, 1000, 0),
		"lobby":   settings("queued", "disconnect", 100000, 64<<20, 0),
	} {
		if got := c.RoomSettings(room); got != want {
			t.Errorf("%s: got %+v, want %+v", room, got, want)
		}
	}
	if c.Rooms[1].Settings.Overflow != gateway.OverflowKeepLatest {
		t.Errorf("second table: %+v", c.Rooms[1])
	}
	var b strings.Builder
	if err := c.Write(&b); err != nil {
		t.Fatal(err)
	}
	again := load(t, config.Sources{File: write(t, b.String())})
	same(t, again, c)
	if !strings.Contains(b.String(), "max_messages = 100 # file "+file) {
		t.Errorf("the origin of a room setting is not shown:\n%s", b.String())
	}
}

// TestNumberIsShownAsTOML: variables take forms of a number that files do not.
func TestNumberIsShownAsTOML(t *testing.T) {
	c := load(t, config.Sources{Environ: []string{"EDGEGW_MAX_CONNECTIONS=+007"}})
	var b strings.Builder
	if err := c.Write(&b); err != nil {
		t.Fatal(err)
	}
	same(t, load(t, config.Sources{File: write(t, b.String())}), c)
}

func TestProblemsIsTheError(t *testing.T) {
	_, err := config.Load(config.Sources{Flags: map[string]string{"listen": "x", "site": "/"}})
	var ps config.Problems
	if !errors.As(err, &ps) || len(ps) != 2 || ps[0].Where != "--listen" || !strings.Contains(err.Error(), "\n--site: ") {
		t.Errorf("got %#v", err)
	}
}
