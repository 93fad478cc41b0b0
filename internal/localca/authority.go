// Package localca makes the certificates of a site that no public CA can vouch
// for: a CA of the gateway's own, which may vouch for names and addresses of a
// local network only, and the server certificates that it signs.
//
// It reads and writes no files and asks for no time; who does keeps them apart
// from each other. See docs/decisions for why lifetimes and constraints are what
// they are.
package localca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"
)

// authorityYears is how long a CA is valid from its making on.
const authorityYears = 10

// authorityFrom is when every CA begins to be valid: before any gateway was made, so
// that a gateway or a client whose clock is behind does not refuse it.
func authorityFrom() time.Time { return time.Date(2020, time.January, 1, 0, 0, 0, 0, time.UTC) }

const (
	certificateBlock = "CERTIFICATE"
	keyBlock         = "PRIVATE KEY" // PKCS #8
)

// Authority is a CA with its key.
type Authority struct {
	cert *x509.Certificate
	pem  []byte
	key  *ecdsa.PrivateKey
}

// Create makes a CA that may vouch for the given names, what is below them, and
// all of a local network: .local, localhost, private, link-local and loopback
// addresses. label stands in its subject, for people who look at a list of CAs.
// keyPEM is its key, for a file that nobody else can read.
func Create(label string, names Names, now time.Time) (a *Authority, keyPEM []byte, err error) {
	key, keyPEM, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	// Two gateways of one name shall not have CAs of one name: verifiers look
	// an issuer up by it.
	var tag [3]byte
	_, _ = rand.Read(tag[:]) // never fails since Go 1.24
	template := &x509.Certificate{
		Subject:   pkix.Name{Organization: []string{"edgegw"}, CommonName: fmt.Sprintf("edgegw CA of %s, %x", label, tag)},
		NotBefore: authorityFrom(), NotAfter: now.UTC().Truncate(time.Second).AddDate(authorityYears, 0, 0),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:     true, BasicConstraintsValid: true, MaxPathLenZero: true,
	}
	constrain(template, names)
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, err
	}
	return &Authority{cert: cert, pem: encode(certificateBlock, der), key: key}, keyPEM, nil
}

// Parse reads what Create has made. Its error says which of the two is not good.
func Parse(certPEM, keyPEM []byte) (*Authority, error) {
	cert, err := ParseCertificate(certPEM)
	if err != nil {
		return nil, fmt.Errorf("the certificate of the CA: %w", err)
	}
	block, _ := pem.Decode(keyPEM)
	if block == nil || block.Type != keyBlock {
		return nil, errors.New("the key of the CA: this is no PEM of a private key")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("the key of the CA cannot be read")
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(cert.PublicKey) || !cert.IsCA {
		return nil, errors.New("certificate and key of the CA do not belong together")
	}
	return &Authority{cert: cert, pem: encode(certificateBlock, cert.Raw), key: key}, nil
}

// ParseCertificate reads the first certificate of a PEM file.
func ParseCertificate(certPEM []byte) (*x509.Certificate, error) {
	for block, rest := pem.Decode(certPEM); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == certificateBlock {
			return x509.ParseCertificate(block.Bytes)
		}
	}
	return nil, errors.New("this is no PEM of a certificate")
}

// PEM is a certificate as a file.
func PEM(c *x509.Certificate) []byte { return encode(certificateBlock, c.Raw) }

// Certificate is the CA's own. It must not be changed.
func (a *Authority) Certificate() *x509.Certificate { return a.cert }

// PEM is the CA's certificate as a file. It must not be changed.
func (a *Authority) PEM() []byte { return a.pem }

// Fingerprint is the SHA-256 of the whole certificate, as tools and browsers show
// it: hexadecimal with colons.
func Fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	digits := strings.ToUpper(hex.EncodeToString(sum[:]))
	var b strings.Builder
	for i := 0; i < len(digits); i += 2 {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(digits[i : i+2])
	}
	return b.String()
}

// Pin is the SHA-256 of the certificate's public key (SubjectPublicKeyInfo, RFC
// 7469 section 2.4), as curl and firmware take it: sha256/BASE64.
func Pin(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return "sha256/" + base64.StdEncoding.EncodeToString(sum[:])
}

func newKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return key, encode(keyBlock, der), err
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
