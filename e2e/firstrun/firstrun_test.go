// Package firstrun measures what a new user waits for: from a binary and an empty
// folder to the first message, by the setup code and by the command line.
package firstrun_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"edgegw/e2e/process"
	"edgegw/internal/gatewaytest"
)

// most is what the whole way may take without the person's own typing. A person
// has 60 s for two commands; of these a machine that builds the gateway has to
// leave nearly all, so that a small board leaves most.
const most = 5 * time.Second

const password = "canary-password-first-run"

func TestMain(m *testing.M) { os.Exit(process.Main(m, "../..")) }

// gateway runs the binary with a folder that it makes, unless it is there, and
// the options of the field, but for where it listens. It returns a look at its
// log, and a way to kill it.
func gateway(t *testing.T, dir string) (log func() string, kill func()) {
	t.Helper()
	logs := os.Getenv("EDGEGW_TEST_LOGS")
	if logs == "" {
		logs = t.TempDir()
	}
	f, err := os.CreateTemp(logs, "firstrun-*.log")
	if err != nil {
		t.Fatal(err)
	}
	cmd := process.Command("serve", "--listen", "127.0.0.1:0", "--data-dir", dir)
	cmd.Stdout, cmd.Stderr = f, f
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	t.Cleanup(func() {
		if !killed {
			_ = cmd.Process.Signal(os.Interrupt)
			if err := cmd.Wait(); err != nil {
				t.Errorf("the gateway ended with %v", err)
			}
		}
		_ = f.Close()
	})
	log = func() string {
		b, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	return log, func() {
		killed = true
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

var offered = regexp.MustCompile(`"setup_code":"([A-Z0-9]{8})","expires_in":900,"urls":\["(http://127\.0\.0\.1:\d+)/setup"`)

// await waits for what the log has to say.
func await(t *testing.T, log func() string, want *regexp.Regexp) []string {
	t.Helper()
	for deadline := time.Now().Add(process.Patience); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if m := want.FindStringSubmatch(log()); m != nil {
			return m
		}
	}
	t.Fatalf("the log has no %s:\n%s", want, log())
	return nil
}

func ask(t *testing.T, status int, method, url, token string, body any) map[string]any {
	t.Helper()
	a, err := gatewaytest.Ask(http.DefaultClient, method, url, token, body)
	if err != nil {
		t.Fatal(err)
	}
	if a.Status != status {
		t.Fatalf("%s %s: %d %s, want %d", method, url, a.Status, a.Code(), status)
	}
	return a.JSON()
}

func text(m map[string]any, name string) string {
	s, _ := m[name].(string)
	return s
}

// publish is a device's first message.
func publish(t *testing.T, url, key string) {
	t.Helper()
	device := text(ask(t, 200, "POST", url+"/auth/device", "", map[string]string{"device_key": key}), "access_token")
	sent := ask(t, 201, "POST", url+"/rooms/lobby/messages", device, map[string]string{"data": "Hello room!"})
	if sent["seq"] != 1.0 {
		t.Errorf("the first message is %v", sent)
	}
}

func report(t *testing.T, way string, began time.Time) {
	t.Helper()
	took := time.Since(began)
	fmt.Printf("first run %s: from nothing to the first acknowledged message in %d ms\n", way, took.Milliseconds())
	if took > most {
		t.Errorf("it took %v, more than %v", took, most)
	}
}

// As the page does it.
func TestByCode(t *testing.T) {
	began := time.Now()
	log, _ := gateway(t, filepath.Join(t.TempDir(), "data"))
	m := await(t, log, offered)
	code, url := m[1], m[2]
	ask(t, 503, "GET", url+"/rooms", "", nil)
	owner := text(ask(t, 200, "POST", url+"/setup", "", map[string]string{"code": code, "password": password}), "access_token")
	key := text(ask(t, 201, "POST", url+"/devices", owner, map[string]string{"name": "pump-1", "room": "lobby"}), "device_key")
	publish(t, url, key)
	report(t, "by the setup code", began)
}

// As a shell does it: two commands, one of which starts the gateway; and then the
// snippet that the second one prints, as it stands.
func TestByCommand(t *testing.T) {
	began := time.Now()
	dir := filepath.Join(t.TempDir(), "data")
	log, _ := gateway(t, dir)
	url := await(t, log, regexp.MustCompile(`"event":"listening","url":"([^"]+)"`))[1]
	file := process.WriteFile(t, "password", password+"\n")
	out, err := process.Command("setup", "--data-dir", dir, "--password-file", file, "--device", "pump-1").Output()
	if err != nil {
		t.Fatal(err)
	}
	snippet := regexp.MustCompile(`(?s)\n(TOKEN=.*?)\n\n`).FindStringSubmatch(string(out))
	if snippet == nil || !strings.Contains(string(out), url) {
		t.Fatal("the command printed no snippet, or not for the gateway's address")
	}
	shell := exec.Command("bash", "-c", snippet[1])
	shell.Env = process.Environment()
	said, err := shell.Output()
	var sent map[string]any
	if err != nil || json.Unmarshal(said, &sent) != nil || sent["seq"] != 1.0 {
		t.Fatalf("%v: %.200s", err, said)
	}
	report(t, "by `edgegw setup` and its snippet", began)
}

// A kill voids the code, or leaves an owner: never one without the other.
func TestKilledMidway(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	log, kill := gateway(t, dir)
	old := await(t, log, offered)[1]
	kill()
	log, kill = gateway(t, dir)
	m := await(t, log, offered)
	owner := func(code string) map[string]string { return map[string]string{"code": code, "password": password} }
	ask(t, 401, "POST", m[2]+"/setup", "", owner(old))
	ask(t, 200, "POST", m[2]+"/setup", "", owner(m[1]))
	kill()
	log, _ = gateway(t, dir)
	url := await(t, log, regexp.MustCompile(`"event":"listening","url":"([^"]+)"(?s:.*)"event":"ready"`))[1]
	ask(t, 200, "POST", url+"/auth/login", "", map[string]string{"username": "admin", "password": password})
	ask(t, 409, "POST", url+"/setup", "", owner(m[1]))
	if offered.MatchString(log()) {
		t.Error("a gateway with an owner offers a code")
	}
}
