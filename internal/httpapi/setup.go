package httpapi

import (
	"context"
	_ "embed" // the pages
	"io"
	"net/http"
	"strings"

	"edgegw/internal/accounts"
)

// Setups make the first administrator.
type Setups interface {
	// SetUp returns CodeConflict when there is an administrator or the name is
	// taken, CodeRateLimited, CodeInvalidCredentials for the code, then
	// CodeInvalidRequest for the name, CodeWeakPassword with what to do, and
	// CodeBusy.
	SetUp(ctx context.Context, code, username, password string) (accounts.Pair, error)
}

// The pages of the first run, as they are read.
var (
	//go:embed setup/page.html
	setupPage string
	//go:embed setup/done.html
	setupDonePage string
	//go:embed setup/page.css
	setupStyle string
	//go:embed setup/page.js
	setupScript string
)

func (a *API) setupRoutes() []route {
	return []route{
		{path: "/setup", class: classAuth, open: true, methods: do{"GET": a.getSetup, "POST": a.postSetup}},
		{path: "/setup/page.css", class: classOther, open: true, methods: do{"GET": asset("text/css; charset=utf-8", setupStyle)}},
		{path: "/setup/page.js", class: classOther, open: true, methods: do{"GET": asset("text/javascript; charset=utf-8", setupScript)}},
	}
}

func asset(mediaType, text string) handler {
	return func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", mediaType)
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = io.WriteString(w, text) // a client that is gone gets nothing
		return nil
	}
}

// getSetup is the page that asks for the setup code, or says that it is too late
// for one. Nothing of it comes from elsewhere, and no form of it is sent by the
// browser itself: a password must not end up in an address.
func (a *API) getSetup(w http.ResponseWriter, _ *http.Request) error {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	page := setupPage
	if a.opts.Accounts.HasAdmin() {
		page = setupDonePage
	}
	_, _ = io.WriteString(w, page) // a client that is gone gets nothing
	return nil
}

type setupRequest struct {
	Code     string  `json:"code" required:"true"`
	Username *string `json:"username"` // nil is accounts.AdminName
	Password string  `json:"password" required:"true"`
	Cookie   bool    `json:"cookie"`
}

func (a *API) postSetup(w http.ResponseWriter, r *http.Request) error {
	var req setupRequest
	if err := readBody(w, r, &req); err != nil {
		return err
	}
	username := string(accounts.AdminName)
	if req.Username != nil {
		username = *req.Username
	}
	p, err := a.opts.Accounts.SetUp(r.Context(), req.Code, username, req.Password)
	if err != nil {
		return err
	}
	return a.writePair(w, r, p, req.Cookie)
}

// seeksPage tells a browser, whose user looks for something to read, from a
// program.
func seeksPage(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}
