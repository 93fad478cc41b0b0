package localca_test

import (
	"crypto/x509"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgegw/internal/localca"
)

const day = 24 * time.Hour

var (
	noon     = time.Date(2026, time.December, 1, 12, 0, 0, 0, time.UTC)
	earliest = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
)

func names(t *testing.T, list ...string) localca.Names {
	t.Helper()
	var n localca.Names
	for _, s := range list {
		if !n.ParseName(s) {
			t.Fatalf("%q is no name", s)
		}
	}
	return n
}

func create(t *testing.T, list ...string) *localca.Authority {
	t.Helper()
	made, key, err := localca.Create("kitchen", names(t, list...), noon)
	if err != nil {
		t.Fatal(err)
	}
	a, err := localca.Parse(made.PEM(), key)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t *testing.T, a *localca.Authority, at time.Time, list ...string) *x509.Certificate {
	t.Helper()
	certPEM, _, err := a.Issue(names(t, list...), at)
	if err != nil {
		t.Fatal(err)
	}
	c, err := localca.ParseCertificate(certPEM)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func verify(a *localca.Authority, c *x509.Certificate, host string, at time.Time) error {
	roots := x509.NewCertPool()
	roots.AddCert(a.Certificate())
	_, err := c.Verify(x509.VerifyOptions{Roots: roots, DNSName: host, CurrentTime: at})
	return err
}

func TestCertificates(t *testing.T) {
	a := create(t, "kitchen", "gw.example.net", "203.0.113.7")
	hosts := []string{"kitchen", "kitchen.local", "localhost", "gw.example.net", "10.1.2.3", "169.254.9.9", "203.0.113.7", "fd00::5", "::1"}
	c := issue(t, a, noon, append(hosts, "public.example.org", "8.8.8.8", "2001:db8::1")...)
	for _, host := range hosts {
		if err := verify(a, c, host, noon); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	// What the CA may not vouch for was left out, and would spoil the rest.
	if got := strings.Join(localca.NamesOf(c).Strings(), " "); strings.Contains(got, "public") || strings.Contains(got, "8.8.8.8") || strings.Contains(got, "2001:") {
		t.Errorf("the certificate holds %s", got)
	}
	ca := a.Certificate()
	if life := c.NotAfter.Sub(c.NotBefore); life > 397*day {
		t.Errorf("it lives for %v", life)
	}
	if !ca.MaxPathLenZero || ca.MaxPathLen != 0 || !ca.IsCA || ca.NotAfter != noon.AddDate(10, 0, 0) {
		t.Errorf("the CA is %+v", ca)
	}
	if c.Subject.CommonName != "" || c.IsCA {
		t.Errorf("the certificate is of %v", c.Subject)
	}
	for at, want := range map[time.Time]string{
		time.Unix(0, 0): "not yet valid", noon.Add(-29 * day): "", noon.Add(366 * day): "", noon.Add(368 * day): "expired",
	} {
		if err := verify(a, c, "kitchen.local", at); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("at %v: %v, want %q", at, err, want)
		}
	}
}

// forge has the CA's key sign for names that the CA may not vouch for, as a thief of
// the key would.
func forge(t *testing.T, list ...string) (a *localca.Authority, c *x509.Certificate) {
	t.Helper()
	made, key, err := localca.Create("kitchen", names(t, "kitchen"), noon)
	if err != nil {
		t.Fatal(err)
	}
	// A CA of the same key and subject, that may vouch for more.
	wide := sameKeyWithout(t, made.Certificate(), key)
	certPEM, _, err := wide.Issue(names(t, list...), noon)
	if err != nil {
		t.Fatal(err)
	}
	c, err = localca.ParseCertificate(certPEM)
	if err != nil {
		t.Fatal(err)
	}
	return made, c
}

func TestConstraintsHold(t *testing.T) {
	for _, host := range []string{"www.example.org", "8.8.8.8", "2001:db8::1", "notlocal", "evil-kitchen", "fec0::1"} {
		a, c := forge(t, host, "kitchen.local")
		for _, asked := range []string{host, "kitchen.local"} {
			if err := verify(a, c, asked, noon); err == nil {
				t.Errorf("Go takes a certificate for %s from a local CA", host)
			}
		}
		if out, err := opensslVerify(t, a, c); err == nil || !strings.Contains(out, "permitted subtree violation") {
			t.Errorf("openssl takes a certificate for %s: %s", host, out)
		}
	}
	a, c := forge(t, "kitchen", "printer.local", "192.168.7.7")
	if err := verify(a, c, "printer.local", noon); err != nil {
		t.Errorf("Go: %v", err)
	}
	if out, err := opensslVerify(t, a, c); err != nil {
		t.Errorf("openssl: %s", out)
	}
}

func opensslVerify(t *testing.T, a *localca.Authority, c *x509.Certificate) (string, error) {
	t.Helper()
	dir := t.TempDir()
	ca, server := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "server.crt")
	for path, data := range map[string][]byte{ca: a.PEM(), server: localca.PEM(c)} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("openssl", "verify", "-x509_strict", "-no_check_time", "-CAfile", ca, server).CombinedOutput()
	return string(out), err
}

