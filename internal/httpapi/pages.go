package httpapi

import (
	"net/http"
	"strings"

	"edgegw/internal/gateway"
)

// Pages are the dashboard.
type Pages interface {
	// Index answers with the page that everything begins on.
	Index(w http.ResponseWriter, r *http.Request)
	// Asset answers with a file that the page needs; false when there is none.
	Asset(w http.ResponseWriter, r *http.Request, name string) bool
}

func (a *API) pageRoutes() []route {
	return []route{
		{path: "/", class: classOther, open: true, methods: do{"GET": a.index}},
		{path: "/setup", class: classAuth, open: true, methods: do{"GET": a.page, "POST": a.postSetup}},
		{path: "/assets/{name}", class: classOther, open: true, methods: do{"GET": a.asset}},
	}
}

// index is the dashboard; who asks for JSON is told what this is.
func (a *API) index(w http.ResponseWriter, r *http.Request) error {
	w.Header().Add("Vary", "Accept")
	accept := r.Header.Get("Accept")
	if strings.Contains(accept, "application/json") && !strings.Contains(accept, "text/html") {
		return writeJSON(w, http.StatusOK, map[string]string{
			"name": "edgegw", "version": a.opts.Version,
			"login": "/auth/login", "websocket": "/ws", "health": "/health", "openapi": "/openapi.json",
		})
	}
	return a.page(w, r)
}

// page is the same for every address: the script looks where it is. Nothing of it
// comes from elsewhere, and no form of it is sent by the browser itself: a
// password must not end up in an address.
func (a *API) page(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	a.opts.Pages.Index(w, r)
	return nil
}

func (a *API) asset(w http.ResponseWriter, r *http.Request) error {
	if !a.opts.Pages.Asset(w, r, r.PathValue("name")) {
		return gateway.Errorf(gateway.CodeNotFound, "there is no such file; after an upgrade, load the page anew")
	}
	return nil
}
