package httpapi

import (
	"context"
	"net/http"
	"time"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
)

// Logins give tokens for passwords, keys and earlier tokens. All of them may
// return CodeRateLimited, CodeUnavailable and CodeInvalidRequest.
type Logins interface {
	// Login returns CodeInvalidCredentials, CodeAccountLocked, CodeForbidden
	// for the room, and CodeBusy.
	Login(ctx context.Context, username, password, room string) (accounts.Pair, error)
	// LoginDevice returns CodeInvalidCredentials, and CodeForbidden for the
	// room.
	LoginDevice(ctx context.Context, key, room string) (accounts.Pair, error)
	// Refresh returns CodeInvalidToken, CodeTokenExpired and CodeTokenReused.
	Refresh(ctx context.Context, raw string) (accounts.Pair, error)
}

type loginRequest struct {
	Username string `json:"username" required:"true"`
	Password string `json:"password" required:"true"`
	Room     string `json:"room"`
	Cookie   bool   `json:"cookie"`
}

func (a *API) login(w http.ResponseWriter, r *http.Request) error {
	var req loginRequest
	if err := readBody(w, r, &req); err != nil {
		return err
	}
	p, err := a.opts.Accounts.Login(r.Context(), req.Username, req.Password, req.Room)
	if err != nil {
		return err
	}
	return a.writePair(w, r, p, req.Cookie)
}

type deviceLoginRequest struct {
	DeviceKey string `json:"device_key" required:"true"`
	Room      string `json:"room"`
}

func (a *API) loginDevice(w http.ResponseWriter, r *http.Request) error {
	var req deviceLoginRequest
	if err := readBody(w, r, &req); err != nil {
		return err
	}
	p, err := a.opts.Accounts.LoginDevice(r.Context(), req.DeviceKey, req.Room)
	if err != nil {
		return err
	}
	a.noteSkew(r, p)
	return a.writePair(w, r, p, false)
}

// noteSkew compares the gateway's clock with that of a client which has said what
// time it is: user agents may (RFC 9110 section 6.6.1).
func (a *API) noteSkew(r *http.Request, p accounts.Pair) {
	if at, err := http.ParseTime(r.Header.Get("Date")); err == nil {
		a.opts.Connections.NoteSkew(p.Principal, at.Sub(a.opts.Clock.Now()))
	}
}

type refreshRequest struct {
	RefreshToken *string `json:"refresh_token"` // nil when it is not given
}

// refresh takes the token of the body or, without one there, that of the cookie,
// and gives the next one back the way that the old one came.
func (a *API) refresh(w http.ResponseWriter, r *http.Request) error {
	var req refreshRequest
	if err := readBodyIfAny(w, r, &req); err != nil {
		return err
	}
	if req.RefreshToken != nil {
		p, err := a.opts.Accounts.Refresh(r.Context(), *req.RefreshToken)
		if err != nil {
			return err
		}
		a.noteSkew(r, p)
		return a.writePair(w, r, p, false)
	}
	raw, err := refreshCookieOf(r)
	if err != nil {
		return err
	}
	if raw == "" {
		return gateway.Errorf(gateway.CodeInvalidRequest, "the member refresh_token is missing, and no cookie came either")
	}
	p, err := a.opts.Accounts.Refresh(r.Context(), raw)
	if err != nil {
		if Status(gateway.CodeOf(err)) == http.StatusUnauthorized {
			a.clearRefreshCookie(w, r)
		}
		return err
	}
	return a.writePair(w, r, p, true)
}

type pairResponse struct {
	AccessToken      string              `json:"access_token"`
	TokenType        string              `json:"token_type"`
	ExpiresIn        int64               `json:"expires_in"`
	RefreshToken     string              `json:"refresh_token,omitempty"` // "" when the cookie has it
	RefreshExpiresIn int64               `json:"refresh_expires_in"`
	Username         gateway.AccountName `json:"username"`
	Role             gateway.Role        `json:"role"`
}

func (a *API) writePair(w http.ResponseWriter, r *http.Request, p accounts.Pair, cookie bool) error {
	res := pairResponse{
		AccessToken: p.Access, TokenType: "Bearer", ExpiresIn: seconds(p.AccessTTL),
		RefreshToken: p.Refresh, RefreshExpiresIn: seconds(p.RefreshTTL),
		Username: p.Principal.Name, Role: p.Principal.Role,
	}
	if cookie {
		res.RefreshToken = ""
		a.setRefreshCookie(w, r, p.Refresh, p.RefreshTTL)
	}
	return writeJSON(w, http.StatusOK, res)
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
