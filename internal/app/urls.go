package app

import (
	"net"
	"net/netip"
	"os"
	"strings"

	"edgegw/internal/config"
)

// mostURLs is how many addresses are shown; more than that are of containers and
// tunnels.
const mostURLs = 4

// urls is where browsers find this gateway.
func (a *App) urls() []string {
	if a.secure != nil {
		return urlsOf("https", a.secure.Addr().String(), localName(), lanAddresses)
	}
	return urlsOf("http", a.main.Addr().String(), localName(), lanAddresses)
}

// configuredURLs is where a gateway with this configuration would be found; none
// when the port is any.
func configuredURLs(cfg *config.Config) []string {
	scheme, listen := "http", cfg.Listen
	if cfg.TLSListen != "" {
		scheme, listen = "https", cfg.TLSListen
	}
	if strings.HasSuffix(listen, ":0") {
		return []string{}
	}
	return urlsOf(scheme, listen, localName(), lanAddresses)
}

// urlsOf lists the addresses of what listens on listen (HOST:PORT), the likeliest
// to work first: of every interface of the LAN if it listens on all, and the name
// that multicast DNS (RFC 6762) gives the machine. Numbers come first, since a
// telephone may not know that kind of name.
func urlsOf(scheme, listen, name string, lan func() []netip.Addr) []string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return []string{}
	}
	url := func(host string) string {
		if scheme == "http" && port == "80" || scheme == "https" && port == "443" {
			if strings.Contains(host, ":") {
				host = "[" + host + "]"
			}
			return scheme + "://" + host
		}
		return scheme + "://" + net.JoinHostPort(host, port)
	}
	addr, err := netip.ParseAddr(host)
	switch {
	case host != "" && err != nil: // a name
		return []string{url(host)}
	case host != "" && !addr.IsUnspecified():
		urls := []string{url(host)}
		if !addr.IsLoopback() && name != "" {
			urls = append(urls, url(name))
		}
		return urls
	}
	var urls []string
	for _, a := range lan() {
		// Only IPv4 reaches 0.0.0.0.
		if (a.Is4() || !addr.Is4()) && len(urls) < mostURLs {
			urls = append(urls, url(a.String()))
		}
	}
	if len(urls) == 0 { // no network yet
		urls = append(urls, url("127.0.0.1"))
	}
	if name != "" {
		urls = append(urls, url(name))
	}
	return urls
}

// localName is the machine's name in the LAN, "" when it has none.
func localName() string {
	name, err := os.Hostname()
	name, _, _ = strings.Cut(strings.ToLower(name), ".")
	if err != nil || name == "" || name == "localhost" {
		return ""
	}
	return name + ".local"
}

// lanAddresses are the addresses of the interfaces that are connected, those of
// IPv4 first. Browsers take no link-local address of IPv6.
func lanAddresses() []netip.Addr {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil // a sandbox without netlink
	}
	var four, six []netip.Addr
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback != 0 || i.Flags&net.FlagUp == 0 || i.Flags&net.FlagRunning == 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addrs {
			prefix, err := netip.ParsePrefix(a.String())
			switch ip := prefix.Addr(); {
			case err != nil, ip.IsLoopback(), ip.Is6() && ip.IsLinkLocalUnicast():
			case ip.Is4():
				four = append(four, ip)
			default:
				six = append(six, ip)
			}
		}
	}
	return append(four, six...)
}
