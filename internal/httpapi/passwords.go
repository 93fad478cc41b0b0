package httpapi

import (
	"context"
	"net/http"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
)

// Passwords changes what people log in with. All of it may return
// CodeRateLimited.
type Passwords interface {
	// ChangePassword ends every other session. It returns
	// CodeInvalidCredentials for a wrong current password, CodeAccountLocked,
	// CodeWeakPassword with what to do, CodeBusy, and CodeInvalidRequest for a
	// device.
	ChangePassword(ctx context.Context, id accounts.Identity, current, new string) error
	// RequestReset takes the same time for a name that does not exist.
	RequestReset(ctx context.Context, username string) error
	// ConfirmReset ends every session. It returns CodeInvalidToken and
	// CodeTokenExpired for the code, CodeWeakPassword and CodeBusy.
	ConfirmReset(ctx context.Context, code, newPassword string) error
}

type changePasswordRequest struct {
	CurrentPassword string `json:"current_password" required:"true"`
	NewPassword     string `json:"new_password" required:"true"`
}

func (a *API) changePassword(w http.ResponseWriter, r *http.Request, id accounts.Identity) error {
	var req changePasswordRequest
	if err := readBody(w, r, &req); err != nil {
		return err
	}
	if err := a.opts.Accounts.ChangePassword(r.Context(), id, req.CurrentPassword, req.NewPassword); err != nil {
		return err
	}
	return noContent(w)
}

type requestResetRequest struct {
	Username string `json:"username" required:"true"`
}

// requestReset gives the same answer whether there is such an account or not.
func (a *API) requestReset(w http.ResponseWriter, r *http.Request) error {
	var req requestResetRequest
	if err := readBody(w, r, &req); err != nil {
		return err
	}
	if err := a.opts.Accounts.RequestReset(r.Context(), req.Username); err != nil {
		return err
	}
	return writeJSON(w, http.StatusAccepted, struct{}{})
}

type confirmResetRequest struct {
	Token       string `json:"token" required:"true"`
	NewPassword string `json:"new_password" required:"true"`
}

func (a *API) confirmReset(w http.ResponseWriter, r *http.Request) error {
	var req confirmResetRequest
	if err := readBody(w, r, &req); err != nil {
		return err
	}
	if err := a.opts.Accounts.ConfirmReset(r.Context(), req.Token, req.NewPassword); err != nil {
		return err
	}
	return noContent(w)
}

// accountName reads the account of the path. A name that no account can have is
// CodeNotFound.
func accountName(r *http.Request) (gateway.AccountName, error) {
	name, err := gateway.ParseAccountName(r.PathValue("name"))
	if err != nil {
		return "", gateway.Errorf(gateway.CodeNotFound, "there is no such account")
	}
	return name, nil
}
