package attack_test

import (
	"bufio"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"edgegw/e2e/process"
)

// spill puts every secret into every place of a request where it does not belong,
// as clumsy clients do.
func (h *harvest) spill(t *testing.T, secrets map[string]string) (n int) {
	t.Helper()
	for kind, secret := range secrets {
		for where, request := range map[string][2]string{
			"query": {"GET /auth/me?access_token=" + secret, ""},
			// A room may have any such name, so rooms are left out.
			"query of /ws":   {"GET /ws?token=" + secret, "Authorization: Bearer " + h.ada.access},
			"session":        {"DELETE /auth/sessions/" + secret, "Authorization: Bearer " + h.ada.access},
			"path":           {"GET /" + secret, ""},
			"deep path":      {"GET /auth/" + secret + "/me", ""},
			"user":           {"GET /users/" + secret, "Authorization: Bearer " + h.token("admin")},
			"origin":         {"GET /auth/me", "Origin: http://" + secret},
			"agent":          {"GET /auth/me", "User-Agent: " + secret},
			"referer":        {"GET /auth/me", "Referer: http://127.0.0.1/" + secret},
			"forwarded":      {"GET /auth/me", "X-Forwarded-For: " + secret},
			"request id":     {"GET /auth/me", "X-Request-ID: " + secret},
			"authorization":  {"GET /auth/me", "Authorization: Basic " + secret},
			"bearer":         {"GET /auth/me", "Authorization: Bearer " + secret + "x"},
			"subprotocol":    {"GET /ws", "Sec-WebSocket-Protocol: " + secret},
			"cookie":         {"POST /auth/logout", "Cookie: edgegw_refresh=" + secret + "x"},
			"host":           {"GET /auth/me", "X-Forwarded-Host: " + secret},
			"broken header":  {"GET /auth/me", "Authorization : " + secret},
			"method":         {secret + " /auth/me", ""},
			"content type":   {"POST /auth/login", "Content-Type: " + secret},
			"broken request": {"GET /auth/me " + secret, ""},
		} {
			l := h.mustDial()
			line := request[0] + " HTTP/1.1\r\nHost: " + h.Addr + "\r\n"
			if request[1] != "" {
				line += request[1] + "\r\n"
			}
			a, err := l.ask(line + "\r\n")
			_ = l.Close()
			if err != nil {
				t.Fatalf("%s in %s: %v", kind, where, err)
			}
			if strings.Contains(string(a.Body)+fmt.Sprint(a.Header), secret) {
				t.Errorf("the answer repeats a %s from %s", kind, where)
			}
			n++
		}
		for _, r := range h.routes(h.ada.access) {
			for member := range r.good {
				good := maps.Clone(r.good)
				good[member] = secret
				for _, body := range []any{good, map[string]any{secret: secret}, secret} {
					// Who sends it may read of it what is wrong: the answer is
					// not looked at.
					h.do(r.method, r.path, r.token, body)
					n++
				}
			}
		}
	}
	return n
}

// Whatever clients do with their secrets, none comes to light in the log, the
// metrics, the audit, the command lines or the answers. What every gateway of
// this suite has let out is searched as well.
func TestSecretsStayHidden(t *testing.T) {
	t.Parallel()
	h := reap(t)
	key := strings.TrimSpace(h.command("", "device", "rotate-key", "pump"))
	code := strings.TrimSpace(h.command("", "user", "reset", "ada"))
	issued := strings.TrimSpace(h.command("", "token", "issue", "ada"))
	for kind, secret := range map[string]string{"device_key": key, "reset_token": code, "access_token": issued} {
		h.hidden.hide(kind, secret)
	}
	h.command(issued, "token", "inspect")
	h.command("canary-password-of-carl\n", "user", "add", "carl")
	h.command("canary-password-of-carl-2\n", "user", "passwd", "carl")
	spilt := h.spill(t, map[string]string{
		"access token": h.ada.access, "refresh token": h.ada.refresh, "device key": h.deviceKey, "new device key": key,
		"reset code": code, "signing secret": string(h.key),
	})
	h.command("", "token", "rotate")
	if b, err := os.ReadFile(h.Dir + "/jwt-keys.json"); err == nil {
		h.hidden.hide("key ring", string(b))
	}
	want(t, "a request after all that", h.do("GET", "/livez", "", nil), http.StatusOK)
	t.Logf("secrets: %d known ones, put into %d wrong places; the log, /metrics, the audit, command lines and environments are searched for them", h.hidden.size(), spilt)
}

