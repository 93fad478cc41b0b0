package app_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"edgegw/internal/app"
	"edgegw/internal/gatewaytest"
	"edgegw/internal/localca"
)

// site is a gateway with TLS beside plain HTTP, on a machine whose addresses change.
type site struct {
	t     *testing.T
	clock *gatewaytest.Clock
	dir   string
	names atomic.Pointer[localca.Names]
	g     *gatewaytest.Gateway
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, clock: &gatewaytest.Clock{}, dir: t.TempDir()}
	s.clock.Sync(true)
	s.reached("kitchen", "kitchen.local", "localhost", "127.0.0.1")
	return s
}

// reached says how the machine is reached from now on.
func (s *site) reached(list ...string) {
	var n localca.Names
	for _, name := range list {
		n.ParseName(name)
	}
	s.names.Store(&n)
}

func (s *site) start(flags ...string) {
	s.t.Helper()
	deps := app.Deps{Certificates: app.CertificateDeps{Every: 10 * time.Millisecond, Names: func() localca.Names { return *s.names.Load() }}}
	s.g = gatewaytest.StartWith(s.t, s.clock, s.dir, deps, append(flags, "tls_listen=127.0.0.1:0")...)
}

func (s *site) stop() {
	s.t.Helper()
	if err := s.g.Stop(); err != nil {
		s.t.Fatal(err)
	}
}

// served is the chain that TLS shows, unverified.
func (s *site) served() []*x509.Certificate {
	s.t.Helper()
	c, err := tls.Dial("tcp", strings.TrimPrefix(s.g.TLSURL, "https://"), &tls.Config{InsecureSkipVerify: true}) // the certificate is what is looked at
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	return c.ConnectionState().PeerCertificates
}

func (s *site) leaf() *x509.Certificate { s.t.Helper(); return s.served()[0] }

func (s *site) ca() *x509.Certificate {
	s.t.Helper()
	ca, err := localca.ParseCertificate(s.g.Do("GET", "/ca.crt", "", nil).Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return ca
}

// changed waits until another certificate is shown than c.
func (s *site) changed(c *x509.Certificate) *x509.Certificate {
	s.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if now := s.leaf(); !now.Equal(c) {
			return now
		}
	}
	s.t.Fatalf("the certificate stays:\n%s", s.g.Log())
	return nil
}

