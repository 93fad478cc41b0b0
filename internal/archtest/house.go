package archtest

// Floors of what does not live in the stack itself.
const (
	// FloorTop is where commands stand: above every package, imported by none.
	FloorTop = 5
	// FloorSupport marks test support. It may import anything, and only tests
	// and other test support may import it.
	FloorSupport = -1
	// FloorClient is for what users copy into programs of their own: it
	// imports the standard library alone, and only commands and tests import it.
	FloorClient = 6
)

// Floors gives every package below internal/, e2e/ and firmware-clients/ its floor. A package imports
// strictly lower ones. Folders below cmd/ are on FloorTop without being listed.
var Floors = map[string]int{
	"internal/gateway":   0,
	"internal/buildinfo": 0,
	"internal/clock":     0,
	"internal/telemetry": 0,
	"firmware-clients":   0,
	"internal/spare":     0,
	"internal/command":   0,
	"internal/once":      0,
	"internal/localca":   0,
	"internal/tlsport":   0,

	"internal/wire":      1,
	"internal/password":  1,
	"internal/token":     1,
	"internal/config":    1,
	"internal/boltstore": 1,
	"internal/memstore":  1,

	"internal/accounts": 2,
	"internal/backup":   2,
	"internal/hub":      2,

	"internal/httpapi":   3,
	"internal/wsedge":    3,
	"internal/adminsock": 3,
	"internal/webhook":   3,
	"internal/reach":     3,
	"internal/dashboard": 3,
	"internal/doctor":    3,

	"internal/app": 4,

	"internal/archtest":    FloorSupport,
	"internal/gatewaytest": FloorSupport,
	"internal/storetest":   FloorSupport,
	"e2e/process":          FloorSupport,
	"e2e/course":           FloorSupport,
	"e2e/course/driver":    FloorSupport,
	"e2e/attack":           FloorSupport,
	"e2e/boards":           FloorSupport,
	"e2e/disk":             FloorSupport,
	"e2e/scale":            FloorSupport,
	"e2e/torture":          FloorSupport,
	"e2e/observed":         FloorSupport,
	"e2e/realtime":         FloorSupport,
	"e2e/firstrun":         FloorSupport,
	"e2e/service":          FloorSupport,

	"firmware-clients/go": FloorClient,
}

// Guarded are packages of this module that only some may import, tests aside.
var Guarded = []struct {
	Package string
	By      []string
	Why     string
}{
	{"internal/boltstore", []string{"internal/app"}, "everything else works against an interface, so that stores can be swapped and tested alike"},
	{"internal/app", []string{"cmd/edgegw"}, "the wiring is the last thing below the commands"},
}

// Owner is the one package that may import a module, tests and test support
// aside: a module with one owner can be updated, wrapped and replaced in one
// place.
type Owner struct {
	Module  string
	Package string
	For     string
}

// Owners lists the third-party modules that are linked into a command.
var Owners = []Owner{
	{"github.com/lxzan/gws", "internal/wsedge", "WebSocket framing"},
	{"github.com/golang-jwt/jwt/v5", "internal/token", "JWT"},
	{"golang.org/x/crypto", "internal/password", "Argon2id"},
	{"golang.org/x/text", "internal/password", "NFKC of passwords"},
	{"go.etcd.io/bbolt", "internal/boltstore", "the two database files"},
	{"github.com/VictoriaMetrics/metrics", "internal/telemetry", "metrics"},
	{"github.com/BurntSushi/toml", "internal/config", "the configuration file"},
	{"golang.org/x/sys", "internal/clock", "boot time and the kernel's view of the clock"},
	{"golang.org/x/time", "internal/hub", "token buckets of the message rate"},
	{"github.com/coreos/go-systemd/v22", "internal/app", "readiness and the watchdog"},
	{"github.com/spf13/pflag", "internal/command", "flags"},
	{"rsc.io/qr", "cmd/edgegw", "the setup code as a picture"},
	{"golang.org/x/term", "cmd/edgegw", "asking for a password without showing it"},
}

