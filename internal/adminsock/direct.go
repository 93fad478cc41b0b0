package adminsock

import (
	"bytes"
	"context"
	"io"
	"time"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
)

// Direct is Admin on a service of one's own. Whatever asks through it is noted
// in the audit as the command line: it is also what answers at the socket.
type Direct struct {
	Service *accounts.Service
	// LongestTTL is the life of the access token that lives longest, which is
	// how long an old signing key goes on verifying.
	LongestTTL time.Duration
	// URLs is where browsers find the gateway, the likeliest first; nil where
	// that is not known. Running says that it is this process.
	URLs    func() []string
	Running bool
	// Archive writes a backup, and ArchiveDone notes whether it is good; nil
	// where there is only a store to ask.
	Archive     func(context.Context, io.Writer) error
	ArchiveDone func(ctx context.Context, good bool) error
	// Time is the gateway's clock.
	Time TimeControl
	// Files are the stores.
	Files Care
}

func origin(ctx context.Context) context.Context {
	return gateway.WithOrigin(ctx, gateway.Origin{IP: "local", Actor: gateway.ActorCLI})
}

// AddUser implements Users.
func (d Direct) AddUser(ctx context.Context, u NewUser) error {
	grants, err := parseGrants(u.Grants)
	if err != nil {
		return err
	}
	return d.Service.Add(origin(ctx), accounts.NewAccount{
		Name: gateway.AccountName(u.Name), Password: u.Password, Role: gateway.Role(u.Role), Grants: grants,
	})
}

// ListUsers implements Users.
func (d Direct) ListUsers(ctx context.Context) (UserList, error) {
	list, err := d.Service.Users(origin(ctx))
	out := UserList{Users: make([]User, 0, len(list))}
	for _, u := range list {
		out.Users = append(out.Users, showUser(u))
		if u.Legacy {
			out.Legacy++
		}
	}
	return out, err
}

func showUser(u accounts.User) User {
	out := User{
		Name: string(u.Name), Kind: string(u.Kind), Role: string(u.Role),
		State: state(u.Account), LockedFor: seconds(u.LockedFor), Disabled: u.Disabled,
		Password: PasswordArgon2id, Grants: showGrants(u.Grants),
		Created: int64(u.Created), ResetRequested: int64(u.ResetRequested),
	}
	if u.Legacy {
		out.Password = PasswordLegacy
	}
	if out.LockedFor > 0 && !u.Disabled {
		out.State = StateLocked
	}
	return out
}

// UpdateUser implements Users.
func (d Direct) UpdateUser(ctx context.Context, p UserPatch) error {
	name, err := gateway.ParseAccountName(p.Name)
	if err != nil {
		return err
	}
	patch := accounts.Patch{Password: p.Password, Disabled: p.Disabled}
	if p.Role != nil {
		role, err := gateway.ParseRole(*p.Role)
		if err != nil {
			return err
		}
		patch.Role = &role
	}
	if patch.Grants, err = patchGrants(p.Grants); err != nil {
		return err
	}
	_, err = d.Service.UpdateUser(origin(ctx), name, patch)
	return err
}

// UnlockUser implements Users.
func (d Direct) UnlockUser(ctx context.Context, name string) error {
	return named(name, func(n gateway.AccountName) error { return d.Service.Unlock(origin(ctx), n) })
}

// ResetUser implements Users.
func (d Direct) ResetUser(ctx context.Context, name string) (code ResetCode, err error) {
	err = named(name, func(n gateway.AccountName) error {
		raw, life, err := d.Service.IssueReset(origin(ctx), n)
		code = ResetCode{Username: string(n), Code: raw, ExpiresIn: seconds(life)}
		return err
	})
	return code, err
}

// DeleteUser implements Users.
func (d Direct) DeleteUser(ctx context.Context, name string) error {
	return named(name, func(n gateway.AccountName) error { return d.Service.DeleteUser(origin(ctx), n) })
}

// ImportUsers implements Users.
func (d Direct) ImportUsers(ctx context.Context, i Import) (ImportReport, error) {
	list, err := accounts.ReadUsers(bytes.NewReader(i.Data))
	if err != nil {
		return ImportReport{}, err
	}
	report, err := d.Service.ImportUsers(origin(ctx), list, i.SkipBad)
	return showReport(report), err
}

func showReport(r accounts.ImportReport) ImportReport {
	out := ImportReport{Added: r.Added, Bad: make([]BadLine, 0, len(r.Bad))}
	for _, b := range r.Bad {
		out.Bad = append(out.Bad, BadLine(b))
	}
	return out
}

// named parses the name that an operation is about.
func named(name string, do func(gateway.AccountName) error) error {
	n, err := gateway.ParseAccountName(name)
	if err != nil {
		return err
	}
	return do(n)
}

// parseGrants returns nil for none.
func parseGrants(list []string) (gateway.Grants, error) {
	var grants gateway.Grants
	for _, s := range list {
		g, err := gateway.ParseGrant(s)
		if err != nil {
			return nil, err
		}
		grants = append(grants, g)
	}
	return grants, nil
}

// patchGrants tells no change (nil) from no grants at all.
func patchGrants(list *[]string) (*gateway.Grants, error) {
	if list == nil {
		return nil, nil
	}
	grants, err := parseGrants(*list)
	return &grants, err
}

func showGrants(grants gateway.Grants) []string {
	out := make([]string, 0, len(grants))
	for _, g := range grants {
		out = append(out, g.String())
	}
	return out
}

func state(a gateway.Account) string {
	if a.Disabled {
		return StateDisabled
	}
	return StateEnabled
}

// seconds rounds up: something that still holds does not read as 0.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
