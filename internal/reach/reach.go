// Package reach is how a program on the gateway's own machine, or anywhere else,
// finds the gateway: its address, whom to believe about it, and how it is. It
// knows nothing of accounts and messages.
package reach

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"edgegw/internal/config"
	"edgegw/internal/gateway"
)

// Target is a gateway that can be talked to.
type Target struct {
	// URL is http://HOST:PORT or https://HOST:PORT.
	URL string
	// TLS is for https; nil is what the system trusts.
	TLS *tls.Config
	// Local says that it is the gateway of this machine's configuration.
	Local bool
}

// Named is the gateway at an address that somebody gave. caFile holds the
// certificates to believe instead of the system's, in PEM; "" is none. Errors are
// CodeInvalidRequest and say what to give.
func Named(address, caFile string) (Target, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return Target{}, gateway.Errorf(gateway.CodeInvalidRequest, "%q is no address of a gateway; give http://HOST:PORT or https://HOST", address)
	}
	t := Target{URL: strings.TrimSuffix(u.String(), "/")}
	switch {
	case caFile == "":
		return t, nil
	case u.Scheme == "http":
		return Target{}, gateway.Errorf(gateway.CodeInvalidRequest, "--cacert is for https, and %s is not", address)
	}
	pool := x509.NewCertPool()
	if err := addFile(pool, caFile); err != nil {
		return Target{}, err
	}
	t.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return t, nil
}

// Local is the gateway that cfg starts on this machine: over its plain listener
// if it has one, else over TLS. caFile is as for Named.
func Local(cfg *config.Config, caFile string) (Target, error) {
	if cfg.Listen != "" && caFile == "" {
		host, err := dialable(cfg.Listen)
		return Target{URL: "http://" + host, Local: true}, err
	}
	secure := cfg.Text("tls_listen")
	if secure == "" {
		return Target{}, gateway.Errorf(gateway.CodeInvalidRequest, "--cacert is for https, and this gateway's configuration has no tls_listen; leave it out, or give --url")
	}
	return LocalTLS(cfg, secure, caFile)
}

// LocalTLS is the gateway that cfg starts on this machine with TLS at an address.
func LocalTLS(cfg *config.Config, address, caFile string) (Target, error) {
	host, err := dialable(address)
	if err != nil {
		return Target{}, err
	}
	t := Target{URL: "https://" + host, Local: true}
	var pool *x509.CertPool
	if caFile != "" {
		pool = x509.NewCertPool()
		err = addFile(pool, caFile)
	} else {
		pool, err = ownPool(cfg)
	}
	t.TLS = trustKeys(pool, host)
	return t, err
}

// CAFile is where a gateway keeps the certificate of its own authority.
func CAFile(dataDir string) string { return filepath.Join(dataDir, "tls", "ca.crt") }

// ownPool believes the gateway's own authority and the certificate that cfg names.
func ownPool(cfg *config.Config) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	file := cfg.Text("tls_cert_file")
	if file == "" {
		file = CAFile(cfg.DataDir)
	}
	if err := addFile(pool, file); errors.Is(err, fs.ErrPermission) {
		return nil, gateway.Errorf(gateway.CodeForbidden, "this user may not read %s, so that the gateway's certificate cannot be checked; run this with sudo, or download the file from the gateway and name it with --cacert", file)
	} else if err != nil {
		return nil, err
	}
	return pool, nil
}

func addFile(pool *x509.CertPool, file string) error {
	pem, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("the certificates to believe: %w", err)
	}
	if !pool.AppendCertsFromPEM(pem) {
		return gateway.Errorf(gateway.CodeInvalidRequest, "%s holds no certificate in PEM; it is what GET /ca.crt gives", file)
	}
	return nil
}

// trustKeys believes a gateway on this very machine by the keys of its
// certificates. Its certificate need not name the loopback address, and the
// machine's calendar may be wrong, which is no reason to take it for somebody
// else. An address that is not loopback is verified as everywhere.
func trustKeys(pool *x509.CertPool, host string) *tls.Config {
	c := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	if name, _, err := net.SplitHostPort(host); err != nil || !loopback(name) {
		return c
	}
	c.InsecureSkipVerify = true // #nosec G402 -- VerifyConnection does it, less name and time
	c.VerifyConnection = func(s tls.ConnectionState) error {
		leaf := s.PeerCertificates[0]
		o := x509.VerifyOptions{Roots: pool, CurrentTime: leaf.NotBefore, Intermediates: x509.NewCertPool()}
		for _, above := range s.PeerCertificates[1:] {
			o.Intermediates.AddCert(above)
		}
		_, err := leaf.Verify(o)
		return err
	}
	return c
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// dialable is an address to listen on as one to connect to on the same machine.
func dialable(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", err
	}
	if port == "0" {
		return "", gateway.Errorf(gateway.CodeInvalidRequest, "the configuration lets the gateway listen on any free port (%s), so nobody knows which; give --url", listen)
	}
	switch a, err := netip.ParseAddr(host); {
	case host == "" || err == nil && a.IsUnspecified() && a.Is4():
		host = "127.0.0.1"
	case err == nil && a.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port), nil
}