func TestJudge(t *testing.T) {
	a, other := create(t, "kitchen"), create(t, "kitchen")
	have := []string{"kitchen", "kitchen.local", "10.0.0.1"}
	c := issue(t, a, noon, have...)
	for name, tt := range map[string]struct {
		ca   *localca.Authority
		c    *x509.Certificate
		at   time.Time
		want []string
		why  localca.Why
	}{
		"ok":                         {a, c, noon, have, localca.Fine},
		"ok an address went":         {a, c, noon, have[:2], localca.Fine},
		"ok out of the constraints":  {a, c, noon, append([]string{"8.8.8.8", "www.example.org"}, have...), localca.Fine},
		"ok before its last third":   {a, c, noon.Add(230 * day), have, localca.Fine},
		"ok clock of 1970":           {a, c, time.Unix(0, 0), have, localca.Fine},
		"bad none":                   {a, nil, noon, have, localca.Missing},
		"bad of another CA":          {other, c, noon, have, localca.Foreign},
		"bad in its last third":      {a, c, noon.Add(240 * day), have, localca.Old},
		"bad expired":                {a, c, noon.Add(900 * day), have, localca.Old},
		"bad made in the future":     {a, c, noon.Add(-2 * time.Hour), have, localca.FromAhead},
		"bad new address":            {a, c, noon, append([]string{"10.0.0.2"}, have...), localca.Unnamed},
		"bad new name":               {a, c, noon, append([]string{"x.local"}, have...), localca.Unnamed},
		"ok the CA ends no later":    {a, issue(t, a, noon.Add(3600*day), have...), noon.Add(3649 * day), have, localca.Fine},
		"bad 1970 and a new address": {a, c, time.Unix(0, 0), append([]string{"10.0.0.2"}, have...), localca.Unnamed},
	} {
		if got := tt.ca.Judge(tt.c, names(t, tt.want...), tt.at, earliest); got != tt.why {
			t.Errorf("%s: %q, want %q", name, got, tt.why)
		}
	}
}

func TestParse(t *testing.T) {
	a, key, err := localca.Create("kitchen", localca.Names{}, noon)
	if err != nil {
		t.Fatal(err)
	}
	_, other, _ := localca.Create("kitchen", localca.Names{}, noon)
	for name, files := range map[string][2][]byte{
		"bad other key": {a.PEM(), other}, "bad no key": {a.PEM(), nil}, "bad no certificate": {nil, key}, "bad cut": {a.PEM()[:100], key},
		"bad swapped": {key, a.PEM()}, "bad half a key": {a.PEM(), key[:80]},
	} {
		if _, err := localca.Parse(files[0], files[1]); err == nil {
			t.Errorf("%s: it was taken", name)
		} else if strings.Contains(err.Error(), "PRIVATE") || strings.Contains(err.Error(), "MIG") {
			t.Errorf("%s: the error shows the key", name)
		}
	}
}

func TestParseName(t *testing.T) {
	for _, s := range []string{"", ".", "a..b", "-a", "a-", "a_b", "*.local", "1.2.3", "a b", "a:1", strings.Repeat("a", 64), strings.Repeat("a.", 130) + "b", "ä.local"} {
		var n localca.Names
		if n.ParseName(s) {
			t.Errorf("%q was taken", s)
		}
	}
	got := names(t, "Kitchen.Local.", "::ffff:10.0.0.1", "fe80::1%eth0", "1a")
	if want := []string{"kitchen.local", "1a"}; strings.Join(got.DNS, " ") != strings.Join(want, " ") {
		t.Errorf("got %v", got.DNS)
	}
	if got.Addrs[0] != netip.MustParseAddr("10.0.0.1") || got.Addrs[1] != netip.MustParseAddr("fe80::1") {
		t.Errorf("got %v", got.Addrs)
	}
}

// The pin and the fingerprint are what the usual tools say.
func TestPinIsWhatToolsSay(t *testing.T) {
	a := create(t, "kitchen")
	path := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(path, a.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("openssl", "x509", "-in", path, "-noout", "-fingerprint", "-sha256").Output()
	if err != nil || !strings.Contains(string(out), localca.Fingerprint(a.Certificate())) {
		t.Errorf("openssl says %s, and we %s (%v)", out, localca.Fingerprint(a.Certificate()), err)
	}
	const pin = `openssl x509 -in "$1" -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | openssl enc -base64`
	out, err = exec.Command("sh", "-c", pin, "sh", path).Output()
	if err != nil || "sha256/"+strings.TrimSpace(string(out)) != localca.Pin(a.Certificate()) {
		t.Errorf("openssl says %s, and we %s (%v)", out, localca.Pin(a.Certificate()), err)
	}
}
