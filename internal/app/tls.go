package app

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"edgegw/internal/clock"
	"edgegw/internal/config"
	"edgegw/internal/gateway"
	"edgegw/internal/localca"
)

const (
	// certificateEvery is how often certificates are looked at.
	certificateEvery = time.Minute
	// reissueEvery is how often the names of the machine may have one made: an
	// address that comes and goes shall not wear the card.
	reissueEvery = 10 * time.Minute
	// certificateWarning is how long before its end a certificate of the
	// operator's degrades the health, and caWarning the same of the CA.
	certificateWarning = 14 * 24 * time.Hour
	caWarning          = 180 * 24 * time.Hour
)

// CertificateDeps replace parts of the machine in tests.
type CertificateDeps struct {
	// Every is how often certificates are looked at; 0 for every minute.
	Every time.Duration
	// Names are what the machine is called and reached by; nil asks it.
	Names func() localca.Names
}

// certificates keeps the certificate that TLS shows: it makes, renews and reloads
// it while the gateway runs.
type certificates struct {
	// Fixed after construction.
	cfg    *config.Config
	clock  *clock.Clock
	logger *slog.Logger
	deps   CertificateDeps

	shown atomic.Pointer[shown]
	// problem is what the operator has to do something about; nil for nothing.
	problem atomic.Pointer[string]

	mu     sync.Mutex // one look at a time
	made   time.Duration
	madeIn bool   // this run has made one for new names, at the time since boot made
	told   string // the names outside of the constraints that the log knows of
}

// shown is a certificate in use, with the CA that vouches for it.
type shown struct {
	cert *tls.Certificate
	leaf *x509.Certificate
	ca   *x509.Certificate // nil with files of the operator's
	pem  []byte            // of ca
	// files is what it was read from.
	files [][]byte
}

func newCertificates(cfg *config.Config, c *clock.Clock, logger *slog.Logger, deps CertificateDeps) *certificates {
	if deps.Every == 0 {
		deps.Every = certificateEvery
	}
	if deps.Names == nil {
		deps.Names = machineNames
	}
	return &certificates{cfg: cfg, clock: c, logger: logger, deps: deps}
}

func (c *certificates) own() bool { return c.cfg.TLSCertFile == "" }

// now is the gateway's time, and never one before edgegw was made: a board that
// boots in 1970 makes certificates too.
func (c *certificates) now() time.Time {
	if now := c.clock.Now(); now.After(clock.Earliest()) {
		return now
	}
	return clock.Earliest()
}

// get is the tls.Config's GetCertificate.
func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if s := c.shown.Load(); s != nil {
		return s.cert, nil
	}
	return nil, errors.New("there is no certificate")
}

// caPEM is the CA for download, nil without one of the gateway's own.
func (c *certificates) caPEM() []byte {
	if c == nil || c.shown.Load() == nil {
		return nil
	}
	return c.shown.Load().pem
}

// left is how long the certificate is still valid, in seconds; negative when it is
// over.
func (c *certificates) left() int64 {
	s := c.shown.Load()
	if s == nil {
		return 0
	}
	return int64(s.leaf.NotAfter.Sub(c.clock.Now()) / time.Second)
}

// open is the first look. Without a certificate there is no TLS, and no start.
func (c *certificates) open() error {
	err := c.look()
	s := c.shown.Load()
	if s == nil {
		return fmt.Errorf("tls_listen: %w", err)
	}
	c.warnExposed()
	attrs := []any{"event", "tls_ready", "names", strings.Join(localca.NamesOf(s.leaf).Strings(), " "), "until", s.leaf.NotAfter.Format(time.RFC3339)}
	if s.ca != nil {
		attrs = append(attrs, "ca_fingerprint", localca.Fingerprint(s.ca), "ca_pin", localca.Pin(s.ca))
	}
	c.logger.Info("TLS is ready", attrs...)
	return nil
}

func (c *certificates) warnExposed() {
	for _, path := range exposedKeys(c.cfg) {
		c.logger.Warn("others may read the private key of a certificate; run chmod 600 on it", "event", "key_exposed", "path", path)
	}
}

// reload is the look that SIGHUP asks for.
func (c *certificates) reload() error {
	if c == nil {
		return nil
	}
	c.warnExposed()
	return c.look()
}

