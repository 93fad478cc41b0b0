package httpapi

import (
	"net/http"
	"strings"
	"time"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
)

type loginRequest struct {
	Username string `json:"username"`
	Password string `json:"password"`
	Room     string `json:"room"`
}

type loginResponse struct {
	AccessToken string              `json:"access_token"`
	TokenType   string              `json:"token_type"`
	ExpiresIn   int64               `json:"expires_in"`
	Username    gateway.AccountName `json:"username"`
	Role        gateway.Role        `json:"role"`
}

func (a *API) login(w http.ResponseWriter, r *http.Request) error {
	var req loginRequest
	if err := readBody(w, r, &req); err != nil {
		return err
	}
	s, err := a.opts.Accounts.Login(r.Context(), req.Username, req.Password, req.Room)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, loginResponse{
		AccessToken: s.AccessToken, TokenType: "Bearer", ExpiresIn: int64(s.ExpiresIn / time.Second),
		Username: s.Principal.Name, Role: s.Principal.Role,
	})
}

type meResponse struct {
	Username  gateway.AccountName `json:"username"`
	Kind      gateway.Kind        `json:"kind"`
	Role      gateway.Role        `json:"role"`
	Room      gateway.RoomID      `json:"room,omitempty"`
	Grants    []grantJSON         `json:"grants"`
	Session   string              `json:"session,omitempty"`
	ExpiresIn int64               `json:"expires_in"`
}

type grantJSON struct {
	Room   string `json:"room"`
	Rights string `json:"rights"`
}

func (a *API) me(w http.ResponseWriter, r *http.Request) error {
	id, err := a.authenticate(r)
	if err != nil {
		return err
	}
	grants := make([]grantJSON, 0, len(id.Principal.Grants))
	for _, g := range id.Principal.Grants {
		grants = append(grants, grantJSON{Room: g.Pattern, Rights: g.Rights.String()})
	}
	return writeJSON(w, http.StatusOK, meResponse{
		Username: id.Principal.Name, Kind: id.Principal.Kind, Role: id.Principal.Role,
		Room: id.Room, Grants: grants, Session: id.Session,
		ExpiresIn: int64(id.ExpiresAt.Sub(a.opts.Clock.Now()) / time.Second),
	})
}

// authenticate checks the request's bearer token (RFC 6750 section 2.1). It
// returns CodeInvalidToken when there is none.
func (a *API) authenticate(r *http.Request) (accounts.Identity, error) {
	raw, err := bearerToken(r.Header)
	if err != nil {
		return accounts.Identity{}, err
	}
	return a.opts.Accounts.Authenticate(r.Context(), raw)
}

func bearerToken(h http.Header) (string, error) {
	values := h.Values("Authorization")
	if len(values) > 1 {
		return "", gateway.Errorf(gateway.CodeInvalidRequest, "give one Authorization header")
	}
	if len(values) == 1 {
		scheme, token, _ := strings.Cut(values[0], " ")
		if token = strings.TrimSpace(token); token != "" && strings.EqualFold(scheme, "Bearer") {
			return token, nil
		}
	}
	return "", gateway.Errorf(gateway.CodeInvalidToken, "send the header Authorization: Bearer <token>; POST /auth/login gives one")
}
