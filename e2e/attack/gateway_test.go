package attack_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"edgegw/internal/gatewaytest"
)

const (
	// password is what accounts of this suite have.
	password = "canary-password-of-attacks"
	// patience is how long a test waits for what has to come.
	patience = 20 * time.Second
	// plainHeader is that of a token without a kid.
	plainHeader = `{"alg":"HS256","typ":"JWT"}`
)

// unlimited takes the limits on trying away, for tests that are about something
// else.
func unlimited(options ...string) []string {
	return append(options, "login_rate_per_ip=0", "login_rate_per_account=0", "lockout_threshold=0")
}

// cheap makes passwords cost as little as they can.
func cheap(options ...string) []string {
	return append(options, "argon2_memory_kib=7168", "argon2_time=1")
}

// gateway is a gateway in a process of its own.
type gateway struct {
	url, addr, dir string
	hidden         *vault
	// header and key make good tokens.
	header string
	key    []byte
	// metrics is the token of /metrics, "" for none.
	metrics string

	t       *testing.T
	args    []string
	log     *os.File
	process *os.Process // nil when it has ended
	ended   chan error
	client  *http.Client
	dumped  bool // it was made to print its stacks, which are no JSON
}

// start runs the gateway on a free port, with an administrator "admin" who has
// the password. Options are in the form "name=value". When the test ends the
// gateway is stopped, and everything that it has let out is searched for secrets.
func start(t *testing.T, options ...string) *gateway {
	t.Helper()
	g := &gateway{t: t, dir: t.TempDir(), hidden: newVault(), header: plainHeader, client: newClient("")}
	g.hidden.hide("password", password)
	own := []string{
		"listen=127.0.0.1:0", "log_format=json", "log_level=debug", "data_dir=" + g.dir, "max_store_bytes=67108864",
		"admin_password_file=" + writeFile(t, "admin-password", password),
	}
	g.args = []string{"serve"}
	for _, o := range append(own, options...) {
		name, value, _ := strings.Cut(o, "=")
		g.args = append(g.args, "--"+strings.ReplaceAll(name, "_", "-")+"="+value)
	}
	g.log = openLog(t)
	t.Cleanup(g.finish)
	g.run()
	if key, err := os.ReadFile(filepath.Join(g.dir, "jwt-secret")); err == nil {
		g.key = key
		g.hidden.hide("key", string(key))
	}
	return g
}

// writeFile writes a file that a gateway may read, and returns its path.
func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// openLog makes the file for the gateway's log, where the suite's own search for
// secrets looks if that is on.
func openLog(t *testing.T) *os.File {
	t.Helper()
	dir := os.Getenv("EDGEGW_TEST_LOGS")
	if dir == "" {
		dir = t.TempDir()
	}
	f, err := os.CreateTemp(dir, "attack-"+strings.ReplaceAll(t.Name(), "/", "_")+"-*.log")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// environment is that of every process of ours: EDGEGW variables of the tests
// would be unknown options.
func environment() []string { return []string{"PATH=" + os.Getenv("PATH")} }

// run starts the process and waits until it is ready. After an end it starts the
// gateway again.
func (g *gateway) run() {
	g.t.Helper()
	from := len(g.logged())
	cmd := exec.Command(os.Getenv(binVariable), g.args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = environment(), g.log, g.log
	// A test that is cut off leaves no gateway behind. The kernel takes the
	// thread for the parent, so this one has to live as long.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error, 1)
	g.ended = make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			g.ended <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		g.t.Fatal(err)
	}
	g.process = cmd.Process
	g.awaitReady(from)
}

func (g *gateway) awaitReady(from int) {
	g.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		log := g.logged()[from:]
		if !strings.Contains(log, `"event":"ready"`) {
			continue
		}
		for line := range strings.Lines(log) {
			var said struct{ Event, URL string }
			if json.Unmarshal([]byte(line), &said) == nil && said.Event == "listening" {
				g.url, g.addr = said.URL, strings.TrimPrefix(said.URL, "http://")
			}
		}
		if g.addr != "" {
			return
		}
	}
	g.t.Fatalf("the gateway did not become ready:\n%s", g.logged()[from:])
}

