package adminsock

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"edgegw/internal/gateway"
)

// callTimeout is for one operation: a password hash may have to wait for its
// turn. An import hashes once for each line and takes what it takes.
const callTimeout = 30 * time.Second

// Client is Admin on the running gateway.
type Client struct {
	http *http.Client
	path string
}

// Dial connects to the gateway that runs on the data folder. Its error means
// that none does, or that this user may not talk to it.
func Dial(ctx context.Context, dataDir string) (*Client, error) {
	c := &Client{path: Path(dataDir)}
	var d net.Dialer
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", c.path) }
	conn, err := dial(ctx, "", "")
	if err != nil {
		return nil, err
	}
	_ = conn.Close()
	c.http = &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	return c, nil
}

// ask asks for one operation, within callTimeout.
func ask[Result any](ctx context.Context, c *Client, operation string, req any) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return askLong[Result](ctx, c, operation, req)
}

// askLong asks for one operation, for as long as ctx allows. Its errors are those
// of the operation, or say that the gateway did not answer.
func askLong[Result any](ctx context.Context, c *Client, operation string, req any) (Result, error) {
	var out answer[Result]
	if err := c.call(ctx, operation, req, &out); err != nil || out.Code == "" {
		return out.Result, err
	}
	var none Result
	return none, gateway.Errorf(out.Code, "%s", out.Message)
}

// call is what all operations have in common: it is compiled once.
func (c *Client) call(ctx context.Context, operation string, req, out any) error {
	body, err := json.Marshal(req)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://gateway/"+operation, bytes.NewReader(body))
	if err != nil {
		return err
	}
	res, err := c.http.Do(r)
	if err != nil {
		return fmt.Errorf("the gateway does not answer at %s: %w", c.path, err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return fmt.Errorf("the gateway at %s gave no answer (%s); is it another version than this command?", c.path, res.Status)
	}
	return nil
}

// do is ask for an operation without a result.
func (c *Client) do(ctx context.Context, operation string, req any) error {
	_, err := ask[struct{}](ctx, c, operation, req)
	return err
}

// AddUser implements Users.
func (c *Client) AddUser(ctx context.Context, u NewUser) error { return c.do(ctx, "user/add", u) }

// ListUsers implements Users.
func (c *Client) ListUsers(ctx context.Context) (UserList, error) {
	return ask[UserList](ctx, c, "user/list", struct{}{})
}

// UpdateUser implements Users.
func (c *Client) UpdateUser(ctx context.Context, p UserPatch) error {
	return c.do(ctx, "user/update", p)
}

// UnlockUser implements Users.
func (c *Client) UnlockUser(ctx context.Context, name string) error {
	return c.do(ctx, "user/unlock", name)
}

// ResetUser implements Users.
func (c *Client) ResetUser(ctx context.Context, name string) (ResetCode, error) {
	return ask[ResetCode](ctx, c, "user/reset", name)
}

// DeleteUser implements Users.
func (c *Client) DeleteUser(ctx context.Context, name string) error {
	return c.do(ctx, "user/delete", name)
}

// ImportUsers implements Users.
func (c *Client) ImportUsers(ctx context.Context, i Import) (ImportReport, error) {
	return askLong[ImportReport](ctx, c, "user/import", i)
}

// AddDevice implements Devices.
func (c *Client) AddDevice(ctx context.Context, d NewDevice) (DeviceKey, error) {
	return ask[DeviceKey](ctx, c, "device/add", d)
}

// ListDevices implements Devices.
func (c *Client) ListDevices(ctx context.Context) (DeviceList, error) {
	return ask[DeviceList](ctx, c, "device/list", struct{}{})
}

// UpdateDevice implements Devices.
func (c *Client) UpdateDevice(ctx context.Context, p DevicePatch) error {
	return c.do(ctx, "device/update", p)
}

// RotateDeviceKey implements Devices.
func (c *Client) RotateDeviceKey(ctx context.Context, name string) (DeviceKey, error) {
	return ask[DeviceKey](ctx, c, "device/rotate-key", name)
}

// DeleteDevice implements Devices.
func (c *Client) DeleteDevice(ctx context.Context, name string) error {
	return c.do(ctx, "device/delete", name)
}

// ImportDevices implements Devices.
func (c *Client) ImportDevices(ctx context.Context, i Import) (ImportReport, error) {
	return askLong[ImportReport](ctx, c, "device/import", i)
}

// IssueToken implements Tokens.
func (c *Client) IssueToken(ctx context.Context, r TokenRequest) (Token, error) {
	return ask[Token](ctx, c, "token/issue", r)
}

// InspectToken implements Tokens.
func (c *Client) InspectToken(ctx context.Context, raw string) (Inspection, error) {
	return ask[Inspection](ctx, c, "token/inspect", raw)
}

// RotateKey implements Tokens.
func (c *Client) RotateKey(ctx context.Context) (KeyRotation, error) {
	return ask[KeyRotation](ctx, c, "token/rotate", struct{}{})
}
