package httpapi

import (
	"context"
	"net/http"
	"time"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
)

// People are the accounts of persons. What names one returns CodeNotFound, also
// for a device's name.
type People interface {
	// Users returns all of them by name.
	Users(ctx context.Context) ([]accounts.User, error)
	// User returns one.
	User(ctx context.Context, name gateway.AccountName) (accounts.User, error)
	// Add returns CodeWeakPassword with what to do, CodeConflict when the name
	// is taken, and CodeBusy.
	Add(ctx context.Context, n accounts.NewAccount) error
	// UpdateUser returns the account as it is then. It returns CodeWeakPassword,
	// CodeBusy, and CodeConflict when the last enabled administrator would go.
	UpdateUser(ctx context.Context, name gateway.AccountName, p accounts.Patch) (accounts.User, error)
	// DeleteUser returns CodeConflict when the last enabled administrator
	// would go.
	DeleteUser(ctx context.Context, name gateway.AccountName) error
}

// Helpdesk lets people in again. A device's name is CodeNotFound.
type Helpdesk interface {
	// Unlock lifts a lock after too many failed logins, if there is one.
	Unlock(ctx context.Context, name gateway.AccountName) error
	// IssueReset returns a code that sets a new password, and its life, or
	// CodeConflict for a disabled account.
	IssueReset(ctx context.Context, name gateway.AccountName) (code string, life time.Duration, err error)
}

type userJSON struct {
	Username       gateway.AccountName `json:"username"`
	Kind           gateway.Kind        `json:"kind"`
	Role           gateway.Role        `json:"role"`
	Disabled       bool                `json:"disabled"`
	Grants         []grantJSON         `json:"grants"`
	Created        gateway.Timestamp   `json:"created"`
	LegacyHash     bool                `json:"legacy_hash,omitempty"`
	Locked         bool                `json:"locked,omitempty"`
	ResetRequested gateway.Timestamp   `json:"reset_requested,omitempty"`
}

func userOf(u accounts.User) userJSON {
	return userJSON{
		Username: u.Name, Kind: u.Kind, Role: u.Role, Disabled: u.Disabled, Grants: grantsOf(u.Grants),
		Created: u.Created, LegacyHash: u.Legacy, Locked: u.LockedFor > 0, ResetRequested: u.ResetRequested,
	}
}

func (a *API) listUsers(w http.ResponseWriter, r *http.Request) error {
	found, err := a.opts.Accounts.Users(r.Context())
	if err != nil {
		return err
	}
	list := make([]userJSON, 0, len(found))
	for _, u := range found {
		list = append(list, userOf(u))
	}
	return writeJSON(w, http.StatusOK, map[string][]userJSON{"users": list})
}

func (a *API) getUser(w http.ResponseWriter, r *http.Request) error {
	name, err := accountName(r)
	if err != nil {
		return err
	}
	return a.writeUser(w, r, http.StatusOK, name)
}

func (a *API) writeUser(w http.ResponseWriter, r *http.Request, status int, name gateway.AccountName) error {
	u, err := a.opts.Accounts.User(r.Context(), name)
	if err != nil {
		return err
	}
	return writeJSON(w, status, userOf(u))
}

type addUserRequest struct {
	Username string      `json:"username" required:"true"`
	Password string      `json:"password" required:"true"`
	Role     *string     `json:"role"`   // nil: member
	Grants   []grantJSON `json:"grants"` // nil: the configured default ones
}

func (a *API) addUser(w http.ResponseWriter, r *http.Request) error {
	var req addUserRequest
	if err := readBody(w, r, &req); err != nil {
		return err
	}
	n := accounts.NewAccount{Password: req.Password, Role: gateway.RoleMember}
	var err error
	if n.Name, err = gateway.ParseAccountName(req.Username); err != nil {
		return err
	}
	if req.Role != nil {
		if n.Role, err = gateway.ParseRole(*req.Role); err != nil {
			return err
		}
	}
	if n.Grants, err = parseGrants(req.Grants); err != nil {
		return err
	}
	if err := a.opts.Accounts.Add(r.Context(), n); err != nil {
		return err
	}
	w.Header().Set("Location", "/users/"+string(n.Name))
	return a.writeUser(w, r, http.StatusCreated, n.Name)
}

// patchUserRequest has nil for what is to stay.
type patchUserRequest struct {
	Role     *string      `json:"role"`
	Disabled *bool        `json:"disabled"`
	Grants   *[]grantJSON `json:"grants"`
	Password *string      `json:"password"`
}

func (p patchUserRequest) patch() (accounts.Patch, error) {
	if p == (patchUserRequest{}) {
		return accounts.Patch{}, gateway.Errorf(gateway.CodeInvalidRequest, "give at least one of role, disabled, grants and password")
	}
	out := accounts.Patch{Disabled: p.Disabled, Password: p.Password}
	if p.Role != nil {
		role, err := gateway.ParseRole(*p.Role)
		if err != nil {
			return out, err
		}
		out.Role = &role
	}
	return out, patchGrants(&out, p.Grants)
}

func patchGrants(p *accounts.Patch, list *[]grantJSON) error {
	if list == nil {
		return nil
	}
	grants, err := parseGrants(*list)
	p.Grants = &grants
	return err
}

func (a *API) patchUser(w http.ResponseWriter, r *http.Request) error {
	name, err := accountName(r)
	if err != nil {
		return err
	}
	var req patchUserRequest
	if err := readBody(w, r, &req); err != nil {
		return err
	}
	p, err := req.patch()
	if err != nil {
		return err
	}
	u, err := a.opts.Accounts.UpdateUser(r.Context(), name, p)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, userOf(u))
}

func (a *API) deleteUser(w http.ResponseWriter, r *http.Request) error {
	return onAccount(w, r, a.opts.Accounts.DeleteUser)
}

func (a *API) unlockUser(w http.ResponseWriter, r *http.Request) error {
	return onAccount(w, r, a.opts.Accounts.Unlock)
}

// onAccount does something to the account of the path that needs no words.
func onAccount(w http.ResponseWriter, r *http.Request, do func(context.Context, gateway.AccountName) error) error {
	name, err := accountName(r)
	if err != nil {
		return err
	}
	if err := readNothing(w, r); err != nil {
		return err
	}
	if err := do(r.Context(), name); err != nil {
		return err
	}
	return noContent(w)
}

type issuedReset struct {
	ResetToken string `json:"reset_token"`
	ExpiresIn  int64  `json:"expires_in"`
}

func (a *API) issueReset(w http.ResponseWriter, r *http.Request) error {
	name, err := accountName(r)
	if err != nil {
		return err
	}
	if err := readNothing(w, r); err != nil {
		return err
	}
	code, life, err := a.opts.Accounts.IssueReset(r.Context(), name)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, issuedReset{ResetToken: code, ExpiresIn: seconds(life)})
}
