package httpapi

import (
	"net/http"
	"net/netip"
	"strings"
	"time"

	"edgegw/internal/gateway"
)

// refreshCookie holds the refresh token of a browser that asked for it, out of
// reach of the page's scripts.
const refreshCookie = "edgegw_refresh"

func (a *API) setRefreshCookie(w http.ResponseWriter, r *http.Request, value string, life time.Duration) {
	a.writeRefreshCookie(w, r, value, int(seconds(life)))
}

func (a *API) clearRefreshCookie(w http.ResponseWriter, r *http.Request) {
	a.writeRefreshCookie(w, r, "", -1)
}

// A browser keeps or drops the cookie only when path and name are the same, so
// that both ways lead here.
func (a *API) writeRefreshCookie(w http.ResponseWriter, r *http.Request, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{ // #nosec G124 -- Secure wherever there is TLS; without it the browser would not send the cookie back
		Name: refreshCookie, Value: value, Path: "/auth", MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: a.overTLS(r),
	})
}

// refreshCookieOf returns the token of the request's cookie, or "" when none came.
// It returns CodeForbidden for a cookie that did not come from one of the
// gateway's own pages: SameSite keeps out other sites, but not other ports and
// names of the same site, and browsers name the origin of every POST.
func refreshCookieOf(r *http.Request) (string, error) {
	cookies := r.CookiesNamed(refreshCookie)
	if len(cookies) == 0 {
		return "", nil
	}
	origins := r.Header.Values("Origin")
	if len(origins) != 1 || !sameHost(strings.ToLower(origins[0]), r) {
		return "", gateway.Errorf(gateway.CodeForbidden,
			"the cookie counts from the gateway's own pages only; send the refresh token in the body instead")
	}
	if len(cookies) > 1 {
		// Another host of the site may have planted one of them.
		return "", gateway.Errorf(gateway.CodeInvalidRequest, "the cookie %s came more than once; clear the cookies of this site", refreshCookie)
	}
	return cookies[0].Value, nil
}

// overTLS reports whether the client's side of the connection is encrypted, also
// when a trusted proxy ends the encryption.
func (a *API) overTLS(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !a.trusted(peer.Addr().Unmap()) {
		return false
	}
	first, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",")
	return strings.EqualFold(strings.TrimSpace(first), "https")
}
