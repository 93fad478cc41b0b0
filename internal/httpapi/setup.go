package httpapi

import (
	"context"
	"net/http"

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
