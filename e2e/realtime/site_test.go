package realtime_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"edgegw/e2e/process"
	"edgegw/internal/adminsock"
	"edgegw/internal/gatewaytest"
)

// password is what people of this suite have.
const password = "canary-password-of-realtime"

// site is a gateway with its people.
type site struct {
	*process.Gateway
	t      *testing.T
	client *http.Client
}

// open runs a gateway with the [[rooms]] tables and options. When the test ends,
// the gateway has to stop well, and to have logged no error.
func open(t *testing.T, rooms string, options ...string) *site {
	t.Helper()
	own := []string{
		"config=" + process.WriteFile(t, "edgegw.toml", rooms), "message_rate=0",
		"login_rate_per_ip=0", "login_rate_per_account=0", "argon2_memory_kib=7168", "argon2_time=1",
	}
	s := &site{t: t, Gateway: process.New(t, append(own, options...)...)}
	s.client = &http.Client{Timeout: process.Patience, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	t.Cleanup(s.finish)
	s.Run()
	return s
}

func (s *site) finish() {
	s.client.CloseIdleConnections()
	s.Stop()
	shown := 0
	for line := range strings.Lines(s.Logged()) {
		if (strings.Contains(line, `"level":"ERROR"`) || !strings.HasPrefix(line, "{")) && shown < 20 {
			s.t.Errorf("the gateway logged: %s", line)
			shown++
		}
	}
}

// kill ends the gateway as a power cut would, as far as processes go.
func (s *site) kill() {
	s.t.Helper()
	s.client.CloseIdleConnections()
	if err := s.End(syscall.SIGKILL); err == nil {
		s.t.Error("the gateway survived a kill")
	}
}

// admin is a token of the administrator.
func (s *site) admin() string { return s.Token("admin", time.Hour) }

// try sends a request; it may be called from any goroutine.
func (s *site) try(method, path, token string, body any) (gatewaytest.Answer, error) {
	return gatewaytest.Ask(s.client, method, s.URL+path, token, body)
}

// do sends a request that has to be answered with the status.
func (s *site) do(status int, method, path, token string, body any) gatewaytest.Answer {
	s.t.Helper()
	a, err := s.try(method, path, token, body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	if a.Status != status {
		s.t.Fatalf("%s %s: %d %s, want %d", method, path, a.Status, a.Code(), status)
	}
	return a
}

// person makes an account with the password and, if there are any, grants of its
// own like "hall.*:rw". It returns a token of an hour, without a session.
func (s *site) person(name string, grants ...string) string {
	s.t.Helper()
	u := adminsock.NewUser{Name: name, Password: password, Grants: grants}
	c, err := adminsock.Dial(s.t.Context(), s.Dir)
	if err == nil {
		err = c.AddUser(s.t.Context(), u)
	}
	if err != nil {
		s.t.Fatalf("adding %s: %v", name, err)
	}
	return s.Token(name, time.Hour)
}

// crowd makes n accounts at little cost, and returns a token of each. They are
// devices: those need no password.
func (s *site) crowd(n int, grant string) []string {
	s.t.Helper()
	file := "name,room,grants,key_hash\n"
	tokens := make([]string, n)
	for i := range tokens {
		var secret [32]byte
		_, _ = rand.Read(secret[:])
		sum := sha256.Sum256(secret[:])
		file += fmt.Sprintf("m%05d,,%s,%s\n", i, grant, hex.EncodeToString(sum[:]))
		tokens[i] = s.Token(fmt.Sprintf("m%05d", i), time.Hour)
	}
	c, err := adminsock.Dial(s.t.Context(), s.Dir)
	if err == nil {
		_, err = c.ImportDevices(s.t.Context(), adminsock.Import{Data: []byte(file)})
	}
	if err != nil {
		s.t.Fatalf("importing %d devices: %v", n, err)
	}
	return tokens
}

// dial opens a TCP connection. With receive > 0 that is how much the kernel is
// asked to buffer of what comes, in bytes.
func (s *site) dial(receive int) (net.Conn, error) {
	d := net.Dialer{Timeout: process.Patience}
	if receive > 0 {
		d.Control = func(_, _ string, c syscall.RawConn) (err error) {
			_ = c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, receive) })
			return err
		}
	}
	return d.DialContext(context.Background(), "tcp", s.Addr)
}

// restart stops the gateway well and starts it again.
func (s *site) restart(options ...string) error {
	s.t.Helper()
	s.client.CloseIdleConnections()
	err := s.End(syscall.SIGTERM)
	s.Run(options...)
	return err
}

// scaled is how often a test does something: n times, or few times with -short.
func scaled(n, few int) int {
	if testing.Short() {
		return few
	}
	return n
}