// logged is everything that the gateway has written to its standard output and
// standard error.
func (g *gateway) logged() string {
	b, err := os.ReadFile(g.log.Name())
	if err != nil {
		g.t.Fatal(err)
	}
	return string(b)
}

// end sends a signal and waits for the end of the process, which it kills when
// that does not come.
func (g *gateway) end(signal syscall.Signal) error {
	g.t.Helper()
	_ = g.process.Signal(signal)
	defer func() { g.process = nil }()
	select {
	case err := <-g.ended:
		return err
	case <-time.After(patience):
		_ = g.process.Kill()
		return errors.Join(fmt.Errorf("signal %v did not end the gateway in %v", signal, patience), <-g.ended)
	}
}

// finish ends the gateway and looks for secrets in all that it has let out.
func (g *gateway) finish() {
	if g.process != nil {
		g.checkLiving()
		if err := g.end(syscall.SIGTERM); err != nil {
			g.t.Errorf("the gateway did not stop well: %v", err)
		}
	}
	g.client.CloseIdleConnections()
	log := g.logged()
	g.hidden.check(g.t, "the log", log)
	for line := range strings.Lines(log) {
		if !g.dumped && !json.Valid([]byte(line)) {
			g.t.Errorf("the log line %q is no JSON", line)
		}
	}
	_ = g.log.Close()
}

// checkLiving looks for secrets in what the living gateway shows.
func (g *gateway) checkLiving() {
	for _, name := range []string{"cmdline", "environ"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", g.process.Pid, name))
		if err != nil {
			g.t.Errorf("the gateway is gone: %v", err)
			return
		}
		g.hidden.check(g.t, "/proc/PID/"+name, string(b))
	}
	metrics := g.do("GET", "/metrics", g.metrics, nil)
	if metrics.Status != http.StatusOK {
		g.t.Errorf("/metrics: %d", metrics.Status)
	}
	g.hidden.check(g.t, "/metrics", string(metrics.Body))
	events, err := json.Marshal(g.audit())
	if err != nil {
		g.t.Error(err)
	}
	g.hidden.check(g.t, "the audit", string(events))
}

// event is one of the audit's.
type event struct {
	Seq                                       uint64
	Event, Actor, Subject, IP, Result, Reason string
	Count                                     int
}

// audit reads the whole audit.
func (g *gateway) audit() []event {
	g.t.Helper()
	var all []event
	for range 100 {
		after := uint64(0)
		if len(all) > 0 {
			after = all[len(all)-1].Seq
		}
		a := g.do("GET", fmt.Sprintf("/audit?limit=1000&after=%d", after), g.token("admin"), nil)
		var page struct{ Events []event }
		if err := json.Unmarshal(a.Body, &page); err != nil || a.Status != http.StatusOK {
			g.t.Fatalf("the audit: %d %v", a.Status, err)
		}
		if len(page.Events) == 0 {
			break
		}
		all = append(all, page.Events...)
	}
	return all
}

// sign makes a good token with the claims.
func (g *gateway) sign(claims string) string { return gatewaytest.SignWith(g.key, g.header, claims) }

// token makes a good token as another service would, for an hour.
func (g *gateway) token(sub string) string { return g.sign(claims(sub, time.Now().Unix()+3600)) }

// claims are the least that a token says.
func claims(sub string, exp int64) string { return fmt.Sprintf(`{"sub":%q,"exp":%d}`, sub, exp) }

// command runs edgegw on the gateway's data and returns its standard output.
// Before it gets what it reads, its arguments and its environment are searched
// for secrets, and at the end its standard error.
func (g *gateway) command(stdin string, args ...string) string {
	g.t.Helper()
	cmd := exec.CommandContext(g.t.Context(), os.Getenv(binVariable), append(args, "--data-dir", g.dir)...)
	cmd.Env = environment()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		g.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	for _, name := range []string{"cmdline", "environ"} {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", cmd.Process.Pid, name)) // it may have ended already
		g.hidden.check(g.t, "/proc/PID/"+name+" of edgegw "+args[0], string(b))
	}
	_, _ = in.Write([]byte(stdin))
	_ = in.Close()
	if err := cmd.Wait(); err != nil {
		g.t.Fatalf("edgegw %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	g.hidden.check(g.t, "standard error of edgegw "+args[0], stderr.String())
	return stdout.String()
}
