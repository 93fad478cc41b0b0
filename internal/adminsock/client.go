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

// Client is Accounts on the running gateway.
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
	c.http = &http.Client{
		Timeout:   30 * time.Second, // a password hash may have to wait for its turn
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true},
	}
	return c, nil
}

// call asks for one operation. Its errors are those of the operation, or say
// that the gateway did not answer.
func (c *Client) call(ctx context.Context, operation string, req, result any) error {
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
	out := answer{Result: result}
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		return fmt.Errorf("the gateway at %s gave no answer (%s); is it another version than this command?", c.path, res.Status)
	}
	if out.Code != "" {
		return gateway.Errorf(out.Code, "%s", out.Message)
	}
	return nil
}

// AddUser implements Accounts.
func (c *Client) AddUser(ctx context.Context, u NewUser) error {
	return c.call(ctx, "user/add", u, nil)
}

// ListUsers implements Accounts.
func (c *Client) ListUsers(ctx context.Context) (users []User, err error) {
	err = c.call(ctx, "user/list", struct{}{}, &users)
	return users, err
}

// SetUserPassword implements Accounts.
func (c *Client) SetUserPassword(ctx context.Context, name, password string) error {
	return c.call(ctx, "user/password", nameRequest{Name: name, Password: password}, nil)
}

// SetUserDisabled implements Accounts.
func (c *Client) SetUserDisabled(ctx context.Context, name string, disabled bool) error {
	return c.call(ctx, "user/disabled", nameRequest{Name: name, Disabled: disabled}, nil)
}

// DeleteUser implements Accounts.
func (c *Client) DeleteUser(ctx context.Context, name string) error {
	return c.call(ctx, "user/delete", nameRequest{Name: name}, nil)
}
