package observed_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"edgegw/e2e/process"
)

// TestScrape: a VictoriaMetrics with the shipped configuration scrapes a gateway in
// use; what operators want to know can be asked there.
func TestScrape(t *testing.T) {
	t.Parallel()
	g := open(t)
	config := g.scrapeConfig(map[string]string{"127.0.0.1:8080": g.Addr}, "victoriametrics", "scrape.yml")
	run(t, "", "vmagent", "-dryRun", "-promscrape.config="+config)
	run(t, "", "promtool", "check", "config", config)
	vm := openStore(t, free(t), t.TempDir(), config)
	g.live()

	began := time.Now()
	vm.one(`up{job="edgegw"}`, 1, 1)
	vm.one(`edgegw_ws_connections{job="edgegw"}`, users, users)
	vm.one(`edgegw_devices{job="edgegw",state="connected"}`, users, users)
	// A quantile is somewhere in the bucket that holds it: (10, 50], and (5, 10].
	vm.one(`histogram_quantile(0.9, sum by (le) (rate(edgegw_room_message_rate_bucket{job="edgegw"}[15s])))`, 10, 50)
	vm.one(`histogram_quantile(0.999, sum by (le) (rate(edgegw_room_subscribers_bucket{job="edgegw"}[30s])))`, 5, 10)
	vm.one(`rate(edgegw_ws_messages_received_total{job="edgegw"}[15s])`, rate/2, rate*1.2)
	vm.one(`sum(rate(edgegw_ws_messages_delivered_total{job="edgegw"}[15s]))`, rate*subscribers/2, rate*subscribers*1.2)
	vm.one(`edgegw_build_info{job="edgegw",site="plant-7"}`, 1, 1)
	t.Logf("all of it after %v", time.Since(began).Round(time.Second))

	t.Run("series", func(t *testing.T) { holdSeries(t, g, vm) })
	t.Run("dashboard", func(t *testing.T) { dashboardHasData(t, vm) })
	t.Run("alerts", func(t *testing.T) { alertsAnswer(t, vm) })

	if err := g.End(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	vm.one(`up{job="edgegw"} == 0`, 0, 0)
}

// holdSeries counts what the store has of the gateway, and looks for labels that
// nobody may find there.
func holdSeries(t *testing.T, g *site, vm store) {
	text := g.metrics()
	if out := run(t, text, "promtool", "check", "metrics"); strings.TrimSpace(out) != "" {
		t.Errorf("promtool check metrics: %s", out)
	}
	if bad := regexp.MustCompile(`label-|127\.0\.0\.1|not-a-token|canary`).FindString(text); bad != "" {
		t.Errorf("/metrics holds %q", bad)
	}
	got, err := vm.query(`count({job="edgegw", __name__!~"up|scrape_.*"})`)
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	t.Logf("%v series with %d users and more than %d rooms", got[0].value, users, rooms)
	if got[0].value > 300 || got[0].value < 200 {
		t.Errorf("%v series; at most 300 are allowed, and fewer than 200 cannot be", got[0].value)
	}
	if of, ok := got[0].labels["user"]; ok {
		t.Error("a label user", of)
	}
}

// dashboardHasData asks every expression of the dashboard, with Grafana's variables
// filled in.
func dashboardHasData(t *testing.T, vm store) {
	fill := strings.NewReplacer("$__rate_interval", "15s", "$instance", ".+")
	asked := 0
	for _, q := range loadDashboard(t).queries() {
		asked++
		await(t, q.panel+": "+q.expr, func() (bool, string) {
			got, err := vm.query(fill.Replace(q.expr))
			return err == nil && len(got) > 0, fmt.Sprint(got, err)
		})
	}
	t.Logf("%d expressions have data", asked)
}

// alertsAnswer asks every alert's expression: VictoriaMetrics has to understand it.
// Of a gateway that is well, with somebody who knocks at its door, the knocking is
// said and nothing else but, perhaps, the clock of this machine.
func alertsAnswer(t *testing.T, vm store) {
	for _, a := range loadAlerts(t) {
		got, err := vm.query(a.Expr)
		knocked := a.Alert == "EdgegwLoginsRefused" || a.Alert == "EdgegwHandshakesRefused"
		if err != nil || len(got) > 0 != knocked && a.Alert != "EdgegwClockUntrusted" {
			t.Errorf("%s: %v %v", a.Alert, got, err)
		}
	}
}

// TestScrapeOverTLS: the shipped configuration for HTTPS trusts the CA that it
// names, and no other.
func TestScrapeOverTLS(t *testing.T) {
	t.Parallel()
	g := open(t)
	target, err := url.Parse(g.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, right := range []bool{true, false} {
		proxy := httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(target))
		proxy.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are given up
		proxy.StartTLS()
		t.Cleanup(proxy.Close)
		ca := proxy.Certificate().Raw
		if !right {
			ca = otherCA(t)
		}
		file := process.WriteFile(t, "ca.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca})))
		config := g.scrapeConfig(map[string]string{
			"/etc/edgegw/plant-7-ca.crt": file, "plant-7.local:8443": proxy.Listener.Addr().String(),
		}, "victoriametrics", "scrape-https.yml")
		run(t, "", "vmagent", "-dryRun", "-promscrape.config="+config)
		run(t, "", "promtool", "check", "config", config)
		vm := openStore(t, free(t), t.TempDir(), config)
		if right {
			vm.one(`up{job="edgegw", instance="plant-7"}`, 1, 1)
			vm.one(`edgegw_rooms{job="edgegw", instance="plant-7"}`, 0, 0)
		} else {
			vm.one(`up{job="edgegw", instance="plant-7"}`, 0, 0)
		}
	}
}

// otherCA is a certificate that nothing was signed with.
func otherCA(t *testing.T) []byte {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, of, of, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}