// TestModules may be imported by tests and test support only.
var TestModules = map[string]string{
	"github.com/google/go-cmp":         "differences that can be read",
	"github.com/rogpeppe/go-internal":  "scripts that run the real binary",
	"go.uber.org/goleak":               "goroutines left behind",
	"pgregory.net/rapid":               "random sequences that shrink",
	"github.com/getkin/kin-openapi":    "the API document against the routes",
	"go.yaml.in/yaml/v4":               "the API document as it was written",
	"github.com/lxzan/gws":             "a client that is not ours",
	"go.etcd.io/bbolt":                 "looking into a stored file",
	"github.com/golang-jwt/jwt/v5":     "tokens of every wrong kind",
	"golang.org/x/crypto":              "hashes made elsewhere",
	"golang.org/x/sys":                 "faults that only the kernel can make",
	"github.com/BurntSushi/toml":       "the shipped configuration file",
	"github.com/spf13/pflag":           "walking the flags",
	"golang.org/x/time":                "the reference for a limiter",
	"golang.org/x/text":                "the reference for a normal form",
	"github.com/coreos/go-systemd/v22": "the other end of the notify socket",
}

// Ban keeps a package out of a part of the tree. Tests and test support may
// import what is banned, unless Everywhere is set.
type Ban struct {
	Import string
	// Below bans it on the floors below this one; 0 bans it by In alone.
	Below int
	// In bans it in these folders and below them.
	In []string
	// Except lifts the ban in these folders.
	Except     []string
	Everywhere bool
	Why        string
}

// Bans lists the forbidden imports.
var Bans = []Ban{
	{Import: "net/http", Below: 3, Why: "HTTP is how the outside talks; what decides things must not know how it was asked"},
	{Import: "net/http/httptest", In: []string{"internal", "cmd"}, Why: "it registers a flag and belongs to tests"},
	{Import: "flag", In: []string{"internal", "cmd"}, Except: []string{"cmd", "internal/config"}, Why: "options come in as values, from the one option table"},
	{Import: "text/template", In: []string{"internal", "cmd"}, Why: "reflection keeps every exported method alive: 2 MB in the server"},
	{Import: "html/template", In: []string{"internal", "cmd"}, Why: "reflection keeps every exported method alive: 2 MB in the server"},
	{Import: "encoding/gob", In: []string{"internal", "cmd"}, Why: "no format that only Go reads and no version in it, on disk or on the wire"},
	{Import: "net/http/pprof", In: []string{"internal", "cmd"}, Why: "importing it publishes heap contents, tokens among them, on the default mux"},
	{Import: "expvar", In: []string{"internal", "cmd"}, Why: "importing it publishes the command line on the default mux"},
	{Import: "testing", In: []string{"internal", "cmd"}, Why: "it registers flags and belongs to tests"},
	{Import: "log", In: []string{"internal"}, Why: "a global logger knows no fields and no redaction; take a *slog.Logger"},
	{Import: "github.com/prometheus/client_golang", In: []string{"internal", "cmd"}, Everywhere: true, Why: "2 MB of binary for what telemetry's owner of metrics does"},
	{Import: "math/rand", In: []string{"internal", "cmd"}, Everywhere: true, Why: "math/rand/v2 seeds itself and has no global seed to race for"},
	{Import: "io/ioutil", In: []string{"internal", "cmd"}, Everywhere: true, Why: "io and os have all of it"},
}

// Call is a function or variable of another package that some places must not
// use.
type Call struct {
	Import string
	Names  []string
	In     []string
	Except []string
	// Tests extends the rule to tests and test support.
	Tests bool
	Why   string
}

