package app_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gatewaytest"
)

// metric is the value of one series; 0 when it is not there.
func metric(t testing.TB, g *gatewaytest.Gateway, series string) float64 {
	t.Helper()
	for line := range strings.Lines(string(g.Do("GET", "/metrics", "", nil).Body)) {
		if rest, ok := strings.CutPrefix(line, series+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				t.Fatalf("line %q: %v", line, err)
			}
			return n
		}
	}
	return 0
}

// await waits for something that has to come true, and says which when it does
// not.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// busy gives a gateway something of everything to count.
func busy(t *testing.T, g *gatewaytest.Gateway, users, rooms int) {
	t.Helper()
	admin := g.Token("admin")
	for i := range users {
		g.AddUser(fmt.Sprintf("label-user-%d", i), "")
	}
	sockets := make([]*gatewaytest.Socket, users)
	for i := range sockets {
		sockets[i] = g.Dial(g.Token(fmt.Sprintf("label-user-%d", i)), "?room=label-room-0")
		sockets[i].Joined()
	}
	for i := range rooms {
		s := sockets[i%users]
		s.Send(fmt.Sprintf(`{"type":"message","room":"label-room-%d","id":"label-id","data":"x"}`, i))
	}
	for i := range 10 {
		g.Do("POST", fmt.Sprintf("/rooms/label-room-%d/messages", i), admin, `{"data":1}`)
		g.Do("GET", fmt.Sprintf("/rooms/label-room-%d/messages", i), admin, nil)
	}
	for _, path := range []string{"/nothing", "/rooms/.bad", "/health", "/auth/me"} {
		g.Do("GET", path, "", nil)
		g.Do("DELETE", path, admin, nil)
		g.Do("GET", path, "eyJh."+canary+"."+canary, nil)
	}
	g.Login("label-user-0")
	g.Do("POST", "/auth/login", "", map[string]string{"username": "label-user-0", "password": canary})
	g.Handshake("?room=label-room-1")
	sockets[0].Raw([]byte{0x83, 0x80, 0, 0, 0, 0})
	sockets[0].Ended()
	sockets[1].Raw(gatewaytest.ClientFrame(0x88, []byte{0x10, 0x00}))
	sockets[1].Ended()
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "argon2_memory_kib=7168")
	busy(t, g, 50, 200)
	await(t, "the end of two sockets", func() bool { return metric(t, g, "edgegw_ws_connections") == 48 })
	body := g.Do("GET", "/metrics", "", nil).Body

	series := 0
	for line := range strings.Lines(string(body)) {
		if !strings.HasPrefix(line, "#") {
			series++
		}
	}
	t.Logf("%d series", series)
	if series > 300 {
		t.Errorf("%d series, at most 300 are allowed", series)
	}
	if label := regexp.MustCompile(`\{[^}]*(label-|127\.0\.0\.1|eyJ|canary)`).Find(body); label != nil {
		t.Errorf("a label takes a user, room, address or token: %s", label)
	}
	promtool(t, body)
	for _, want := range []string{
		`edgegw_ws_connections 48`, `edgegw_auth_logins_total{result="ok"} 1`,
		`edgegw_auth_logins_total{result="invalid_credentials"} 1`,
		`edgegw_ws_closed_total{code="1002"} 1`, `edgegw_ws_rejected_total{reason="invalid_token"} 1`,
		`edgegw_auth_token_rejections_total{reason="malformed"} 0`,
		`edgegw_http_requests_total{class="ws",code="101"} 50`, `edgegw_http_requests_total{class="rooms",code="201"} 10`,
		`edgegw_http_requests_total{class="rooms",code="500"} 0`, `edgegw_ws_messages_dropped_total{reason="purged"} 0`,
	} {
		if !bytes.Contains(body, []byte("\n"+want+"\n")) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	for _, name := range []string{
		"ws_connections", "ws_messages_received_total", "ws_messages_delivered_total", "ws_messages_dropped_total",
		"ws_closed_total", "ws_rejected_total", "rooms", "room_subscribers", "room_message_rate", "publish_duration_seconds",
		"devices", "auth_legacy_hashes", "backup_age_seconds", "pressure_level", "auth_logins_total", "auth_token_rejections_total", "argon2_duration_seconds", "argon2_queue",
		"store_commit_duration_seconds", "store_commit_messages", "store_bytes_written_total", "store_size_bytes",
		"disk_free_bytes", "epoch_resets_total", "quarantines_total", "clock_state", "http_requests_total", "http_request_duration_seconds", "build_info",
	} {
		if !bytes.Contains(body, []byte("\n# TYPE edgegw_"+name+" ")) && !bytes.HasPrefix(body, []byte("# TYPE edgegw_"+name+" ")) {
			t.Errorf("the metrics lack edgegw_%s", name)
		}
	}
}

// promtool fails the test unless Prometheus's own tool finds nothing to say.
func promtool(t *testing.T, exposition []byte) {
	t.Helper()
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatalf("promtool is needed: install Debian's package prometheus, or see scripts/ensure-tools.sh (%v)", err)
	}
	cmd := exec.CommandContext(t.Context(), tool, "check", "metrics")
	cmd.Stdin = bytes.NewReader(exposition)
	if out, err := cmd.CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

func TestMetricsToken(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "metrics-token")
	if err := os.WriteFile(file, []byte(canary+"-right\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := gatewaytest.Start(t, "metrics_token_file="+file)
	for token, status := range map[string]int{
		"": 401, canary + "-wrong": 401, canary: 401, g.Token("admin"): 401, canary + "-right": 200,
	} {
		if a := g.Do("GET", "/metrics", token, nil); a.Status != status {
			t.Errorf("token %q: %d, want %d", token, a.Status, status)
		}
	}
	if !strings.Contains(g.Log(), `"event":"token_refused"`) {
		t.Error("a wrong metrics token is not logged")
	}
}

func TestMetricsOnTheirOwnAddress(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "metrics_listen=127.0.0.1:0")
	if a := g.Do("GET", "/metrics", "", nil); a.Status != 404 {
		t.Errorf("/metrics on the main address: %d", a.Status)
	}
	scrape := *g
	scrape.URL = g.MetricsURL
	if a := scrape.Do("GET", "/metrics", "", nil); a.Status != 200 || !bytes.Contains(a.Body, []byte("edgegw_build_info")) {
		t.Errorf("/metrics on its own address: %d", a.Status)
	}
	for _, path := range []string{"/", "/health", "/rooms", "/ws", "/auth/login"} {
		res, err := http.Get(g.MetricsURL + path) // the API document does not speak of this address
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != 404 {
			t.Errorf("%s on the metrics' address: %d", path, res.StatusCode)
		}
	}
	if a := scrape.Do("POST", "/metrics", "", nil); a.Status != 405 {
		t.Errorf("POST /metrics: %d", a.Status)
	}
	if a := scrape.Do("GET", "/metrics", "", nil, "Origin", "http://evil.example.net"); a.Status != 403 {
		t.Errorf("a stranger's page reads /metrics: %d", a.Status)
	}
}
