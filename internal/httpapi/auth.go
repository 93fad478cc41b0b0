package httpapi

import (
	"context"
	"net/http"
	"strings"
	"time"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
)

// Identities tells who asks.
type Identities interface {
	// Authenticate returns CodeInvalidToken or CodeTokenExpired.
	Authenticate(ctx context.Context, raw string) (accounts.Identity, error)
	// HasAdmin reports whether an enabled administrator exists.
	HasAdmin() bool
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

// bearer lets in who has a good token, before anything else of the request is
// looked at, and notes who it is.
func (a *API) bearer(answer func(http.ResponseWriter, *http.Request, accounts.Identity) error) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		id, err := a.authenticate(r)
		if err != nil {
			return err
		}
		return answer(w, actedBy(r, id), id)
	}
}

// admin lets in administrators.
func (a *API) admin(answer handler) handler {
	return a.bearer(func(w http.ResponseWriter, r *http.Request, id accounts.Identity) error {
		if err := mustBeAdmin(id); err != nil {
			return err
		}
		return answer(w, r)
	})
}

func mustBeAdmin(id accounts.Identity) error {
	if id.Principal.Role != gateway.RoleAdmin {
		return gateway.Errorf(gateway.CodeForbidden, "only administrators may do this")
	}
	return nil
}

func actedBy(r *http.Request, id accounts.Identity) *http.Request {
	return r.WithContext(gateway.WithActor(r.Context(), string(id.Principal.Name)))
}

type meResponse struct {
	Username  gateway.AccountName `json:"username"`
	Kind      gateway.Kind        `json:"kind"`
	Role      gateway.Role        `json:"role"`
	Room      gateway.RoomID      `json:"room,omitempty"`
	Grants    []grantJSON         `json:"grants"`
	Session   gateway.SessionID   `json:"session,omitempty"`
	ExpiresIn int64               `json:"expires_in"`
}

func (a *API) me(w http.ResponseWriter, _ *http.Request, id accounts.Identity) error {
	return writeJSON(w, http.StatusOK, meResponse{
		Username: id.Principal.Name, Kind: id.Principal.Kind, Role: id.Principal.Role,
		Room: id.Room, Grants: grantsOf(id.Principal.Grants), Session: id.Session,
		ExpiresIn: int64(id.ExpiresAt.Sub(a.opts.Clock.Now()) / time.Second),
	})
}