// Calls lists the forbidden calls.
var Calls = []Call{
	{Import: "os", Names: []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv", "Setenv", "Unsetenv"}, In: []string{"internal"}, Except: []string{"internal/config"}, Why: "options come in as values, from the one option table"},
	{Import: "os", Names: []string{"Exit"}, In: []string{"internal"}, Except: []string{"internal/config"}, Why: "ending the process skips every clean-up; return an error"},
	{Import: "log", Names: []string{"Fatal", "Fatalf", "Fatalln", "Panic", "Panicf", "Panicln"}, In: []string{"internal"}, Why: "ending the process skips every clean-up; return an error"},
	{Import: "time", Names: []string{"Now", "Since", "Until"}, In: []string{"internal", "cmd"}, Except: []string{"internal/clock", "cmd/edgegw-load"}, Why: "a board without a battery boots in 1970; take the clock's time as a value or a function"},
	{Import: "log/slog", Names: []string{"Default", "SetDefault", "Debug", "Info", "Warn", "Error", "Log"}, In: []string{"internal"}, Why: "a global logger cannot be told apart from another gateway's in the same process; take a *slog.Logger"},
	{Import: "net/http", Names: []string{"DefaultServeMux", "Handle", "HandleFunc", "ListenAndServe", "ListenAndServeTLS", "DefaultClient", "Get", "Post", "PostForm", "Head"}, In: []string{"internal", "cmd"}, Except: []string{"cmd/edgegw-load"}, Why: "global servers and clients have no limits and no deadlines"},
	{Import: "github.com/VictoriaMetrics/metrics", Names: []string{"NewCounter", "GetOrCreateCounter", "NewGauge", "GetOrCreateGauge", "NewHistogram", "GetOrCreateHistogram", "WritePrometheus", "RegisterSet"}, In: []string{"internal", "cmd"}, Why: "the global set is shared by every gateway of the process; use metrics.NewSet"},
}

// Immutable are the calls whose results a package variable may hold: nothing
// that they return can be changed.
var Immutable = map[string]bool{
	"context.Background":                    true,
	"errors.New":                            true,
	"sync.OnceValues":                       true,
	"fmt.Errorf":                            true,
	"regexp.MustCompile":                    true,
	"strings.NewReplacer":                   true,
	"encoding/base64.RawURLEncoding.Strict": true,
	"encoding/base64.StdEncoding.Strict":    true,
	"encoding/base64.RawStdEncoding.Strict": true,
	"hash/crc32.MakeTable":                  true,
	Module + "/internal/gateway.Errorf":     true,
	Module + "/internal/gateway.Wrap":       true,
}

// Exceptions to the rules. One that covers nothing any more fails a test.
var Exceptions = []Exception{
	{Rule: "variables", Path: "internal/buildinfo", Subject: "version", Why: "the linker sets it with -X, and nothing else can"},
	{Rule: "calls", Path: "internal/httpapi/backup.go", Subject: "time.Now", Why: "a deadline, as in internal/wsedge/conn.go"},
	{Rule: "calls", Path: "internal/wsedge/conn.go", Subject: "time.Now", Why: "deadlines of sockets are compared with the runtime's own clock, whatever the board's calendar says"},
	{Rule: "owners", Path: "cmd/edgegw-load", Subject: "github.com/lxzan/gws", Why: "the load generator carries the bare server that edgegw is measured against"},
	{Rule: "owners", Path: "cmd/edgegw-load", Subject: "go.etcd.io/bbolt", Why: "the bare server's group commit, for the durable rows"},
}

// The longest that files and functions get. Test files are bound by neither.
const (
	MaxFileLines     = 499
	MaxFunctionLines = 60
)

// BadPackageNames say nothing about what a package is for.
var BadPackageNames = map[string]bool{
	"util": true, "utils": true, "common": true, "helper": true, "helpers": true,
	"misc": true, "shared": true, "base": true, "lib": true,
}

// BadWords must not stand in any file that people write. They are put together
// here so that this file passes its own rule.
var BadWords = []struct{ Word, Why string }{
	{"TO" + "DO", "unfinished work belongs in an issue"},
	{"FIX" + "ME", "unfinished work belongs in an issue"},
	{"XX" + "X", "unfinished work belongs in an issue"},
	{"HA" + "CK", "say why the code is as it is"},
	{"/wo" + "rk/", "a path of the machine that it was written on"},
	{"../sha" + "red", "a path outside the repository"},
	{"/tmp/ba" + "sh", "a path of the machine that it was written on"},
	{"registry.npm" + "js.org", "where packages come from is the business of who installs them"},
	{"proxy.gol" + "ang.org", "where packages come from is the business of who installs them"},
}
