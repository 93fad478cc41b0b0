package reach_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgegw/internal/config"
	"edgegw/internal/gateway"
	"edgegw/internal/reach"
)

// authority signs certificates as a gateway's own does.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T, file string) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(9, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err == nil {
		c, err = x509.ParseCertificate(der)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err = errors.Join(err, os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, text, 0o600)); err != nil {
		t.Fatal(err)
	}
	return authority{c, key, file}
}

// server answers with health over TLS, with a certificate of a for one name.
func (a authority) server(t *testing.T, name string, from, to time.Time) (address string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: from, NotAfter: to, DNSNames: []string{name}}
	if ip := net.ParseIP(name); ip != nil {
		c.DNSNames, c.IPAddresses = nil, []net.IP{ip}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, l, 200, `{"status":"ok","version":"v1","uptime":7,"clock":"synced","checks":{"admin":"ok"}}`)
}

func serve(t *testing.T, l net.Listener, status int, body string) string {
	t.Helper()
	srv := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, body)
	})}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	return l.Addr().String()
}

func ask(t *testing.T, to reach.Target) (reach.Health, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return to.Ask(ctx)
}

// A gateway that somebody names is verified as everywhere.
func TestNamedOverTLS(t *testing.T) {
	a, other := newAuthority(t, filepath.Join(t.TempDir(), "a.crt")), newAuthority(t, filepath.Join(t.TempDir(), "b.crt"))
	from, to := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	good := a.server(t, "127.0.0.1", from, to)
	tests := []struct{ name, address, ca, says string }{
		{"ok", good, a.file, ""},
		{"bad, no authority", good, "", "authority that is not known here; download its ca.crt"},
		{"bad, another authority", good, other.file, "authority that is not known here"},
		{"bad, another name", a.server(t, "board.local", from, to), a.file, "not for this name"},
		{"bad, expired", a.server(t, "127.0.0.1", from, from.Add(time.Minute)), a.file, "compare the clocks"},
	}
	for _, test := range tests {
		target, err := reach.Named("https://"+test.address, test.ca)
		if err != nil {
			t.Fatal(err)
		}
		h, err := ask(t, target)
		if test.says == "" && (err != nil || h.Status != "ok" || h.Uptime != 7) {
			t.Errorf("%s: %+v, %v", test.name, h, err)
		}
		if test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("%s: error %v", test.name, err)
		}
	}
}

// The gateway of this machine, on loopback, is known by its authority's key: by no
// name and no date, but by nothing less either.
func TestLocalOverTLS(t *testing.T) {
	dir := t.TempDir()
	a, other := newAuthority(t, reach.CAFile(dir)), newAuthority(t, filepath.Join(t.TempDir(), "b.crt"))
	from, to := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	cfg, err := config.Load(config.Sources{Flags: map[string]string{"env": "development", "data_dir": dir}})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, address string
		good          bool
	}{
		{"ok", a.server(t, "127.0.0.1", from, to), true},
		{"ok, another name", a.server(t, "board.local", from, to), true},
		{"ok, expired", a.server(t, "board.local", from, from.Add(time.Minute)), true},
		{"bad, another authority", other.server(t, "127.0.0.1", from, to), false},
	}
	for _, test := range tests {
		target, err := reach.LocalTLS(cfg, test.address, "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ask(t, target); (err == nil) != test.good {
			t.Errorf("%s: error %v", test.name, err)
		}
	}
	if target, err := reach.LocalTLS(cfg, tests[0].address, other.file); err != nil {
		t.Error(err)
	} else if _, err := ask(t, target); err == nil {
		t.Error("--cacert of another authority: it is believed")
	}
	if err := os.Remove(a.file); err != nil {
		t.Fatal(err)
	}
	if _, err := reach.LocalTLS(cfg, tests[0].address, ""); err == nil {
		t.Error("without a certificate to believe there is no error")
	}
}

func TestLocal(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:8080": "http://127.0.0.1:8080", ":8080": "http://127.0.0.1:8080", "0.0.0.0:80": "http://127.0.0.1:80",
		"[::]:8080": "http://[::1]:8080", "192.168.1.7:8080": "http://192.168.1.7:8080", "127.0.0.1:0": "",
	} {
		cfg, err := config.Load(config.Sources{Flags: map[string]string{"env": "development", "listen": listen}})
		if err != nil {
			t.Fatal(err)
		}
		target, err := reach.Local(cfg, "")
		if want == "" {
			if gateway.CodeOf(err) != gateway.CodeInvalidRequest {
				t.Errorf("%s: error %v", listen, err)
			}
		} else if err != nil || target.URL != want || !target.Local {
			t.Errorf("%s: %+v, %v", listen, target, err)
		}
	}
}

func TestAskOthers(t *testing.T) {
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	gone := listen()
	_ = gone.Close()
	silent := listen()
	defer func() { _ = silent.Close() }()
	for name, test := range map[string]struct{ url, says string }{
		"bad, refused":          {"http://" + gone.Addr().String(), "is the gateway running?"},
		"bad, another program":  {"http://" + serve(t, listen(), 200, "<html>"), "no edgegw (HTTP status 200)"},
		"bad, another's health": {"http://" + serve(t, listen(), 200, `{"status":"UP"}`), "no edgegw"},
		"bad, a redirect":       {"http://" + serve(t, listen(), 302, ""), "no edgegw (HTTP status 302)"},
		"bad, no TLS":           {"https://" + serve(t, listen(), 200, "{}"), "speaks no TLS there"},
		"bad, silent":           {"http://" + silent.Addr().String(), "did not answer in time"},
		"ok, failing":           {"http://" + serve(t, listen(), 503, `{"status":"failing"}`), ""},
	} {
		target, err := reach.Named(test.url, "")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		h, err := target.Ask(ctx)
		cancel()
		if test.says == "" && (err != nil || h.Status != reach.StatusFailing) || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
	}
	for _, url := range []string{"here", "ftp://here", "http://", "http://ann:pw@here", "http://here?x=1"} {
		if _, err := reach.Named(url, ""); gateway.CodeOf(err) != gateway.CodeInvalidRequest {
			t.Errorf("%s: error %v", url, err)
		}
	}
}
