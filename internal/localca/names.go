package localca

import (
	"crypto/x509"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Names are what a server is reached by: DNS names in lower case, and addresses
// without zones.
type Names struct {
	DNS   []string
	Addrs []netip.Addr
}

// ParseName reads a DNS name or an address into n, and reports whether s is one of
// the two. A DNS name is brought into lower case, and loses a dot at its end.
func (n *Names) ParseName(s string) bool {
	if addr, err := netip.ParseAddr(s); err == nil {
		n.Addrs = append(n.Addrs, addr.Unmap().WithZone(""))
		return true
	}
	s = strings.TrimSuffix(strings.ToLower(s), ".")
	if !isHostName(s) {
		return false
	}
	n.DNS = append(n.DNS, s)
	return true
}

// isHostName is RFC 1123 section 2.1. What consists of digits alone is no name: it
// would be taken for an address.
func isHostName(s string) bool {
	if s == "" || len(s) > 253 || strings.Trim(s, "0123456789.") == "" {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
				return false
			}
		}
	}
	return true
}

// Sorted is n in order and without doubles.
func (n Names) Sorted() Names {
	dns, addrs := slices.Sorted(slices.Values(n.DNS)), slices.SortedFunc(slices.Values(n.Addrs), netip.Addr.Compare)
	return Names{slices.Compact(dns), slices.Compact(addrs)}
}

// Strings are all names as text.
func (n Names) Strings() []string {
	list := slices.Clone(n.DNS)
	for _, a := range n.Addrs {
		list = append(list, a.String())
	}
	return list
}

// NamesOf are those of a server certificate.
func NamesOf(c *x509.Certificate) Names {
	n := Names{DNS: slices.Clone(c.DNSNames)}
	for _, ip := range c.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			n.Addrs = append(n.Addrs, a.Unmap())
		}
	}
	return n
}

// localDNS and localNets are what every CA may vouch for, and what no public CA
// may: names and addresses that mean something else on each network.
var (
	localDNS  = []string{"local", "localhost"}
	localNets = []string{
		"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8",
		"fc00::/7", "fe80::/10", "::1/128",
	}
)

// constrain limits what the template's CA may vouch for (RFC 5280 section
// 4.2.1.10). The extension is not critical, although the RFC wants that: Mbed TLS
// refuses a CA with a critical extension that it does not know, and with it half
// of all firmware. Whoever knows the extension obeys it either way.
func constrain(template *x509.Certificate, names Names) {
	names = Names{DNS: append(slices.Clone(localDNS), names.DNS...), Addrs: names.Addrs}.Sorted()
	for _, name := range names.DNS {
		if !below(name, localDNS) || slices.Contains(localDNS, name) {
			template.PermittedDNSDomains = append(template.PermittedDNSDomains, name)
		}
	}
	var nets []netip.Prefix
	for _, s := range localNets {
		nets = append(nets, netip.MustParsePrefix(s))
	}
	for _, a := range names.Addrs {
		if !slices.ContainsFunc(nets, func(p netip.Prefix) bool { return p.Contains(a) }) {
			nets = append(nets, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	for _, p := range nets {
		template.PermittedIPRanges = append(template.PermittedIPRanges,
			&net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())})
	}
}

// below reports whether name is one of the domains, or in one of them.
func below(name string, domains []string) bool {
	return slices.ContainsFunc(domains, func(d string) bool { return name == d || strings.HasSuffix(name, "."+d) })
}

// Permitted parts names into those that the CA may vouch for, and the others.
func (a *Authority) Permitted(names Names) (in, out Names) {
	for _, name := range names.DNS {
		if below(name, a.cert.PermittedDNSDomains) {
			in.DNS = append(in.DNS, name)
		} else {
			out.DNS = append(out.DNS, name)
		}
	}
	for _, addr := range names.Addrs {
		ip := net.IP(addr.AsSlice())
		if slices.ContainsFunc(a.cert.PermittedIPRanges, func(n *net.IPNet) bool { return n.Contains(ip) }) {
			in.Addrs = append(in.Addrs, addr)
		} else {
			out.Addrs = append(out.Addrs, addr)
		}
	}
	return in, out
}
