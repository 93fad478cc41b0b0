package observed_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"edgegw/e2e/process"
	"edgegw/internal/gatewaytest"
)

// journalled runs a gateway as systemd does, with its standard error on a pipe that
// JOURNAL_STREAM names, has it refuse somebody, stops it, and returns what it said.
func journalled(t *testing.T, stream func(device, inode uint64) string, options ...string) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var st syscall.Stat_t
	if err := syscall.Fstat(int(w.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	address := free(t)
	args := append([]string{
		"serve", "--listen=" + address, "--data-dir=" + t.TempDir(), "--argon2-memory-kib=7168", "--argon2-time=1",
		"--admin-password-file=" + process.WriteFile(t, "password", process.Password),
	}, options...)
	cmd := process.Command(args...)
	cmd.Stderr = w
	cmd.Env = append(cmd.Env, "JOURNAL_STREAM="+stream(st.Dev, st.Ino))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // the parent that Pdeathsig means
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	said := make(chan string)
	go func() {
		b, _ := io.ReadAll(r)
		said <- string(b)
	}()
	defer func() { _ = cmd.Process.Kill() }()
	url := "http://" + address
	await(t, "the gateway", func() (bool, string) {
		_, err := get(url + "/readyz")
		return err == nil, fmt.Sprint(err)
	})
	refuse(t, url)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	text := <-said
	if err := cmd.Wait(); err != nil {
		t.Errorf("the gateway ended with %v:\n%s", err, text)
	}
	keep(t, text)
	return text
}

// keep leaves a log where all tests leave theirs to be searched for secrets.
func keep(t *testing.T, text string) {
	t.Helper()
	dir := os.Getenv("EDGEGW_TEST_LOGS")
	if dir == "" {
		return
	}
	name := dir + "/" + strings.ReplaceAll(t.Name(), "/", "_") + ".log"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// refuse offers wrong passwords and bad tokens, 30 times each.
func refuse(t *testing.T, url string) {
	t.Helper()
	client := http.Client{Timeout: process.Patience}
	defer client.CloseIdleConnections()
	login := map[string]string{"username": "admin", "password": "canary-password-wrong"}
	for i := range 30 {
		for path, want := range map[string]int{"/auth/me": 401, "/ws": 401} {
			token := fmt.Sprintf("%d.canary-token.bad", i)
			headers := []string{}
			if path == "/ws" {
				headers = []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "MDEyMzQ1Njc4OWFiY2RlZg=="}
			}
			a, err := gatewaytest.Ask(&client, "GET", url+path, token, nil, headers...)
			if err != nil || a.Status != want {
				t.Fatalf("%s: %d %v", path, a.Status, err)
			}
		}
		if i < 3 {
			if a, err := gatewaytest.Ask(&client, "POST", url+"/auth/login", "", login); err != nil || a.Status != 401 {
				t.Fatalf("login: %d %v", a.Status, err)
			}
		}
	}
	time.Sleep(1100 * time.Millisecond) // the second that the limit is for
	if _, err := gatewaytest.Ask(&client, "GET", url+"/auth/me", "0.canary-token.bad", nil); err != nil {
		t.Fatal(err)
	}
}

func right(device, inode uint64) string { return fmt.Sprintf("%d:%d", device, inode) }
func wrong(device, inode uint64) string { return fmt.Sprintf("%d:%d", device, inode+1) }

func TestJournal(t *testing.T) {
	text := journalled(t, right, "--log-format=text")
	line := regexp.MustCompile(`^<([3467])>level=(\w+) msg=\S.* event=\w+`)
	priorities := map[string]string{"ERROR": "3", "WARN": "4", "INFO": "6", "DEBUG": "7"}
	for l := range strings.Lines(text) {
		m := line.FindStringSubmatch(l)
		if m == nil || priorities[m[2]] != m[1] || strings.Contains(l, " time=") {
			t.Errorf("not a line for the journal: %s", l)
		}
	}
	limited(t, text, "event=token_refused", "event=ws_refused")
	if json := journalled(t, right, "--log-format=json"); strings.Contains(json, "<") || !strings.HasPrefix(json, `{"time":`) {
		t.Errorf("JSON has to stay JSON: %s", json)
	}
	if other := journalled(t, wrong, "--log-format=text"); !strings.HasPrefix(other, "time=") {
		t.Errorf("a stream that is not the journal's: %s", other)
	}
}

// limited: of 30 refusals at once only some have a line, one says how many have
// none, and no line holds a token.
func limited(t *testing.T, text string, events ...string) {
	t.Helper()
	for _, e := range events {
		if n := strings.Count(text, e); n < 2 || n > 25 {
			t.Errorf("%d lines with %s", n, e)
		}
	}
	if !strings.Contains(text, "left_out=") || !strings.Contains(text, "ip=127.0.0.1") || strings.Contains(text, "canary") {
		t.Errorf("the log says too little, or too much:\n%s", text)
	}
}

// TestFail2ban: the shipped filter finds who was refused, in either form of the log.
func TestFail2ban(t *testing.T) {
	for _, format := range []string{"json", "text"} {
		text := journalled(t, wrong, "--log-format="+format)
		log := process.WriteFile(t, "edgegw.log", text)
		found := run(t, "", "fail2ban-regex", "-o", "ip", log, deployed("fail2ban", "filter.d", "edgegw.conf"))
		logins := strings.Count(text, "wrong_password")
		want := logins + strings.Count(text, "malformed")
		if got := strings.Count(found, "127.0.0.1"); got != want || logins != 3 {
			t.Errorf("%s: found %d of %d refusals, %d of them logins:\n%s", format, got, want, logins, found)
		}
	}
	// What a stranger may choose must not become an address: names are checked
	// before they are logged, and quotes are escaped.
	trap := `{"time":"2030-01-01T00:00:00Z","level":"WARN","event":"token_refused","reason":"\"ip\":\"192.0.2.1\"","ip":"192.0.2.2"}` + "\n" +
		`{"time":"2030-01-01T00:00:00Z","level":"WARN","event":"login","code":"invalid_credentials","reason":"expired","user":"192.0.2.1","ip":"192.0.2.2"}` + "\n" +
		`{"time":"2030-01-01T00:00:00Z","level":"WARN","event":"token_refused","code":"token_expired","reason":"expired","ip":"192.0.2.1"}` + "\n"
	out, err := exec.Command("fail2ban-regex", "-o", "ip", process.WriteFile(t, "trap.log", trap), deployed("fail2ban", "filter.d", "edgegw.conf")).CombinedOutput()
	if strings.TrimSpace(string(out)) != "192.0.2.2" {
		t.Errorf("%v: found %q", err, out)
	}
	run(t, "", "fail2ban-client", "-c", jail(t), "-t")
}

// jail is a configuration folder of fail2ban with the shipped files in it.
func jail(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	run(t, "", "cp", "-r", "/etc/fail2ban/.", dir)
	for _, kind := range []string{"filter.d", "jail.d"} {
		run(t, "", "cp", deployed("fail2ban", kind, "edgegw.conf"), dir+"/"+kind+"/edgegw.conf")
	}
	// Debian's own jail wants a log that is not on every machine.
	if err := os.WriteFile(dir+"/jail.d/defaults-debian.conf", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}
