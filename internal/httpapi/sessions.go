package httpapi

import (
	"context"
	"net/http"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
)

// Sessions are the logins of an account that go on.
type Sessions interface {
	// Logout ends the session of the identity, if it has one.
	Logout(ctx context.Context, id accounts.Identity) error
	// LogoutRefresh ends the session of a refresh token. A token that is not
	// good ends nothing and is no error.
	LogoutRefresh(ctx context.Context, raw string) error
	// Sessions returns the living ones, the newest use first.
	Sessions(ctx context.Context, id accounts.Identity) ([]gateway.Session, error)
	// EndSession returns CodeNotFound, also for a session of another account.
	EndSession(ctx context.Context, id accounts.Identity, session gateway.SessionID) error
}

// logout ends the session of the bearer token or, without one, that of the
// cookie: a page that was closed for long has no access token any more.
func (a *API) logout(w http.ResponseWriter, r *http.Request) error {
	_, came := r.Header["Authorization"]
	if !came {
		raw, err := refreshCookieOf(r)
		if err != nil {
			return err
		}
		if raw != "" {
			return a.logoutRefresh(w, r, raw)
		}
	}
	id, err := a.authenticate(r)
	if err != nil {
		return err
	}
	r = actedBy(r, id)
	if err := readNothing(w, r); err != nil {
		return err
	}
	if err := a.opts.Accounts.Logout(r.Context(), id); err != nil {
		return err
	}
	if len(r.CookiesNamed(refreshCookie)) > 0 {
		a.clearRefreshCookie(w, r)
	}
	return noContent(w)
}

func (a *API) logoutRefresh(w http.ResponseWriter, r *http.Request, raw string) error {
	if err := readNothing(w, r); err != nil {
		return err
	}
	if err := a.opts.Accounts.LogoutRefresh(r.Context(), raw); err != nil {
		return err
	}
	a.clearRefreshCookie(w, r)
	return noContent(w)
}

type sessionJSON struct {
	ID       gateway.SessionID `json:"id"`
	Created  gateway.Timestamp `json:"created"`
	LastUsed gateway.Timestamp `json:"last_used"`
	IP       string            `json:"ip"`
	Current  bool              `json:"current"`
}

func (a *API) listSessions(w http.ResponseWriter, r *http.Request, id accounts.Identity) error {
	found, err := a.opts.Accounts.Sessions(r.Context(), id)
	if err != nil {
		return err
	}
	list := make([]sessionJSON, 0, len(found))
	for _, s := range found {
		list = append(list, sessionJSON{ID: s.ID, Created: s.Created, LastUsed: s.Used, IP: s.IP, Current: s.ID == id.Session})
	}
	return writeJSON(w, http.StatusOK, map[string][]sessionJSON{"sessions": list})
}

func (a *API) endSession(w http.ResponseWriter, r *http.Request, id accounts.Identity) error {
	session := r.PathValue("id")
	if !sessionID(session) {
		return gateway.Errorf(gateway.CodeNotFound, "there is no such session; GET /auth/sessions lists yours")
	}
	if err := readNothing(w, r); err != nil {
		return err
	}
	if err := a.opts.Accounts.EndSession(r.Context(), id, gateway.SessionID(session)); err != nil {
		return err
	}
	return noContent(w)
}

// sessionID reports whether s has the shape of a session id.
func sessionID(s string) bool {
	for _, c := range []byte(s) {
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && c != '-' && c != '_' {
			return false
		}
	}
	return len(s) == 22
}
