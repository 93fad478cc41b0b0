package attack_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"edgegw/e2e/process"
)

// enrol imports n devices with keys of a factory, and returns what they log in
// with.
func (g *gateway) enrol(n int) []string {
	g.t.Helper()
	logins := make([]string, n)
	file := "name,room,grants,key_hash\n"
	for i := range logins {
		var secret [32]byte
		_, _ = rand.Read(secret[:])
		key := base64.RawURLEncoding.EncodeToString(secret[:])
		sum := sha256.Sum256([]byte(key))
		logins[i] = fmt.Sprintf(`{"device_key":%q}`, key)
		file += fmt.Sprintf("pump-%d,hall.%d,,%s\n", i, i, hex.EncodeToString(sum[:]))
		g.hidden.hide("device_key", key)
	}
	if out := g.command(file, "device", "import", "-"); !strings.Contains(out, fmt.Sprintf("imported %d devices", n)) {
		g.t.Fatalf("the import says %q", out)
	}
	return logins
}

// loginsFor logs a person in over and over for as long as busy is open, at least
// so often and at most for a while, and returns how long each took.
func (g *gateway) loginsFor(busy <-chan struct{}, least int) (took []time.Duration) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		began := time.Now()
		a, err := g.try("POST", "/auth/login", "", credentials("admin", password))
		if err != nil || a.Status != http.StatusOK {
			g.t.Errorf("a person's login: %d %s %v", a.Status, a.Code(), err)
			return took
		}
		took = append(took, time.Since(began))
		select {
		case <-busy:
			if len(took) >= least {
				return took
			}
		default:
		}
	}
	return took
}

// number reads a gauge or counter; name is its whole line but the value.
func (g *gateway) number(name string) float64 {
	a, err := g.try("GET", "/metrics", g.metrics, nil)
	if err != nil {
		g.t.Error(err)
		return 0
	}
	n, ok := process.Metric(string(a.Body), name)
	if !ok {
		g.t.Errorf("there is no metric %s", name)
	}
	return n
}

// After a power cut a whole site returns at once: the devices within five
// seconds, and a person's login waits no longer than usual.
func TestReturnOfASite(t *testing.T) {
	g := start(t, unlimited()...)
	devices := scaled(500, 100)
	keys := g.enrol(devices)
	quiet := make(chan struct{})
	close(quiet)
	usual := quantile(g.loginsFor(quiet, scaled(15, 5)), 0.5)
	if err := g.End(syscall.SIGKILL); err == nil {
		t.Error("the gateway survived a kill")
	}
	g.client.CloseIdleConnections()
	g.Run()

	busy, person := make(chan struct{}), make(chan []time.Duration, 1)
	go func() { person <- g.loginsFor(busy, 1) }()
	d := g.atOnce(t, "/auth/device", keys)
	for range 2 { // the first is over before a person could log in often
		g.atOnce(t, "/auth/device", keys)
	}
	close(busy)
	logins := <-person
	if len(logins) == 0 {
		t.Fatal("the person never logged in")
	}
	during := quantile(logins, 0.5)
	t.Logf("%d devices logged in after a kill in %v; a person's login took %v (median of %d) meanwhile, %v before", devices, d.Took.Round(time.Millisecond), during.Round(time.Millisecond), len(logins), usual.Round(time.Millisecond))
	if d.Took > 5*time.Second {
		t.Errorf("the site took %v to return, want less than 5 s", d.Took)
	}
	if most := usual*3/2 + 100*time.Millisecond; during > most {
		t.Errorf("a person's login took %v, want %v at most", during, most)
	}
	var tokens []string
	for _, a := range d.Answers {
		tokens = append(tokens, fmt.Sprintf(`{"refresh_token":%q}`, a["refresh_token"]))
	}
	g.refreshAll(t, tokens)
}

// refreshAll spends every refresh token at once and says what that wrote.
func (g *gateway) refreshAll(t *testing.T, tokens []string) {
	const counter = "edgegw_store_bytes_written_total"
	written, wrote := g.number(counter), g.Of("io", "write_bytes")
	took := g.atOnce(t, "/auth/refresh", tokens).Took
	written, wrote = g.number(counter)-written, g.Of("io", "write_bytes")-wrote
	each := written / float64(len(tokens))
	t.Logf("%d refreshes at once took %v and wrote %.1f KiB each by the metric, %.1f KiB by the kernel", len(tokens), took.Round(time.Millisecond), each/1024, float64(wrote)/float64(len(tokens))/1024)
	// 500 devices on default lifetimes refresh once a day and may write 50 MB
	// in it: 100 KB each, of which this is to be a small part.
	if each > 25_000 {
		t.Errorf("a refresh among others wrote %.0f bytes, want 25,000 at most: are the commits shared?", each)
	}
}
