// Package adminsock is the unix socket between the running gateway and its own
// command line: HTTP with JSON, for whoever may open the socket's file (mode
// 0600). Nothing else can reach it, so it asks for no password.
//
// It is no public interface: both ends are one binary. The API for
// administrators is in httpapi.
package adminsock

import (
	"context"
	"path/filepath"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
)

// Path is where the socket of a data folder is.
func Path(dataDir string) string { return filepath.Join(dataDir, "admin.sock") }

// Accounts is what the command line can do with accounts, on the running gateway
// (Client) or on the closed store (Direct). Errors are those of
// accounts.Service, which see.
type Accounts interface {
	AddUser(ctx context.Context, u NewUser) error
	ListUsers(ctx context.Context) ([]User, error)
	SetUserPassword(ctx context.Context, name, password string) error
	SetUserDisabled(ctx context.Context, name string, disabled bool) error
	DeleteUser(ctx context.Context, name string) error
}

// NewUser describes an account to be made. Without grants it gets the default
// ones; each is written PATTERN:RIGHTS.
type NewUser struct {
	Name     string   `json:"name"`
	Password string   `json:"password"`
	Role     string   `json:"role"`
	Grants   []string `json:"grants,omitempty"`
}

// User is an account as it is listed.
type User struct {
	Name     string   `json:"name"`
	Kind     string   `json:"kind"`
	Role     string   `json:"role"`
	Grants   []string `json:"grants"`
	Disabled bool     `json:"disabled"`
	Created  int64    `json:"created"` // Unix milliseconds
}

// Direct is Accounts on a service of one's own.
type Direct struct{ Service *accounts.Service }

// AddUser implements Accounts.
func (d Direct) AddUser(ctx context.Context, u NewUser) error {
	n := accounts.NewAccount{Name: gateway.AccountName(u.Name), Password: u.Password, Role: gateway.Role(u.Role)}
	for _, s := range u.Grants {
		g, err := gateway.ParseGrant(s)
		if err != nil {
			return err
		}
		n.Grants = append(n.Grants, g)
	}
	return d.Service.Add(ctx, n)
}

// ListUsers implements Accounts.
func (d Direct) ListUsers(context.Context) ([]User, error) {
	list, err := d.Service.List()
	if err != nil {
		return nil, err
	}
	users := make([]User, 0, len(list))
	for _, a := range list {
		u := User{
			Name: string(a.Name), Kind: string(a.Kind), Role: string(a.Role),
			Grants: make([]string, 0, len(a.Grants)), Disabled: a.Disabled, Created: int64(a.Created),
		}
		for _, g := range a.Grants {
			u.Grants = append(u.Grants, g.String())
		}
		users = append(users, u)
	}
	return users, nil
}

// SetUserPassword implements Accounts.
func (d Direct) SetUserPassword(ctx context.Context, name, password string) error {
	n, err := gateway.ParseAccountName(name)
	if err != nil {
		return err
	}
	return d.Service.SetPassword(ctx, n, password)
}

// SetUserDisabled implements Accounts.
func (d Direct) SetUserDisabled(ctx context.Context, name string, disabled bool) error {
	n, err := gateway.ParseAccountName(name)
	if err != nil {
		return err
	}
	return d.Service.SetDisabled(ctx, n, disabled)
}

// DeleteUser implements Accounts.
func (d Direct) DeleteUser(ctx context.Context, name string) error {
	n, err := gateway.ParseAccountName(name)
	if err != nil {
		return err
	}
	return d.Service.Delete(ctx, n)
}
