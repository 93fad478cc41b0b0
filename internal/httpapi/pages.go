package httpapi

import (
	"net/http"
	"path"
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

// Clients are the files of the clients for firmware and browsers.
type Clients interface {
	// Names are their paths, in order.
	Names() []string
	// File is what is in one; false when there is none of this name.
	File(name string) ([]byte, bool)
}

func (a *API) pageRoutes() []route {
	return []route{
		{path: "/", class: classOther, open: true, methods: do{"GET": a.index}},
		{path: "/setup", class: classAuth, open: true, methods: do{"GET": a.page, "POST": a.postSetup}},
		{path: "/clients/{path}", class: classOther, open: true, methods: do{"GET": a.client}},
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

// clientTypes are the media types of the clients' files; all others are read as
// text.
var clientTypes = map[string]string{
	".js":   "text/javascript; charset=utf-8",
	".json": "application/json",
}

// client answers with a file of a client for firmware or browsers, and with the
// list of all of them where no file is named.
func (a *API) client(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("path")
	if name == "" {
		return writeJSON(w, http.StatusOK, map[string][]string{"files": a.opts.Clients.Names()})
	}
	b, found := a.opts.Clients.File(name)
	if !found {
		return gateway.Errorf(gateway.CodeNotFound, "there is no such file; GET /clients/ lists them")
	}
	mediaType := clientTypes[path.Ext(name)]
	if mediaType == "" {
		mediaType = "text/plain; charset=utf-8"
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(b) // a client that is gone gets nothing
	return nil
}
