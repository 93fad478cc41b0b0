package adminsock

import (
	"context"
	"errors"
	"net/http"
	"testing"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Only an import may take as long as it takes.
func TestTimeouts(t *testing.T) {
	var limited bool
	c := &Client{http: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		_, limited = r.Context().Deadline()
		return nil, errors.New("nobody there")
	})}}
	ctx := context.Background()
	for name, do := range map[string]func() error{
		"add":    func() error { return c.AddUser(ctx, NewUser{}) },
		"list":   func() error { _, err := c.ListUsers(ctx); return err },
		"rotate": func() error { _, err := c.RotateKey(ctx); return err },
	} {
		if err := do(); err == nil || !limited {
			t.Errorf("%s: %v, limited %t", name, err, limited)
		}
	}
	for name, do := range map[string]func() error{
		"users":   func() error { _, err := c.ImportUsers(ctx, Import{}); return err },
		"devices": func() error { _, err := c.ImportDevices(ctx, Import{}); return err },
	} {
		if err := do(); err == nil || limited {
			t.Errorf("importing %s: %v, limited %t", name, err, limited)
		}
	}
}
