// Package gatewaytest runs a whole gateway inside a test's process, on a real
// socket and a real store, and talks to it as a client would. It is test
// support; nothing of it is in the binary.
package gatewaytest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"edgegw/internal/app"
	"edgegw/internal/config"
)

// Password is what accounts of tests have. The suite searches everything that
// was logged for the word in it.
const Password = "canary-password-of-tests"

// Gateway is one running gateway.
type Gateway struct {
	// URL is its address, http://127.0.0.1:PORT, or https://127.0.0.1:PORT without
	// listen; MetricsURL that of /metrics when metrics_listen gives it one of its
	// own, TLSURL that of tls_listen.
	URL, MetricsURL, TLSURL string
	// Dir is its data folder.
	Dir string

	t      testing.TB
	log    *logBuffer
	client *http.Client
	trust  *tls.Config // nil without TLS
	stop   func() error
	reload func() error
}

// Start runs a gateway in development mode on a free port, with an
// administrator "admin" who has Password. Flags are options in the form
// "name=value"; "config=FILE" names a configuration file, and "-name" takes an
// option of this package's own away; "retention_every=DURATION" has limits applied
// to quiet rooms more often. When the test ends the gateway is stopped,
// and the test fails if that goes wrong or if the log is not as it should be.
func Start(t testing.TB, flags ...string) *Gateway {
	t.Helper()
	return StartIn(t, t.TempDir(), flags...)
}

// StartIn is Start on a data folder of one's own, which may hold a store.
func StartIn(t testing.TB, dir string, flags ...string) *Gateway {
	t.Helper()
	return StartAt(t, &Clock{}, dir, flags...)
}

// StartAt is StartIn with a clock of one's own.
func StartAt(t testing.TB, c *Clock, dir string, flags ...string) *Gateway {
	t.Helper()
	return StartWith(t, c, dir, app.Deps{}, flags...)
}

