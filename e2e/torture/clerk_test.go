package torture_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"

	"edgegw/e2e/process"
	"edgegw/internal/gatewaytest"
)

// clerk changes accounts one after the other, and remembers what was answered.
type clerk struct {
	r     *rand.Rand
	n     int
	steps []func() error

	s *site
	// is is what was answered last of each thing that can be looked up, and may
	// what was asked for and not answered.
	is, may map[string]string
	// claims are looked at after the next start.
	claims []claim
	// events is how often each event has to be in the audit, and perhaps how
	// often more it may be.
	events, perhaps map[string]int
	found           map[string]int
	lastEvent       auditEvent
	acked           int
}

type auditEvent struct {
	Seq                            uint64
	Event, Subject, Result, Reason string
}

// what tells events of a kind from others. Sessions also end because there are too
// many.
func (e *auditEvent) what() string {
	if e.Reason == "too_many" {
		return e.Reason
	}
	return e.Event + " " + e.Subject
}

// claim is something that an answer has promised.
type claim struct {
	what string
	hold func() error
}

// errGone says that the gateway has ended under a request.
var errGone = errors.New("the gateway is gone")

func newClerk(r *rand.Rand) *clerk {
	c := &clerk{r: r, is: make(map[string]string), may: make(map[string]string),
		events: make(map[string]int), perhaps: make(map[string]int), found: make(map[string]int)}
	c.steps = []func() error{c.role, c.disable, c.device, c.rotation, c.logout, c.revoke, c.password, c.reset}
	return c
}

// work goes on until stop is closed or the gateway is gone.
func (c *clerk) work(stop <-chan struct{}) error {
	for over(stop, nil) == nil {
		err := c.steps[c.r.IntN(len(c.steps))]()
		if errors.Is(err, errGone) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// change asks for something that has to be audited. Without an answer it may be
// done or not.
func (c *clerk) change(event, subject, method, path, token string, body any) (gatewaytest.Answer, error) {
	key := event + " " + subject
	a, err := c.ask(method, path, token, body)
	if err != nil {
		c.perhaps[key]++
		return a, err
	}
	if a.Status >= 300 {
		return a, fmt.Errorf("%s %s: %d %s", method, path, a.Status, a.Body)
	}
	c.events[key]++
	c.acked++
	return a, nil
}

// ask returns errGone when no answer came, or one that says nothing.
func (c *clerk) ask(method, path, token string, body any) (gatewaytest.Answer, error) {
	a, err := gatewaytest.Ask(c.s.client, method, c.s.URL+path, token, body)
	if err != nil || a.Status >= 500 {
		return a, errGone
	}
	return a, nil
}

// set changes what can be looked up.
func (c *clerk) set(key, value, event, subject, path string, body any) error {
	_, err := c.change(event, subject, "PATCH", path, c.s.admin(), body)
	if errors.Is(err, errGone) {
		c.may[key] = value
		return err
	}
	c.is[key] = value
	return err
}

func (c *clerk) role() error {
	role := map[string]string{"member": "admin", "admin": "member", "": "admin"}[c.is["role u1"]]
	return c.set("role u1", role, "role_changed", "u1", "/users/u1", map[string]string{"role": role})
}

func (c *clerk) disable() error {
	disabled := c.is["disabled u2"] != "true"
	event := map[bool]string{true: "account_disabled", false: "account_enabled"}[disabled]
	return c.set("disabled u2", fmt.Sprint(disabled), event, "u2", "/users/u2", map[string]bool{"disabled": disabled})
}

func (c *clerk) password() error {
	c.n++
	return c.set("password u3", fmt.Sprint("canary-password-of-torture-", c.n), "password_changed", "u3", "/users/u3",
		map[string]string{"password": fmt.Sprint("canary-password-of-torture-", c.n)})
}

// device makes a device, turns its key, and uses the new one, which ends the old.
func (c *clerk) device() error {
	c.n++
	name := fmt.Sprint("d-", c.n)
	a, err := c.change("device_created", name, "POST", "/devices", c.s.admin(), map[string]string{"name": name})
	if err != nil {
		return err
	}
	first := text(a, "device_key")
	c.claim("the key of a new device", func() error { return c.logsIn(first) })
	if c.r.IntN(2) == 0 {
		return nil
	}
	a, err = c.change("device_key_rotated", name, "POST", "/devices/"+name+"/rotate-key", c.s.admin(), nil)
	if err != nil {
		return err
	}
	second := text(a, "device_key")
	c.replace("a rotated key", func() error { return c.logsIn(second) })
	if _, err := c.session(second); err != nil {
		return err
	}
	c.replace("the end of an old key", func() error { return errors.Join(c.refused("/auth/device", "device_key", first), c.logsIn(second)) })
	return nil
}

// session logs a device in and returns its tokens.
func (c *clerk) session(key string) (gatewaytest.Answer, error) {
	a, err := c.ask("POST", "/auth/device", "", map[string]string{"device_key": key})
	if err == nil && a.Status != http.StatusOK {
		err = fmt.Errorf("a device's login: %d %s", a.Status, a.Body)
	}
	return a, err
}

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
	c.claim("refresh tokens", func() error {
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
	c.claim(what, func() error {
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
	c.claim("a used reset code", func() error {
		a, err := c.ask("POST", "/auth/password-reset/confirm", "", map[string]string{"token": code, "new_password": process.Password})
		if err != nil || a.Status < 400 {
			return fmt.Errorf("%d %s %w", a.Status, a.Body, err)
		}
		return nil
	})
	return nil
}

// mostClaims is how many promises are kept for the next start.
const mostClaims = 40

func (c *clerk) claim(what string, hold func() error) {
	if len(c.claims) == mostClaims {
		c.claims = append(c.claims[:0], c.claims[1:]...)
	}
	c.claims = append(c.claims, claim{what, hold})
}

// replace puts a claim in the place of the newest, which it contradicts.
func (c *clerk) replace(what string, hold func() error) {
	c.claims[len(c.claims)-1] = claim{what, hold}
}

func (c *clerk) logsIn(key string) error {
	_, err := c.session(key)
	return err
}

func (c *clerk) refused(path, name, secret string) error {
	a, err := c.ask("POST", path, "", map[string]string{name: secret})
	if err != nil || a.Status != http.StatusUnauthorized {
		return fmt.Errorf("what should have ended works at %s: %d %w", path, a.Status, err)
	}
	return nil
}

func text(a gatewaytest.Answer, name string) string {
	s, _ := a.JSON()[name].(string)
	return s
}