// A command that waits for a secret holds none where other processes can look.
func TestSecretsOfCommands(t *testing.T) {
	t.Parallel()
	g := start(t, cheap()...)
	looked := 0
	for _, c := range []struct{ stdin, args string }{
		{"canary-password-of-dora\n", "user add dora"}, {"canary-password-of-dora-2\n", "user passwd admin"},
		{"name,role,hash\n", "user import -"}, {"name,room,grants,key_hash\n", "device import -"}, {g.token("admin"), "token inspect"},
	} {
		cmd := exec.CommandContext(t.Context(), process.Bin(), append(strings.Fields(c.args), "--data-dir", g.Dir)...)
		cmd.Env = process.Environment()
		read, in, err1 := os.Pipe()
		out, err2 := cmd.StderrPipe()
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		cmd.Stdin = read
		err := cmd.Start()
		_ = read.Close()
		if err != nil {
			t.Fatal(err)
		}
		// Half of what it reads is there; the rest is still to come.
		_, _ = in.Write([]byte(c.stdin[:len(c.stdin)/2]))
		for deadline := time.Now().Add(patience); !isRead(t, in) && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		for _, name := range []string{"cmdline", "environ"} {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", cmd.Process.Pid, name))
			if err != nil || len(b) == 0 {
				t.Errorf("%s: there is nothing to look at: %v", c.args, err)
			}
			g.hidden.check(t, name+" of "+c.args, string(b))
			looked++
		}
		_, _ = in.Write([]byte(c.stdin[len(c.stdin)/2:]))
		_ = in.Close()
		said := bufio.NewScanner(out)
		for said.Scan() {
			g.hidden.check(t, "standard error of "+c.args, said.Text())
		}
		_ = cmd.Wait() // an import of nothing is refused
	}
	// A secret in an argument is not repeated by the refusal.
	out, err := exec.CommandContext(t.Context(), process.Bin(), "token", "inspect", g.token("admin")).CombinedOutput()
	if err == nil {
		t.Error("a token was taken as an argument")
	}
	g.hidden.check(t, "the refusal of a token as an argument", string(out))
	t.Logf("commands: 0 secrets in %d command lines and environments", looked)
}

// isRead reports whether everything that was written into a pipe has been read: the
// program runs by then, and has its command line and its environment.
func isRead(t *testing.T, pipe *os.File) bool {
	left, err := unix.IoctlGetInt(int(pipe.Fd()), unix.TIOCINQ)
	if err != nil {
		t.Fatal(err)
	}
	return left == 0
}

// A process that dies with all its stacks printed, in the middle of logins, has
// no secret in them.
func TestSecretsInStacks(t *testing.T) {
	t.Parallel()
	g := start(t, unlimited("argon2_memory_kib=65536", "argon2_time=10")...)
	key := g.addDevice("pump")
	ended := make(chan struct{})
	const people = 8
	for i := range people {
		go func() {
			defer func() { ended <- struct{}{} }()
			_, _ = g.try("POST", "/auth/login", "", credentials("admin", password)) // the gateway ends before it answers
			if i == 0 {
				_, _ = g.try("POST", "/auth/device", "", map[string]string{"device_key": key})
			}
		}()
	}
	for deadline := time.Now().Add(patience); g.number("edgegw_argon2_queue") < people-1 && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	g.dumped = true
	if err := g.End(syscall.SIGQUIT); err == nil {
		t.Error("the gateway ended well")
	}
	for range people {
		<-ended
	}
	log := g.Logged()
	stacks := strings.Count(log, "\ngoroutine ")
	if stacks < people || !strings.Contains(log, "argon2.") {
		t.Errorf("%d stacks were printed, or none of a login", stacks)
	}
	t.Logf("stacks: %d printed in the middle of %d logins, searched for secrets with the rest of the log", stacks, people)
}
