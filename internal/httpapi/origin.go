package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"edgegw/internal/gateway"
)

// checkOrigin refuses cross-origin requests of browsers, WebSockets included,
// unless their origin is listed. A request without Origin is no browser's, or
// it is a plain same-origin read, and passes.
func (a *API) checkOrigin(w http.ResponseWriter, r *http.Request) error {
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return nil
	}
	w.Header().Add("Vary", "Origin")
	if len(origins) == 1 {
		origin := strings.ToLower(origins[0])
		if a.origins[origin] {
			w.Header().Set("Access-Control-Allow-Origin", origins[0])
			w.Header().Set("Access-Control-Expose-Headers", "X-Request-ID, Retry-After, Link, Location")
			return nil
		}
		if sameHost(origin, r) {
			return nil
		}
	}
	return gateway.Errorf(gateway.CodeForbidden, "this origin may not call the gateway; add it to allowed_origins")
}

// sameHost reports whether the origin's host and port are those that the
// request was sent to.
func sameHost(origin string, r *http.Request) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	port := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	return withPort(u.Host, port) == withPort(strings.ToLower(r.Host), port)
}

func withPort(host, port string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), port)
}

func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" &&
		r.Header.Get("Access-Control-Request-Method") != ""
}

func (a *API) preflight(w http.ResponseWriter, rt *route) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", rt.allow())
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}

// clientIP is the peer's address, or what a trusted proxy says it is. Of
// X-Forwarded-For the last address that is no trusted proxy's counts: what
// stands before it was written by whoever sent the request.
func (a *API) clientIP(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	addr := peer.Addr().Unmap()
	if !a.trusted(addr) {
		return addr.String()
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		if addr = hop.Unmap(); !a.trusted(addr) {
			break
		}
	}
	return addr.String()
}

func (a *API) trusted(addr netip.Addr) bool {
	for _, p := range a.opts.TrustedProxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