// StartWith is StartAt with parts of the machine replaced; the log and the clock are
// this package's own.
func StartWith(t testing.TB, c *Clock, dir string, deps app.Deps, flags ...string) *Gateway {
	t.Helper()
	sources := config.Sources{Flags: options(t, dir, flags)}
	sources.File = sources.Flags["config"]
	delete(sources.Flags, "config")
	sweep, err := time.ParseDuration(cmp.Or(sources.Flags["retention_every"], "0"))
	if err != nil {
		t.Fatal(err)
	}
	delete(sources.Flags, "retention_every")
	cfg, err := config.Load(sources)
	if err != nil {
		t.Fatal(err)
	}
	g := &Gateway{Dir: dir, t: t, log: &logBuffer{}}
	g.client = &http.Client{Transport: &http.Transport{}, Timeout: 6 * patience}
	deps.Log, deps.Clock, deps.RetentionEvery = g.log, c.sources, sweep
	a, err := app.New(t.Context(), cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	g.reload = func() error { return a.Reload(t.Context()) }
	g.address(a)
	if addr := a.MetricsAddr(); addr != "" {
		g.MetricsURL = "http://" + addr
	}
	g.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(g.finish)
	g.awaitReady()
	return g
}

// address notes where the gateway is, and whom its clients trust.
func (g *Gateway) address(a *app.App) {
	g.URL = "http://" + a.Addr()
	if a.TLSAddr() == "" {
		return
	}
	g.TLSURL = "https://" + a.TLSAddr()
	if a.Addr() == "" {
		g.URL = g.TLSURL
	}
	roots := x509.NewCertPool()
	if ca, err := os.ReadFile(filepath.Join(g.Dir, "tls", "ca.crt")); err == nil {
		roots.AppendCertsFromPEM(ca)
	}
	g.trust = &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
	g.client.Transport = &http.Transport{TLSClientConfig: g.trust}
}

// connect opens a connection to URL.
func (g *Gateway) connect() (net.Conn, error) {
	_, address, _ := strings.Cut(g.URL, "://")
	if g.trust == nil || g.URL != g.TLSURL {
		return net.Dial("tcp", address)
	}
	return tls.Dial("tcp", address, g.trust)
}

// Reload is what SIGHUP asks for.
func (g *Gateway) Reload() error { return g.reload() }

func options(t testing.TB, dir string, flags []string) map[string]string {
	t.Helper()
	password := filepath.Join(t.TempDir(), "admin-password")
	if err := os.WriteFile(password, []byte(Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := map[string]string{
		"env": "development", "listen": "127.0.0.1:0", "data_dir": dir, "log_format": "json", "log_level": "debug",
		"admin_password_file": password, "commit_window": "0", "message_rate": "0",
		// Tests log in more often than people do.
		"login_rate_per_ip": "0", "login_rate_per_account": "0",
		// Many gateways of a test have to fit into 32 bits of address space.
		"max_store_bytes": "67108864",
	}
	for _, f := range flags {
		name, value, ok := strings.Cut(f, "=")
		switch {
		case strings.HasPrefix(f, "-"):
			delete(o, f[1:])
		case ok:
			o[name] = value
		default:
			t.Fatalf("option %q is not name=value", f)
		}
	}
	return o
}

func (g *Gateway) awaitReady() {
	g.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		res, err := g.client.Get(g.URL + "/readyz")
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
	}
	g.t.Fatalf("the gateway did not become ready:\n%s", g.log)
}

// Stop stops the gateway in order and returns what Run returned. Later calls
// return the same.
func (g *Gateway) Stop() error { return g.stop() }

// Log is everything that was logged so far.
func (g *Gateway) Log() string { return g.log.String() }

func (g *Gateway) finish() {
	g.client.CloseIdleConnections()
	if err := g.Stop(); err != nil {
		g.t.Errorf("the gateway did not stop well: %v", err)
	}
	checkLog(g.t, g.log.String())
	keepLog(g.t, g.log.String())
}

// Answer is an HTTP answer whose body was read.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// JSON is the body as an object, or nil when it is none.
func (a Answer) JSON() map[string]any {
	var m map[string]any
	if json.Unmarshal(a.Body, &m) != nil {
		return nil
	}
	return m
}

// Code is the body's code, for problems.
func (a Answer) Code() string {
	code, _ := a.JSON()["code"].(string)
	return code
}

// Do sends a request, and checks of the answer what holds for all of them. A body
// that is no string is sent as JSON; headers are in pairs, and an empty value
// takes one away.
func (g *Gateway) Do(method, path, token string, body any, headers ...string) Answer {
	g.t.Helper()
	a, err := g.Try(method, path, token, body, headers...)
	if err != nil {
		g.t.Fatal(err)
	}
	return a
}

// Try is Do for goroutines of a test, which may not end it.
func (g *Gateway) Try(method, path, token string, body any, headers ...string) (a Answer, err error) {
	g.t.Helper()
	a, err = Ask(g.client, method, g.URL+path, token, body, headers...)
	if err == nil && method != http.MethodHead {
		checkAnswer(g.t, method+" "+path, a)
	}
	return a, err
}

// Ask is Do for gateways elsewhere, by their whole address. It checks nothing of
// the answer.
func Ask(client *http.Client, method, url, token string, body any, headers ...string) (a Answer, err error) {
	req, err := http.NewRequest(method, url, bodyOf(body))
	if err != nil {
		return a, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		switch {
		case headers[i] == "Host":
			req.Host = headers[i+1]
		case headers[i+1] == "":
			req.Header.Del(headers[i])
		default:
			req.Header.Add(headers[i], headers[i+1])
		}
	}
	res, err := client.Do(req)
	if err != nil {
		return a, err
	}
	defer func() { _ = res.Body.Close() }()
	a = Answer{Status: res.StatusCode, Header: res.Header}
	a.Body, err = io.ReadAll(res.Body)
	return a, err
}

func bodyOf(body any) io.Reader {
	switch b := body.(type) {
	case nil:
		return http.NoBody
	case string:
		return strings.NewReader(b)
	default:
		j, err := json.Marshal(b)
		if err != nil {
			panic(fmt.Sprintf("body of a test request: %v", err))
		}
		return bytes.NewReader(j)
	}
}

// Login logs in with Password and returns the access token.
func (g *Gateway) Login(user string) string {
	g.t.Helper()
	a := g.Do("POST", "/auth/login", "", map[string]string{"username": user, "password": Password})
	token, _ := a.JSON()["access_token"].(string)
	if a.Status != http.StatusOK || token == "" {
		g.t.Fatalf("login of %s: %d %s", user, a.Status, a.Code())
	}
	return token
}

// logBuffer is a bytes.Buffer for several writers.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
