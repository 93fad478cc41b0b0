package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	// Password is what the administrator "admin" has.
	Password = "canary-password-of-processes"
	// Patience is how long a test waits for what has to come.
	Patience = 20 * time.Second
)

// Gateway is a gateway that runs as a process, or has run, or will.
type Gateway struct {
	// URL is where it listens, http://127.0.0.1:PORT, and Addr the same
	// without the scheme, also where it speaks TLS too. Both change with every Run.
	URL, Addr string
	// Dir is its data folder, that of the option data_dir if there is one.
	Dir string
	// Under is a command that is to run the binary, with its arguments; it has
	// to end when the gateway does, and the other way round.
	Under []string

	t       testing.TB
	args    []string
	log     *os.File
	process *os.Process // nil when it does not run
	gone    chan struct{}
	how     error // valid when gone is closed
}

// New makes a gateway on a free port and an empty data folder, with an
// administrator "admin" who has Password. Options are in the form "name=value"
// and win over those of this package. The gateway does not run yet; if it runs
// when the test ends, and nobody else has ended it, it is killed.
func New(t testing.TB, options ...string) *Gateway {
	t.Helper()
	g := &Gateway{t: t, Dir: t.TempDir()}
	for _, o := range options {
		if dir, ok := strings.CutPrefix(o, "data_dir="); ok {
			g.Dir = dir
		}
	}
	own := []string{
		"listen=127.0.0.1:0", "log_format=json", "log_level=debug", "data_dir=" + g.Dir, "max_store_bytes=67108864",
		"admin_password_file=" + WriteFile(t, "admin-password", Password),
	}
	g.args = append([]string{"serve"}, flags(append(own, options...))...)
	g.log = openLog(t)
	t.Cleanup(func() {
		if g.process != nil {
			_ = g.End(syscall.SIGKILL)
		}
		_ = g.log.Close()
	})
	return g
}

func flags(options []string) []string {
	list := make([]string, len(options))
	for i, o := range options {
		name, value, _ := strings.Cut(o, "=")
		list[i] = "--" + strings.ReplaceAll(name, "_", "-") + "=" + value
	}
	return list
}

// WriteFile writes a file that a gateway may read, and returns its path.
func WriteFile(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// openLog makes the file for the gateway's log, where the suite's own search for
// secrets looks if that is on.
func openLog(t testing.TB) *os.File {
	t.Helper()
	dir := os.Getenv("EDGEGW_TEST_LOGS")
	if dir == "" {
		dir = t.TempDir()
	}
	f, err := os.CreateTemp(dir, strings.ReplaceAll(t.Name(), "/", "_")+"-*.log")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Run starts the process, with some options more, and waits until it is ready.
// After an end it starts the gateway again on the same data.
func (g *Gateway) Run(options ...string) {
	g.t.Helper()
	if err := g.Try(options...); err != nil {
		g.t.Fatal(err)
	}
}

// Try is Run for gateways that may end before they are ready: it then returns an
// error with what they have logged.
func (g *Gateway) Try(options ...string) error {
	g.t.Helper()
	from, err := g.log.Seek(0, io.SeekEnd)
	if err != nil {
		g.t.Fatal(err)
	}
	command := append(g.Under[:len(g.Under):len(g.Under)], Bin())
	args := append(append(command[1:len(command):len(command)], g.args...), flags(options)...)
	cmd := exec.Command(command[0], args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = Environment(), g.log, g.log
	// A test that is cut off leaves no gateway behind. The kernel takes the
	// thread for the parent, so this one has to live as long.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, gone := make(chan error, 1), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			g.how = cmd.Wait()
			close(gone)
		}
	}()
	if err := <-started; err != nil {
		g.t.Fatal(err)
	}
	g.process, g.gone = cmd.Process, gone
	return g.awaitReady(from)
}

func (g *Gateway) awaitReady(from int64) error {
	g.t.Helper()
	g.URL = ""
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); {
		log := g.loggedFrom(from)
		for line := range strings.Lines(log) {
			var said struct{ Event, URL string }
			if strings.Contains(log, `"event":"ready"`) && json.Unmarshal([]byte(line), &said) == nil && said.Event == "listening" && strings.HasPrefix(said.URL, "http:") {
				g.URL, g.Addr = said.URL, strings.TrimPrefix(said.URL, "http://")
			}
		}
		if g.URL != "" {
			return nil
		}
		select {
		case <-g.gone:
			g.process = nil
			return fmt.Errorf("the gateway ended before it was ready: %w\n%s", g.how, g.loggedFrom(from))
		case <-time.After(5 * time.Millisecond):
		}
	}
	return fmt.Errorf("the gateway did not become ready in %v:\n%s", Patience, g.loggedFrom(from))
}

// Logged is everything that the gateway has written to its standard output and
// standard error, in all its runs.
func (g *Gateway) Logged() string {
	g.t.Helper()
	return g.loggedFrom(0)
}

func (g *Gateway) loggedFrom(offset int64) string {
	g.t.Helper()
	// Not by the file at hand: its offset is the process's too.
	f, err := os.Open(g.log.Name())
	if err != nil {
		g.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.NewSectionReader(f, offset, 1<<40))
	if err != nil {
		g.t.Fatal(err)
	}
	return string(b)
}

// Runs reports whether the gateway was started and not ended yet.
func (g *Gateway) Runs() bool { return g.process != nil }

// PID is the process's number while it runs.
func (g *Gateway) PID() int { return g.process.Pid }

// End sends a signal, and waits as Ended does.
func (g *Gateway) End(signal syscall.Signal) error {
	g.t.Helper()
	_ = g.process.Signal(signal)
	return g.Ended()
}

// Stop ends it as systemd does, if it still runs; the test fails if that does not go
// well.
func (g *Gateway) Stop() {
	g.t.Helper()
	if !g.Runs() {
		return
	}
	if err := g.End(syscall.SIGTERM); err != nil {
		g.t.Errorf("the gateway did not stop well: %v", err)
	}
}

// Gone is closed when the process has ended, for whatever reason; Ended then says
// how.
func (g *Gateway) Gone() <-chan struct{} { return g.gone }

// Ended waits for the end of the process, which it kills when that does not come.
// It returns how the process has ended.
func (g *Gateway) Ended() error {
	g.t.Helper()
	defer func() { g.process = nil }()
	select {
	case <-g.gone:
		return g.how
	case <-time.After(Patience):
		_ = g.process.Kill()
		<-g.gone
		return errors.Join(fmt.Errorf("the gateway did not end in %v", Patience), g.how)
	}
}

// Key is what the gateway signs tokens with, once it has run.
func (g *Gateway) Key() []byte {
	g.t.Helper()
	b, err := os.ReadFile(filepath.Join(g.Dir, "jwt-secret"))
	if err != nil {
		g.t.Fatal(err)
	}
	return b
}

// Claims are the least that a token says; exp is in Unix seconds.
func Claims(sub string, exp int64) string { return fmt.Sprintf(`{"sub":%q,"exp":%d}`, sub, exp) }

// Token is a token as another service would make it, that ends in d.
func (g *Gateway) Token(sub string, d time.Duration) string {
	g.t.Helper()
	return gatewaytest.SignWith(g.Key(), `{"alg":"HS256","typ":"JWT"}`, Claims(sub, time.Now().Add(d).Unix()))
}