// run looks at the certificate every minute.
func (c *certificates) run(ctx context.Context, ready func()) error {
	ready()
	tick := time.NewTicker(c.deps.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			_ = c.look() // told of already
		}
	}
}

// look brings the certificate up to date: from files of the operator's, or from the
// gateway's own CA. After an error the one that is shown stays.
func (c *certificates) look() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var err error
	if c.own() {
		err = c.lookOwn()
	} else {
		err = c.lookGiven()
	}
	c.judge(err)
	return err
}

func (c *certificates) lookGiven() error {
	certPEM, err := readRegular(c.cfg.TLSCertFile)
	if err != nil {
		return fmt.Errorf("tls_cert_file: %w", err)
	}
	keyPEM, err := readRegular(c.cfg.TLSKeyFile)
	if err != nil {
		return fmt.Errorf("tls_key_file: %w", err)
	}
	if s := c.shown.Load(); s != nil && bytes.Equal(certPEM, s.files[0]) && bytes.Equal(keyPEM, s.files[1]) {
		return nil
	}
	pair, err := parsePair(certPEM, keyPEM)
	if err != nil {
		return fmt.Errorf("tls_cert_file and tls_key_file: %w", err)
	}
	c.show(&shown{cert: pair, leaf: pair.Leaf, files: [][]byte{certPEM, keyPEM}}, "read from tls_cert_file")
	return nil
}

// parsePair never lets a piece of a key into its error.
func parsePair(certPEM, keyPEM []byte) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, gateway.Errorf(gateway.CodeInvalidRequest,
			"they are no certificate and its key in PEM form (%v); put the server's certificate first, and the key without a passphrase", err)
	}
	return &pair, nil
}

func (c *certificates) show(s *shown, why string) {
	before := c.shown.Swap(s)
	if before == nil {
		return
	}
	c.logger.Info("the certificate has changed", "event", "tls_changed", "reason", why,
		"names", strings.Join(localca.NamesOf(s.leaf).Strings(), " "), "until", s.leaf.NotAfter.Format(time.RFC3339))
}

// showOwn sends the CA along: firmware that has no more than its pin finds it there.
func (c *certificates) showOwn(pair *tls.Certificate, ca *x509.Certificate, why string) {
	pair.Certificate = [][]byte{pair.Leaf.Raw, ca.Raw}
	c.show(&shown{cert: pair, leaf: pair.Leaf, ca: ca, pem: localca.PEM(ca)}, why)
}

func (c *certificates) lookOwn() error {
	files := caFiles{c.cfg.DataDir}
	names := c.wanted()
	ca, err := files.ensure(c.cfg, names, c.now())
	if err != nil {
		if c.shown.Load() == nil {
			c.showWithoutCA(files)
		}
		return err
	}
	c.tellOut(ca, names)
	pair := files.server()
	var leaf *x509.Certificate
	if pair != nil {
		leaf = pair.Leaf
	}
	why := ca.Judge(leaf, names, c.clock.Now(), clock.Earliest())
	waits := why == localca.Unnamed && c.madeIn && c.elapsed()-c.made < reissueEvery
	if why != localca.Fine && !waits {
		return c.issue(files, ca, leaf, names, why)
	}
	if s := c.shown.Load(); s != nil && s.leaf.Equal(leaf) && bytes.Equal(s.pem, ca.PEM()) {
		return nil
	}
	c.showOwn(pair, ca.Certificate(), "read from data_dir")
	return nil
}

func (c *certificates) elapsed() time.Duration {
	_, elapsed := c.clock.Boot()
	return elapsed
}

// issue makes a new certificate. What cannot be written is used all the same: the
// next start makes another.
func (c *certificates) issue(files caFiles, ca *localca.Authority, old *x509.Certificate, names localca.Names, why localca.Why) error {
	certPEM, keyPEM, err := ca.Issue(withKnown(names, old, why), c.now())
	if err != nil {
		return err
	}
	pair, err := parsePair(certPEM, keyPEM)
	if err != nil {
		return err
	}
	if err := files.writeServer(certPEM, keyPEM); err != nil {
		c.logger.Warn("the server certificate could not be written; it is used until the gateway stops", "event", "tls_failed", "reason", err.Error())
	}
	if why == localca.Unnamed {
		c.made, c.madeIn = c.elapsed(), true
	}
	c.showOwn(pair, ca.Certificate(), string(why))
	return nil
}

