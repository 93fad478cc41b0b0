package doctor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pair makes a certificate that signs itself, and its key, both in PEM.
func pair(t *testing.T, from, to time.Time, addresses ...string) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: to, DNSNames: []string{"board.local"}}
	for _, a := range addresses {
		c.IPAddresses = append(c.IPAddresses, net.ParseIP(a))
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return block("CERTIFICATE", der), block("PRIVATE KEY", raw)
}

func TestPair(t *testing.T) {
	const address = "192.168.1.7"
	good, key := pair(t, today.AddDate(0, -1, 0), today.AddDate(1, 0, 0), address)
	old, oldKey := pair(t, today.AddDate(-1, 0, 0), today.AddDate(0, 0, -1), address)
	early, earlyKey := pair(t, today.AddDate(0, 0, 1), today.AddDate(1, 0, 0), address)
	ending, endingKey := pair(t, today.AddDate(-1, 0, 0), today.AddDate(0, 0, 3), address)
	moved, movedKey := pair(t, today.AddDate(0, -1, 0), today.AddDate(1, 0, 0), "10.0.0.1")
	named, namedKey := pair(t, today.AddDate(0, -1, 0), today.AddDate(1, 0, 0))
	tests := []struct {
		name, cert, key string
		level           Level
		says            string
	}{
		{"ok", good, key, OK, "valid until 2028-05-01"},
		{"ok, for names alone", named, namedKey, OK, "valid until"},
		{"bad, expired", old, oldKey, Problem, "expired on 2027-04-30"},
		{"bad, not yet valid", early, earlyKey, Problem, "valid from 2027-05-02 on"},
		{"bad, ends soon", ending, endingKey, Warning, "ends on 2027-05-04"},
		{"bad, another address", moved, movedKey, Warning, "does not name this machine's address 192.168.1.7"},
		{"bad, another key", good, oldKey, Problem, "does not belong to the certificate"},
		{"bad, no certificate", key, key, Problem, "holds no certificate"},
		{"bad, nothing", "", key, Warning, "there is no "},
		{"bad, no key", good, "", Problem, "no such file"},
	}
	for _, test := range tests {
		dir := t.TempDir()
		cert, key := filepath.Join(dir, "own.crt"), filepath.Join(dir, "own.key")
		s := healthy(t)
		if test.cert != "" {
			s.write(cert, test.cert)
		}
		if test.key != "" {
			s.write(key, test.key)
		}
		list := append(s.pair(cert, key, "renew it"), Finding{})
		if list[0].Level != test.level || !strings.Contains(list[0].Message, test.says) || len(list) > 2 {
			t.Errorf("%s: %+v", test.name, list)
		}
	}
}

// Without TLS there is nothing to look at, even if files are left of it.
func TestNoTLS(t *testing.T) {
	s := healthy(t)
	s.write(s.data("tls/server.crt"), "nonsense")
	if list := certificate(t.Context(), s.Machine); bad(list) != "" {
		t.Error(bad(list))
	}
}
