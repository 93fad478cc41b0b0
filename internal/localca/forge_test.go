package localca_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net"
	"testing"
	"time"

	"crypto/ecdsa"

	"edgegw/internal/localca"
)

// sameKeyWithout is a CA of the same key and subject with constraints that let
// everything through: what a thief makes of the key.
func sameKeyWithout(t *testing.T, ca *x509.Certificate, keyPEM []byte) *localca.Authority {
	t.Helper()
	block, _ := pem.Decode(keyPEM)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	key := parsed.(*ecdsa.PrivateKey)
	template := &x509.Certificate{
		RawSubject: ca.RawSubject, Subject: pkix.Name{}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		PermittedDNSDomains: []string{"org", "local", "notlocal", "evil-kitchen", "kitchen"},
		PermittedIPRanges: []*net.IPNet{
			{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}, {IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)},
		},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	wide, err := localca.Parse(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return wide
}