// maxKnown bounds the addresses that a certificate keeps from the one before it.
const maxKnown = 16

// withKnown adds the addresses of the certificate before, if only a name is new: one
// that comes and goes then needs no new certificate each time.
func withKnown(names localca.Names, old *x509.Certificate, why localca.Why) localca.Names {
	if why == localca.Unnamed {
		known := localca.NamesOf(old).Addrs
		names.Addrs = append(names.Addrs, known[:min(len(known), maxKnown)]...)
	}
	return names
}

// showWithoutCA goes on with a server certificate that is still good when the CA
// cannot be used: a gap in the renewal is better than no gateway.
func (c *certificates) showWithoutCA(files caFiles) {
	cert, err := files.authorityCertificate()
	pair := files.server()
	if err == nil && pair != nil && pair.Leaf.CheckSignatureFrom(cert) == nil {
		c.showOwn(pair, cert, "")
	}
}

// tellOut logs names that the CA may not vouch for, once.
func (c *certificates) tellOut(ca *localca.Authority, names localca.Names) {
	_, out := ca.Permitted(names)
	list := strings.Join(out.Strings(), " ")
	if list != "" && list != c.told {
		c.logger.Warn("the CA was made for other names and may not vouch for these; `edgegw tls init --force` makes one that may, which every client has to be given anew",
			"event", "tls_names_refused", "names", list)
	}
	c.told = list
}

// wanted are the names of the machine and those that the operator has given.
// Addresses of the machine that are no local ones are left out.
func (c *certificates) wanted() localca.Names {
	names := c.deps.Names()
	for _, s := range c.cfg.TLSNames {
		names.ParseName(s)
	}
	return names.Sorted()
}

// judge notes what is wrong, for the health, and logs it when it is new.
func (c *certificates) judge(err error) {
	said := c.fault(err)
	before := c.problem.Load()
	if said == "" {
		c.problem.Store(nil)
		return
	}
	if before == nil || *before != said {
		c.logger.Warn("TLS needs a look: "+said, "event", "tls_failed")
	}
	c.problem.Store(&said)
}

func (c *certificates) fault(err error) string {
	now, s := c.clock.Now(), c.shown.Load()
	date := func(t time.Time) string { return t.UTC().Format(time.DateOnly) }
	switch {
	case s == nil:
		return "there is no certificate"
	case now.Before(s.leaf.NotBefore) && !now.Before(clock.Earliest()):
		return fmt.Sprintf("the certificate is valid from %s, and the gateway's clock says %s; one of the two is wrong", date(s.leaf.NotBefore), date(now))
	case now.After(s.leaf.NotAfter):
		return fmt.Sprintf("the certificate has expired on %s by the gateway's clock, which says %s; clients refuse it", date(s.leaf.NotAfter), date(now))
	case err != nil:
		return err.Error()
	case s.ca == nil && now.After(s.leaf.NotAfter.Add(-certificateWarning)):
		return fmt.Sprintf("the certificate expires on %s; put a new one into tls_cert_file", date(s.leaf.NotAfter))
	case s.ca != nil && now.After(s.ca.NotAfter.Add(-caWarning)):
		return fmt.Sprintf("the CA expires on %s; make a new one with `edgegw tls init --force` and give it to every client", date(s.ca.NotAfter))
	}
	return ""
}

// health is the check named tls.
func (c *certificates) health() (text string, ok bool) {
	if said := c.problem.Load(); said != nil {
		return *said, false
	}
	return "ok", true
}

// openTLS gets the certificate, if there is to be TLS.
func (a *App) openTLS(deps CertificateDeps) error {
	if a.cfg.TLSListen == "" {
		return nil
	}
	a.certificates = newCertificates(a.cfg, a.clock, a.logger, deps)
	return a.certificates.open()
}

// hostName is the machine's name, or "" when it has none that a certificate can hold.
func hostName() string {
	name, err := os.Hostname()
	var n localca.Names
	if err != nil || !n.ParseName(name) || len(n.DNS) == 0 {
		return ""
	}
	return n.DNS[0]
}
