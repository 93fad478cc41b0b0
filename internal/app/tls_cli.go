package app

import (
	"context"
	"crypto/x509"
	"errors"
	"time"

	"edgegw/internal/adminsock"
	"edgegw/internal/clock"
	"edgegw/internal/config"
	"edgegw/internal/gateway"
	"edgegw/internal/localca"
)

// Certificate tells of a certificate in words and numbers for the command line.
type Certificate struct {
	File        string    `json:"file"`
	Names       []string  `json:"names,omitempty"`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	Fingerprint string    `json:"sha256"`
	// State is valid, expired or not_yet_valid by the gateway's clock.
	State string `json:"state"`
}

// TLS tells of the certificates of a gateway.
type TLS struct {
	// Listen is tls_listen, "" when TLS is off.
	Listen string    `json:"tls_listen"`
	Now    time.Time `json:"now"`
	// Clock is the gateway's, or system when it does not run.
	Clock string `json:"clock"`
	// CA is the gateway's own, nil with files of the operator's. Pin is the
	// SHA-256 of its public key.
	CA     *Certificate `json:"ca,omitempty"`
	Pin    string       `json:"ca_pin,omitempty"`
	Server *Certificate `json:"server,omitempty"`
	// Aside is where the CA of before is now, after MakeCA.
	Aside string `json:"replaced,omitempty"`
}

// Expired reports whether a client with the gateway's time refuses a certificate.
func (t TLS) Expired() bool {
	return t.CA != nil && t.CA.State != certValid || t.Server != nil && t.Server.State != certValid
}

// The states of a certificate.
const (
	certValid   = "valid"
	certExpired = "expired"
	certAhead   = "not_yet_valid"
)

// MakeCA makes the gateway's own CA and its first certificate. It returns
// CodeConflict when there is a CA and replace is false, and when the gateway uses
// files of the operator's. The one of before is kept in a folder of its own. A gateway
// that runs takes the new one within a minute, or at SIGHUP.
func MakeCA(ctx context.Context, cfg *config.Config, replace bool) (t TLS, err error) {
	if cfg.TLSCertFile != "" {
		return t, gateway.Errorf(gateway.CodeConflict, "the certificate comes from tls_cert_file, %s; leave that option out to use a CA of the gateway's own", cfg.TLSCertFile)
	}
	if err := makeDataDir(cfg.DataDir); err != nil {
		return t, err
	}
	if err := finishRestore(cfg.DataDir); err != nil {
		return t, err
	}
	files := caFiles{cfg.DataDir}
	now, _ := gatewayTime(ctx, cfg)
	aside := ""
	if there(cfg.DataDir, tlsFolder) && !replace && !files.missing() {
		return t, gateway.Errorf(gateway.CodeConflict,
			"there is a CA in %s already; `edgegw tls show` prints it. --force makes another and keeps this one aside; every browser, telephone and device that trusts this one then has to be given the new one", files.dir())
	}
	defer func() { err = errors.Join(err, adopt(cfg.DataDir)) }()
	if there(cfg.DataDir, tlsFolder) {
		if aside, err = files.retire(now); err != nil {
			return t, err
		}
	}
	if now.Before(clock.Earliest()) {
		now = clock.Earliest()
	}
	names := newCertificates(cfg, nil, nil, CertificateDeps{}).wanted()
	ca, err := files.ensure(cfg, names, now)
	if err != nil {
		return t, err
	}
	certPEM, keyPEM, err := ca.Issue(names, now)
	if err == nil {
		err = files.writeServer(certPEM, keyPEM)
	}
	if err != nil {
		return t, err
	}
	t, err = ShowTLS(ctx, cfg)
	t.Aside = aside
	return t, err
}

// ShowTLS reads the certificates of the gateway. It returns CodeNotFound when there
// are none.
func ShowTLS(ctx context.Context, cfg *config.Config) (TLS, error) {
	t := TLS{Listen: cfg.TLSListen}
	t.Now, t.Clock = gatewayTime(ctx, cfg)
	if cfg.TLSCertFile != "" {
		server, err := t.read(cfg.TLSCertFile)
		t.Server = server
		return t, err
	}
	files := caFiles{cfg.DataDir}
	if !there(files.dir(), caCertFile) {
		return t, gateway.Errorf(gateway.CodeNotFound, "there is no CA in %s; `edgegw tls init` makes one, and so does a start with tls_listen", files.dir())
	}
	cert, err := files.authorityCertificate()
	if err != nil {
		return t, gateway.Errorf(gateway.CodeUnavailable, "%s: %v", files.path(caCertFile), err)
	}
	t.CA, t.Pin = t.tell(files.path(caCertFile), cert), localca.Pin(cert)
	if there(files.dir(), serverCertFile) {
		t.Server, err = t.read(files.path(serverCertFile))
	}
	return t, err
}

func (t TLS) read(path string) (*Certificate, error) {
	certPEM, err := readRegular(path)
	if err != nil {
		return nil, err
	}
	cert, err := localca.ParseCertificate(certPEM)
	if err != nil {
		return nil, gateway.Errorf(gateway.CodeUnavailable, "%s: %v", path, err)
	}
	return t.tell(path, cert), nil
}

func (t TLS) tell(path string, c *x509.Certificate) *Certificate {
	told := &Certificate{
		File: path, Names: localca.NamesOf(c).Strings(),
		NotBefore: c.NotBefore, NotAfter: c.NotAfter, Fingerprint: localca.Fingerprint(c), State: certValid,
	}
	switch {
	case t.Now.Before(c.NotBefore):
		told.State = certAhead
	case t.Now.After(c.NotAfter):
		told.State = certExpired
	}
	return told
}

// gatewayTime is the time of the running gateway, or the system's without one, and
// whose it is.
func gatewayTime(ctx context.Context, cfg *config.Config) (now time.Time, whose string) {
	if client, err := adminsock.Dial(ctx, cfg.DataDir); err == nil {
		if c, err := client.ShowClock(ctx); err == nil {
			return time.UnixMilli(c.Now).UTC(), "gateway, " + c.State
		}
	}
	return clock.System(time.Time{}).Wall().UTC(), "system"
}
