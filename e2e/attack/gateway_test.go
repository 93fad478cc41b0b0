package attack_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgegw/e2e/process"
	"edgegw/internal/gatewaytest"
)

const (
	// password is what accounts of this suite have.
	password = "canary-password-of-attacks"
	// patience is how long a test waits for what has to come.
	patience = process.Patience
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

// gateway is a gateway in a process of its own, and what a test knows of it.
type gateway struct {
	*process.Gateway
	hidden *vault
	// header and key make good tokens.
	header string
	key    []byte
	// metrics is the token of /metrics, "" for none.
	metrics string

	t      *testing.T
	client *http.Client
	dumped bool // it was made to print its stacks, which are no JSON
}

// start runs the gateway on a free port, with an administrator "admin" who has
// the password. Options are in the form "name=value". When the test ends the
// gateway is stopped, and everything that it has let out is searched for secrets.
func start(t *testing.T, options ...string) *gateway {
	t.Helper()
	own := []string{"admin_password_file=" + process.WriteFile(t, "admin-password", password)}
	g := &gateway{t: t, hidden: newVault(), header: plainHeader, client: newClient("")}
	g.hidden.hide("password", password)
	g.Gateway = process.New(t, append(own, options...)...)
	t.Cleanup(g.finish)
	g.Run()
	if key, err := os.ReadFile(filepath.Join(g.Dir, "jwt-secret")); err == nil {
		g.key = key
		g.hidden.hide("key", string(key))
	}
	return g
}

// finish ends the gateway and looks for secrets in all that it has let out.
func (g *gateway) finish() {
	if g.Runs() {
		g.checkLiving()
		g.Stop()
	}
	g.client.CloseIdleConnections()
	log := g.Logged()
	g.hidden.check(g.t, "the log", log)
	for line := range strings.Lines(log) {
		if !g.dumped && !json.Valid([]byte(line)) {
			g.t.Errorf("the log line %q is no JSON", line)
		}
	}
}

// checkLiving looks for secrets in what the living gateway shows.
func (g *gateway) checkLiving() {
	for _, name := range []string{"cmdline", "environ"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", g.PID(), name))
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
func claims(sub string, exp int64) string { return process.Claims(sub, exp) }

// command runs edgegw on the gateway's data and returns its standard output.
// Before it gets what it reads, its arguments and its environment are searched
// for secrets, and at the end its standard error.
func (g *gateway) command(stdin string, args ...string) string {
	g.t.Helper()
	cmd := exec.CommandContext(g.t.Context(), process.Bin(), append(args, "--data-dir", g.Dir)...)
	cmd.Env = process.Environment()
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
