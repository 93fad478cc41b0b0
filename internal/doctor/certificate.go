package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"
)

// soon is when a certificate is about to end that should have been renewed.
const soon = 14 * 24 * time.Hour

func certificate(_ context.Context, m *Machine) []Finding {
	if m.Config.Text("tls_listen") == "" {
		return good("there is no tls_listen: no certificate is needed")
	}
	certFile, keyFile := m.Config.Text("tls_cert_file"), m.Config.Text("tls_key_file")
	renew := "put a new one in place of it, and `sudo systemctl reload edgegw`"
	if certFile == "" {
		certFile, keyFile = m.data("tls/server.crt"), m.data("tls/server.key")
		renew = "`edgegw tls show` tells more; the running gateway renews it by itself, if its time is right"
	}
	return m.pair(certFile, keyFile, renew)
}

// pair looks at a certificate and its key.
func (m *Machine) pair(certFile, keyFile, renew string) (list []Finding) {
	raw, err := os.ReadFile(certFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []Finding{found(Warning, "start the gateway, or run `edgegw tls init`; own files: correct tls_cert_file", "there is no %s", certFile)}
	case err != nil:
		return unknown("the certificate: %v", err)
	}
	leaf := firstCertificate(raw)
	if leaf == nil {
		return []Finding{found(Problem, renew, "%s holds no certificate", certFile)}
	}
	switch left := leaf.NotAfter.Sub(m.Now); {
	case left < 0:
		list = append(list, found(Problem, renew, "the certificate in %s has expired on %s", certFile, leaf.NotAfter.Format(time.DateOnly)))
	case m.Now.Before(leaf.NotBefore):
		list = append(list, found(Problem, "set the clock: `timedatectl`", "the certificate in %s is valid from %s on, and the system's clock says %s", certFile, leaf.NotBefore.Format(time.DateOnly), m.Now.Format(time.DateOnly)))
	case left < soon:
		list = append(list, found(Warning, renew, "the certificate in %s ends on %s", certFile, leaf.NotAfter.Format(time.DateOnly)))
	}
	list = append(append(list, m.misses(leaf, certFile)...), keyOf(raw, certFile, keyFile)...)
	if list == nil {
		return good("the certificate in %s is valid until %s", certFile, leaf.NotAfter.Format(time.DateOnly))
	}
	return list
}

func firstCertificate(raw []byte) *x509.Certificate {
	for block, rest := pem.Decode(raw); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil
			}
			return c
		}
	}
	return nil
}

// misses tells of an address that clients may use and that the certificate does
// not name. One that names no address at all is for names.
func (m *Machine) misses(c *x509.Certificate, file string) (list []Finding) {
	for _, a := range m.Addresses {
		if !a.IsPrivate() || len(c.IPAddresses) == 0 {
			continue // others nobody on the site's network uses, or they change every day
		}
		if !slices.ContainsFunc(c.IPAddresses, func(ip net.IP) bool {
			named, ok := netip.AddrFromSlice(ip)
			return ok && named.Unmap() == a.Unmap()
		}) {
			list = append(list, found(Warning, "wait a minute if the address is new; otherwise add it to tls_names, or let clients use a name: "+m.Hostname+".local", "the certificate in %s does not name this machine's address %s", file, a))
		}
	}
	return list
}

func keyOf(cert []byte, certFile, keyFile string) []Finding {
	key, err := os.ReadFile(keyFile)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return unknown("the certificate's key: %v", err)
	case err != nil:
		return []Finding{found(Problem, "put the key there, or correct tls_key_file", "the certificate's key: %v", err)}
	}
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		return []Finding{found(Problem, "put the right pair in place; of the gateway's own: `edgegw tls init`", "the key in %s does not belong to the certificate in %s", keyFile, certFile)}
	}
	return nil
}
