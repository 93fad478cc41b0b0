package adminsock

import (
	"context"

	"edgegw/internal/gateway"
)

// Setups is Admin's part about the first run.
type Setups interface {
	// ShowSetup tells whether there is an administrator, and where the gateway
	// is.
	ShowSetup(context.Context) (SetupState, error)
	// SetUp makes the first administrator. It returns CodeConflict when there
	// is one or the name is taken, CodeWeakPassword with what to do, and
	// CodeBusy.
	SetUp(context.Context, Owner) error
	// NewSetupCode makes a one-time code for POST /setup in the place of the one
	// before. It returns CodeConflict when there is an administrator, or no
	// gateway that runs.
	NewSetupCode(context.Context) (SetupCode, error)
}

// SetupState says whether there is an administrator, and whether the gateway runs. URLs are where browsers find
// the gateway, the likeliest first, without a path; it may be empty.
type SetupState struct {
	Done    bool     `json:"done"`
	Running bool     `json:"running"`
	URLs    []string `json:"urls"`
}

// Owner is the first administrator.
type Owner struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// SetupCode makes somebody the owner once, within ExpiresIn seconds.
type SetupCode struct {
	Code      string   `json:"setup_code"`
	ExpiresIn int64    `json:"expires_in"`
	URLs      []string `json:"urls"`
}

// ShowSetup implements Setups.
func (d Direct) ShowSetup(context.Context) (SetupState, error) {
	return SetupState{Done: d.Service.HasAdmin(), Running: d.Running, URLs: d.urls()}, nil
}

func (d Direct) urls() []string {
	if d.URLs == nil {
		return []string{}
	}
	return d.URLs()
}

// SetUp implements Setups.
func (d Direct) SetUp(ctx context.Context, o Owner) error {
	return named(o.Username, func(n gateway.AccountName) error {
		return d.Service.MakeOwner(origin(ctx), n, o.Password)
	})
}

// NewSetupCode implements Setups.
func (d Direct) NewSetupCode(context.Context) (SetupCode, error) {
	if !d.Running {
		return SetupCode{}, gateway.Errorf(gateway.CodeConflict,
			"no gateway runs on this data folder, so that a code would be for nobody; a gateway prints one when it starts, and `edgegw setup` needs none")
	}
	code, life, err := d.Service.NewSetupCode()
	return SetupCode{Code: code, ExpiresIn: seconds(life), URLs: d.urls()}, err
}

// ShowSetup implements Setups.
func (c *Client) ShowSetup(ctx context.Context) (SetupState, error) {
	return ask[SetupState](ctx, c, "setup/show", struct{}{})
}

// SetUp implements Setups.
func (c *Client) SetUp(ctx context.Context, o Owner) error { return c.do(ctx, "setup/owner", o) }

// NewSetupCode implements Setups.
func (c *Client) NewSetupCode(ctx context.Context) (SetupCode, error) {
	return ask[SetupCode](ctx, c, "setup/code", struct{}{})
}
