package localca

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net"
	"slices"
	"time"
)

const (
	day = 24 * time.Hour
	// ServerLife is how long a server certificate is valid: one day less than the
	// 398 that Apple allows public CAs, and half of what it allows others.
	ServerLife = 397 * day
	// Backdate is how far before its making it begins: clients whose clocks are
	// behind take it too.
	Backdate = 30 * day
)

// Issue makes a server certificate with a new key for those of the names that the
// CA may vouch for. It ends when the CA does at the latest.
func (a *Authority) Issue(names Names, now time.Time) (certPEM, keyPEM []byte, err error) {
	names, _ = a.Permitted(names.Sorted())
	if len(names.DNS)+len(names.Addrs) == 0 {
		return nil, nil, errors.New("there is no name that the CA may vouch for")
	}
	key, keyPEM, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	from := now.UTC().Truncate(time.Second).Add(-Backdate)
	if from.Before(a.cert.NotBefore) {
		from = a.cert.NotBefore
	}
	until := from.Add(ServerLife)
	if until.After(a.cert.NotAfter) {
		until = a.cert.NotAfter
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{Organization: []string{"edgegw"}},
		NotBefore: from, NotAfter: until,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              names.DNS,
	}
	for _, addr := range names.Addrs {
		template.IPAddresses = append(template.IPAddresses, net.IP(addr.AsSlice()))
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	return encode(certificateBlock, der), keyPEM, err
}

// issued is when Issue made the certificate, at the latest.
func issued(c *x509.Certificate) time.Time { return c.NotBefore.Add(Backdate) }

// Why is the reason for which a server certificate has to be made anew.
type Why string

// The reasons. Fine is none.
const (
	Fine      Why = ""
	Missing   Why = "there is none that can be used"
	Foreign   Why = "another CA has signed it"
	FromAhead Why = "it is from a time that has not come yet"
	Old       Why = "a third of its life is left"
	Unnamed   Why = "a name or an address is not in it"
)

// aheadSlack is how far ahead of the clock a certificate may have been made: the
// clock's saved floor may be some minutes behind.
const aheadSlack = time.Hour

// Judge says whether the server certificate c, nil for none, has to be made anew
// for the wanted names. A now before earliest is no time to judge lifetimes by.
func (a *Authority) Judge(c *x509.Certificate, want Names, now, earliest time.Time) Why {
	if c == nil {
		return Missing
	}
	if c.CheckSignatureFrom(a.cert) != nil {
		return Foreign
	}
	if !now.Before(earliest) {
		if issued(c).After(now.Add(aheadSlack)) {
			return FromAhead
		}
		third := c.NotAfter.Sub(c.NotBefore) / 3
		// A CA that ends soon gives no longer life to a new one.
		if now.After(c.NotAfter.Add(-third)) && a.cert.NotAfter.After(c.NotAfter.Add(day)) {
			return Old
		}
	}
	want, _ = a.Permitted(want)
	have := NamesOf(c)
	for _, name := range want.DNS {
		if !slices.Contains(have.DNS, name) {
			return Unnamed
		}
	}
	for _, addr := range want.Addrs {
		if !slices.Contains(have.Addrs, addr) {
			return Unnamed
		}
	}
	return Fine
}
