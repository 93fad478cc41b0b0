package app

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"edgegw/internal/config"
	"edgegw/internal/gateway"
	"edgegw/internal/localca"
)

// The folder of the gateway's own CA in data_dir, and the files in it.
const (
	tlsFolder      = "tls"
	caCertFile     = "ca.crt"
	caKeyFile      = "ca.key"
	serverCertFile = "server.crt"
	serverKeyFile  = "server.key"
)

// tlsStaging is the folder that a CA is made in: it comes into place as a whole.
const tlsStaging = "tls.tmp"

// caFiles is where the gateway's own CA is.
type caFiles struct{ dataDir string }

func (f caFiles) dir() string             { return filepath.Join(f.dataDir, tlsFolder) }
func (f caFiles) path(name string) string { return filepath.Join(f.dir(), name) }

// missing reports whether there is no CA, rather than half of one.
func (f caFiles) missing() bool {
	return !there(f.dir(), caCertFile) && !there(f.dir(), caKeyFile)
}

// ensure reads the CA, or makes one where there is none. One that is there and not
// good is never replaced: whoever trusts it would be lost.
func (f caFiles) ensure(cfg *config.Config, names localca.Names, now time.Time) (*localca.Authority, error) {
	if f.missing() {
		if err := f.create(cfg, names, now); err != nil {
			return nil, err
		}
	}
	return f.load()
}

func (f caFiles) load() (*localca.Authority, error) {
	certPEM, err := readRegular(f.path(caCertFile))
	var keyPEM []byte
	if err == nil {
		keyPEM, err = readRegular(f.path(caKeyFile))
	}
	var ca *localca.Authority
	if err == nil {
		ca, err = localca.Parse(certPEM, keyPEM)
	}
	if err != nil {
		return nil, gateway.Errorf(gateway.CodeUnavailable,
			"the CA in %s cannot be used: %v; put its files back from a backup, or make a new one with `edgegw tls init --force`, which every client has to be given anew", f.dir(), err)
	}
	return ca, nil
}

// create makes a CA for the names, aside from addresses that are none of a local
// network unless the operator gave them.
func (f caFiles) create(cfg *config.Config, names localca.Names, now time.Time) (err error) {
	var given localca.Names
	for _, s := range cfg.TLSNames {
		given.ParseName(s)
	}
	label := hostName()
	if label == "" {
		label = cfg.Site
	}
	ca, keyPEM, err := localca.Create(label, localca.Names{DNS: names.DNS, Addrs: given.Addrs}, now)
	if err != nil {
		return err
	}
	staging := filepath.Join(f.dataDir, tlsStaging)
	if err := errors.Join(os.RemoveAll(staging), os.Mkdir(staging, 0o700)); err != nil {
		return fmt.Errorf("making a CA: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("making a CA: %w", err), os.RemoveAll(staging))
		}
	}()
	err = errors.Join(
		writeSynced(filepath.Join(staging, caCertFile), ca.PEM()), writeSynced(filepath.Join(staging, caKeyFile), keyPEM),
		syncFolder(staging),
	)
	if err != nil {
		return err
	}
	// Not over one that somebody else has made meanwhile.
	if err := os.Rename(staging, f.dir()); err != nil && f.missing() {
		return err
	}
	return syncFolder(f.dataDir)
}

func writeSynced(path string, data []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Sync(), file.Close())
}

// server reads the server certificate, nil when there is none that can be used:
// then another is made.
func (f caFiles) server() *tls.Certificate {
	certPEM, err := readRegular(f.path(serverCertFile))
	if err != nil {
		return nil
	}
	keyPEM, err := readRegular(f.path(serverKeyFile))
	if err != nil {
		return nil
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil
	}
	return &pair
}

// writeServer puts both files in place. A power cut between the two leaves a pair
// that does not match, which is none.
func (f caFiles) writeServer(certPEM, keyPEM []byte) error {
	for _, file := range []struct {
		name string
		data []byte
	}{{serverKeyFile, keyPEM}, {serverCertFile, certPEM}} {
		tmp := f.path(file.name + tmpSuffix)
		if err := writeSynced(tmp, file.data); err != nil {
			return errors.Join(err, os.Remove(tmp))
		}
		if err := os.Rename(tmp, f.path(file.name)); err != nil {
			return err
		}
	}
	return syncFolder(f.dir())
}

// authorityCertificate reads the CA without its key.
func (f caFiles) authorityCertificate() (*x509.Certificate, error) {
	certPEM, err := readRegular(f.path(caCertFile))
	if err != nil {
		return nil, err
	}
	return localca.ParseCertificate(certPEM)
}

// retire puts the CA aside, under a name that says when.
func (f caFiles) retire(now time.Time) (aside string, err error) {
	aside, err = keep(f.dir(), filepath.Join(f.dataDir, "tls-replaced-"+now.UTC().Format(backupStamp)))
	return aside, errors.Join(err, syncFolder(f.dataDir))
}

// machineNames are the host name, the same in .local, localhost, and the local
// addresses of all interfaces. The link-local ones of IPv6 are left out: no URL
// reaches them without the name of an interface, and each container brings another.
func machineNames() localca.Names {
	names := localca.Names{DNS: []string{"localhost"}}
	if host := hostName(); host != "" {
		first, _, _ := strings.Cut(host, ".")
		names.DNS = append(names.DNS, host, first+".local")
	}
	addrs, _ := net.InterfaceAddrs() // without them there are the names
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(n.IP); ok {
				names.Addrs = append(names.Addrs, addr.Unmap())
			}
		}
	}
	names.Addrs = slices.DeleteFunc(names.Addrs, func(a netip.Addr) bool {
		return a.Is6() && a.IsLinkLocalUnicast() || !(a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast())
	})
	return names
}

// exposedKeys are the private keys that others than their owner may read.
func exposedKeys(cfg *config.Config) []string {
	files := caFiles{cfg.DataDir}
	var list []string
	for path, mask := range map[string]fs.FileMode{
		files.path(caKeyFile): 0o077, files.path(serverKeyFile): 0o077,
		cfg.TLSKeyFile: 0o007, // a group of its own may have it, as ssl-cert does
	} {
		if info, err := os.Stat(path); path != "" && err == nil && info.Mode().Perm()&mask != 0 {
			list = append(list, path)
		}
	}
	slices.Sort(list)
	return list
}
