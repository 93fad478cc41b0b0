package torture_test

import (
	"errors"
	"fmt"
	"net/http"

	"edgegw/e2e/process"
	"edgegw/internal/gatewaytest"
)

// rotation spends a refresh token, and then the next.
func (c *clerk) rotation() error {
	a, err := c.session(c.s.key)
	if err != nil {
		return err
	}
	tokens := []string{text(a, "refresh_token")}
	for range 2 {
		a, err = c.ask("POST", "/auth/refresh", "", map[string]string{"refresh_token": tokens[0]})
		if err == nil && a.Status != http.StatusOK {
			err = fmt.Errorf("refresh: %d %s", a.Status, a.Body)
		}
		if err != nil {
			break
		}
		c.acked++
		tokens = append([]string{text(a, "refresh_token")}, tokens...)
	}
	c.claim("refresh tokens", len(tokens)-1, func() error {
		// The last may have been spent without an answer; it then gives its
		// successor again.
		if a, err := c.ask("POST", "/auth/refresh", "", map[string]string{"refresh_token": tokens[0]}); err != nil || a.Status != http.StatusOK {
			return fmt.Errorf("the newest of %d: %d %s %w", len(tokens), a.Status, a.Body, err)
		}
		if len(tokens) < 3 {
			return nil
		}
		return c.refused("/auth/refresh", "refresh_token", tokens[2])
	})
	return err
}

func (c *clerk) logout() error {
	return c.endSession("logout", func(_ string, token string) (gatewaytest.Answer, error) {
		return c.change("logout", "eternal", "POST", "/auth/logout", token, nil)
	})
}

func (c *clerk) revoke() error {
	return c.endSession("an ended session", func(id, token string) (gatewaytest.Answer, error) {
		return c.change("session_ended", "eternal", "DELETE", "/auth/sessions/"+id, token, nil)
	})
}

func (c *clerk) endSession(what string, end func(id, token string) (gatewaytest.Answer, error)) error {
	a, err := c.session(c.s.key)
	if err != nil {
		return err
	}
	access, refresh := text(a, "access_token"), text(a, "refresh_token")
	if a, err = c.ask("GET", "/auth/me", access, nil); err != nil {
		return err
	}
	if _, err := end(text(a, "session"), access); err != nil {
		return err
	}
	c.claim(what, 1, func() error {
		a, err := c.ask("GET", "/auth/me", access, nil)
		if err != nil || a.Status != http.StatusUnauthorized {
			return fmt.Errorf("the access token: %d %s %w", a.Status, a.Body, err)
		}
		return c.refused("/auth/refresh", "refresh_token", refresh)
	})
	return nil
}

// reset uses a code, which works once.
func (c *clerk) reset() error {
	c.n++
	password := fmt.Sprint("canary-password-of-torture-", c.n)
	a, err := c.change("reset_issued", "u4", "POST", "/users/u4/password-reset", c.s.admin(), nil)
	if err != nil {
		return err
	}
	code := text(a, "reset_token")
	_, err = c.change("reset_used", "u4", "POST", "/auth/password-reset/confirm", "", map[string]string{"token": code, "new_password": password})
	if errors.Is(err, errGone) {
		c.may["password u4"] = password
	}
	if err != nil {
		return err
	}
	c.is["password u4"] = password
	c.claim("a used reset code", 2, func() error {
		a, err := c.ask("POST", "/auth/password-reset/confirm", "", map[string]string{"token": code, "new_password": process.Password})
		if err != nil || a.Status < 400 {
			return fmt.Errorf("%d %s %w", a.Status, a.Body, err)
		}
		return nil
	})
	return nil
}

// own has an account change its own password.
func (c *clerk) own() error {
	c.n++
	old, password := c.is["password u5"], fmt.Sprint("canary-password-of-torture-", c.n)
	a, err := c.ask("POST", "/auth/login", "", map[string]string{"username": "u5", "password": old})
	if err == nil && a.Status != http.StatusOK {
		err = fmt.Errorf("a login: %d %s", a.Status, a.Body)
	}
	if err != nil {
		return err
	}
	_, err = c.change("password_changed", "u5", "POST", "/auth/password", text(a, "access_token"),
		map[string]string{"current_password": old, "new_password": password})
	if errors.Is(err, errGone) {
		c.may["password u5"] = password
	}
	if err != nil {
		return err
	}
	c.is["password u5"] = password
	return nil
}

// deletion makes an account, of a person or a device, and deletes it.
func (c *clerk) deletion() error {
	c.n++
	kind, event, members := "/devices", "device", map[string]string{"name": fmt.Sprint("gone-", c.n)}
	if c.r.IntN(2) == 0 {
		kind, event, members = "/users", "account", map[string]string{"username": fmt.Sprint("gone-", c.n), "password": process.Password}
	}
	name := fmt.Sprint("gone-", c.n)
	if _, err := c.change(event+"_created", name, "POST", kind, c.s.admin(), members); err != nil {
		return err
	}
	path := kind + "/" + name
	if _, err := c.change(event+"_deleted", name, "DELETE", path, c.s.admin(), nil); err != nil {
		return err
	}
	c.claim("a deletion", 2, func() error {
		a, err := c.ask("GET", path, c.s.admin(), nil)
		if err != nil || a.Status != http.StatusNotFound {
			return fmt.Errorf("%s is there again: %d %w", path, a.Status, err)
		}
		return nil
	})
	return nil
}