// stays fails when another certificate is shown within some looks at it.
func (s *site) stays(c *x509.Certificate) {
	s.t.Helper()
	for range 20 {
		if !s.leaf().Equal(c) {
			s.t.Fatal("the certificate has changed")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

const day = 24 * time.Hour

// talks has a socket publish and read over TLS, which shows that it lives.
func talks(t *testing.T, s *gatewaytest.Socket) {
	t.Helper()
	s.Send("still there")
	nextOf(t, s, "message")
}

func TestCertificateIsRenewed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.start("listen=")
	first, pin := s.leaf(), localca.Pin(s.ca())
	s.clock.Pass(200 * day)
	s.stays(first)
	s.clock.Pass(60 * day)
	s.g.AwaitStep()
	second := s.changed(first)
	if second.NotAfter.Sub(first.NotAfter) < 250*day || second.NotAfter.Sub(second.NotBefore) > 397*day {
		t.Errorf("renewed from %v to %v", first.NotAfter, second.NotAfter)
	}
	if localca.Pin(s.ca()) != pin || localca.Pin(s.served()[1]) != pin {
		t.Error("the pin has changed")
	}
}

func TestCertificateFollowsAddresses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.start("listen=")
	first := s.leaf()
	socket := s.g.Dial(s.g.Token("admin"), "?room=a")
	socket.Joined()
	s.reached("kitchen", "kitchen.local", "localhost", "127.0.0.1", "10.9.8.7", "8.8.8.8")
	second := s.changed(first)
	if err := second.VerifyHostname("10.9.8.7"); err != nil {
		t.Error(err)
	}
	if second.VerifyHostname("8.8.8.8") == nil {
		t.Error("a public address is in it")
	}
	talks(t, socket)
	// It flaps: the address that went is still in there.
	for range 5 {
		s.reached("kitchen", "kitchen.local", "localhost", "127.0.0.1")
		s.stays(second)
		s.reached("kitchen", "kitchen.local", "localhost", "127.0.0.1", "10.9.8.7")
		s.stays(second)
	}
	// A third one has to wait.
	s.reached("kitchen", "kitchen.local", "localhost", "127.0.0.1", "10.9.8.6")
	s.stays(second)
	s.clock.Pass(11 * time.Minute)
	third := s.changed(second)
	for _, a := range []string{"10.9.8.6", "10.9.8.7"} {
		if err := third.VerifyHostname(a); err != nil {
			t.Error(err)
		}
	}
	// The machine was renamed: .local is in the constraints, the bare name is not.
	s.clock.Pass(11 * time.Minute)
	s.reached("cellar", "cellar.local", "localhost", "127.0.0.1")
	fourth := s.changed(third)
	if fourth.VerifyHostname("cellar.local") != nil || fourth.VerifyHostname("cellar") == nil {
		t.Errorf("after the renaming it is for %v", fourth.DNSNames)
	}
	await(t, "a word about the name", func() bool {
		return strings.Contains(s.g.Log(), `"event":"tls_names_refused","names":"8.8.8.8"`) &&
			strings.Contains(s.g.Log(), `"event":"tls_names_refused","names":"cellar"`)
	})
	if n := strings.Count(s.g.Log(), "tls_names_refused"); n > 4 {
		t.Errorf("it was told %d times", n)
	}
}

// A board boots with a clock that nobody has set, and learns the time later.
func TestCertificateUnderAnyClock(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.clock.Sync(false)
	s.clock.Set(time.Unix(30, 0))
	s.start()
	first := s.leaf()
	if year := first.NotBefore.Year(); year != 2025 {
		t.Errorf("made in 1970, it begins in %d", year)
	}
	if got := s.g.Do("GET", "/health", "", nil).JSON()["checks"].(map[string]any)["tls"]; got != "ok" {
		t.Errorf("health says %v", got)
	}
	s.clock.Set(time.Date(2029, 3, 1, 0, 0, 0, 0, time.UTC))
	s.clock.Sync(true)
	s.g.AwaitStep()
	second := s.changed(first)
	if at := time.Date(2029, 3, 1, 0, 0, 0, 0, time.UTC); at.Before(second.NotBefore) || at.After(second.NotAfter) {
		t.Errorf("it is valid from %v to %v", second.NotBefore, second.NotAfter)
	}
	s.stop()

	// In 1970 again, what is there is kept; its time comes back with the floor.
	s.clock.Reboot()
	s.clock.Sync(false)
	s.clock.Set(time.Unix(30, 0))
	s.start()
	s.stays(second)
}

func TestOwnFiles(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	certFile, keyFile := filepath.Join(t.TempDir(), "c.pem"), filepath.Join(t.TempDir(), "k.pem")
	ca, _, err := localca.Create("mine", localca.Names{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	put := func(at time.Time) {
		t.Helper()
		certPEM, keyPEM, err := ca.Issue(*s.names.Load(), at)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.WriteFile(certFile, certPEM, 0o600), os.WriteFile(keyFile, keyPEM, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	put(time.Now())
	s.start("tls_cert_file="+certFile, "tls_key_file="+keyFile)
	first := s.leaf()
	if a := s.g.Do("GET", "/ca.crt", "", nil); a.Status != 404 || a.Code() != "not_found" {
		t.Errorf("/ca.crt: %d", a.Status)
	}
	if there := filepath.Join(s.dir, "tls"); exists(there) {
		t.Error("a CA was made that nobody asked for")
	}
	put(time.Now())
	if err := s.g.Reload(); err != nil {
		t.Fatal(err)
	}
	second := s.leaf()
	if second.Equal(first) {
		t.Error("SIGHUP has not brought the new files")
	}
	put(time.Now())
	third := s.changed(second) // by itself, too

	// Half of a change, and nonsense, leave the old one in use.
	if err := os.WriteFile(keyFile, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.g.Reload(); err == nil || !strings.Contains(err.Error(), "tls_cert_file") {
		t.Errorf("a bad key: %v", err)
	}
	s.stays(third)
	health := func() string {
		h := s.g.Do("GET", "/health", "", nil).JSON()
		said, _ := h["checks"].(map[string]any)["tls"].(string)
		return h["status"].(string) + " " + said
	}
	if got := health(); !strings.HasPrefix(got, "degraded tls_cert_file and tls_key_file: ") {
		t.Errorf("health says %s", got)
	}
	// One that is over, or from the future, is used and told of.
	put(time.Now().Add(-500 * day))
	s.changed(third)
	await(t, "a word about the end", func() bool { return strings.Contains(health(), "has expired") })
	if left := metric(t, s.g, "edgegw_tls_certificate_expiry_seconds"); left >= 0 {
		t.Errorf("%v s are left", left)
	}
	put(time.Now().Add(60 * day))
	await(t, "a word about the future", func() bool { return strings.Contains(health(), "one of the two is wrong") })
	put(time.Now())
	await(t, "health", func() bool { return health() == "ok ok" || strings.HasSuffix(health(), " ok") })
	if left := metric(t, s.g, "edgegw_tls_certificate_expiry_seconds"); left < 366*86400 || left > 368*86400 {
		t.Errorf("%v s are left", left)
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// A device that knows the pin and not the time finds the CA in the chain, and trusts
// nobody else.
func TestPinnedFirmware(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.start()
	pinned := func(pin string) *tls.Config {
		boot := time.Unix(30, 0)
		return &tls.Config{
			ServerName: "kitchen.local", InsecureSkipVerify: true, Time: func() time.Time { return boot }, // verified below
			VerifyConnection: func(cs tls.ConnectionState) error {
				for _, c := range cs.PeerCertificates[1:] {
					sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
					if "sha256/"+base64.StdEncoding.EncodeToString(sum[:]) == pin {
						leaf := cs.PeerCertificates[0]
						return errors.Join(leaf.CheckSignatureFrom(c), leaf.VerifyHostname("kitchen.local"))
					}
				}
				return errors.New("nobody with the pin")
			},
		}
	}
	address := strings.TrimPrefix(s.g.TLSURL, "https://")
	if c, err := tls.Dial("tcp", address, pinned(localca.Pin(s.ca()))); err != nil {
		t.Errorf("in 1970, with the pin: %v", err)
	} else {
		_ = c.Close()
	}
	if _, err := tls.Dial("tcp", address, pinned("sha256/AAAA")); err == nil {
		t.Error("another pin is taken")
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.ca())
	_, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, ServerName: "kitchen.local", Time: func() time.Time { return time.Unix(30, 0) }})
	if err == nil || !strings.Contains(err.Error(), "not yet valid") {
		t.Errorf("in 1970, by the calendar: %v", err)
	}
}

// curl and openssl, as their users call them.
func TestTools(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.start()
	path := filepath.Join(t.TempDir(), "ca.crt")
	run := func(name string, args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Stdin = bytes.NewReader(nil)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run("curl", "-sS", "-o", path, s.g.URL+"/ca.crt"); err != nil {
		t.Fatalf("%s %v", out, err)
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(s.g.TLSURL, "https://"), ":")
	for _, host := range []string{"localhost", "kitchen.local", "127.0.0.1"} {
		out, err := run("curl", "-sS", "--cacert", path, "--resolve", "kitchen.local:"+port+":127.0.0.1", fmt.Sprintf("https://%s:%s/livez", host, port))
		if err != nil || !strings.Contains(out, `"ok"`) {
			t.Errorf("curl %s: %s %v", host, out, err)
		}
	}
	for name, want := range map[string][]string{
		"other.local": {"--cacert", path}, "localhost": nil,
	} {
		args := append(want, "-sS", "--resolve", "other.local:"+port+":127.0.0.1", fmt.Sprintf("https://%s:%s/livez", name, port))
		if out, err := run("curl", args...); err == nil {
			t.Errorf("curl trusts %s: %s", name, out)
		}
	}
	for version, want := range map[string]string{"-tls1_3": "TLSv1.3", "-tls1_2": "TLSv1.2"} {
		out, err := run("openssl", "s_client", version, "-connect", "127.0.0.1:"+port, "-CAfile", path, "-verify_return_error", "-verify_hostname", "kitchen.local", "-alpn", "h2,http/1.1")
		if err != nil || !strings.Contains(out, "Verify return code: 0 (ok)") || !strings.Contains(out, want) || !strings.Contains(out, "ALPN protocol: http/1.1") {
			t.Errorf("openssl %s: %s %v", version, out, err)
		}
	}
	// A device in 1970 is told why, and one that leaves the time out is let in.
	if out, err := run("openssl", "s_client", "-attime", "30", "-connect", "127.0.0.1:"+port, "-CAfile", path, "-verify_return_error"); err == nil || !strings.Contains(out, "not yet valid") {
		t.Errorf("openssl in 1970: %s", out)
	}
	if out, err := run("openssl", "s_client", "-no_check_time", "-connect", "127.0.0.1:"+port, "-CAfile", path, "-verify_return_error"); err != nil {
		t.Errorf("openssl without the time: %s", out)
	}
	if out, _ := run("curl", "-sS", "-i", "http://127.0.0.1:"+port+"/livez"); !strings.Contains(out, "https://") {
		t.Errorf("plain HTTP gets %s", out)
	}
}

// A browser's page of the gateway's own, over TLS, and pages of others.
func TestOriginOverTLS(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "listen=", "tls_listen=127.0.0.1:0")
	for origin, in := range map[string]bool{
		g.TLSURL: true, "https://127.0.0.1": false, "https://evil.example": false, "null": false,
	} {
		s, a := g.Handshake("?room=a", "Origin: "+origin, "Sec-WebSocket-Protocol: bearer, "+g.Token("admin"))
		if in != (s != nil) || !in && a.Status != 403 {
			t.Errorf("%s: %d", origin, a.Status)
		}
		if s != nil {
			s.Joined()
		}
	}
	a := g.Do("POST", "/auth/login", "", map[string]any{"username": "admin", "password": gatewaytest.Password, "cookie": true}, "Origin", g.TLSURL)
	if cookie := a.Header.Get("Set-Cookie"); a.Status != 200 || !strings.Contains(cookie, "; Secure") {
		t.Errorf("%d, and a cookie without Secure", a.Status)
	}
	if a.Header.Get("Strict-Transport-Security") != "" {
		t.Error("HSTS with a CA of its own")
	}
}
