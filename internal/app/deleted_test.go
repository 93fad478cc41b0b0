package app_test

import (
	"testing"

	"edgegw/internal/gatewaytest"
)

// An account that was deleted is gone in every way of asking for it.
func TestDeletedAccountsAreGone(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	admin := g.Token("admin")
	g.AddUser("ann", "")
	g.Do("POST", "/devices", admin, map[string]string{"name": "pump"})
	for _, path := range []string{"/users/ann", "/devices/pump"} {
		for _, step := range []struct {
			method string
			body   any
			status int
		}{
			{"GET", nil, 200},
			{"DELETE", nil, 204},
			{"GET", nil, 404},
			{"PATCH", `{"disabled":false}`, 404},
			{"DELETE", nil, 404},
		} {
			if a := g.Do(step.method, path, admin, step.body); a.Status != step.status {
				t.Errorf("%s %s: %d, want %d", step.method, path, a.Status, step.status)
			}
		}
	}
}
