package torture_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"

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
	// acked are the changes that were answered, less those that nothing will look
	// for any more, and compared those that were looked for.
	acked, compared int
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
	// changes is how many answered changes it is about.
	changes int
	hold    func() error
}

// errGone says that the gateway has ended under a request.
var errGone = errors.New("the gateway is gone")

// errUndone is in what verify returns when an answered change is gone.
var errUndone = errors.New("an acknowledged change is undone")

func newClerk(r *rand.Rand) *clerk {
	c := &clerk{r: r, is: make(map[string]string), may: make(map[string]string),
		events: make(map[string]int), perhaps: make(map[string]int), found: make(map[string]int)}
	c.steps = []func() error{c.role, c.disable, c.device, c.rotation, c.logout, c.revoke, c.password, c.reset, c.own, c.deletion}
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
	c.claim("the key of a new device", 1, func() error { return c.logsIn(first) })
	if c.r.IntN(2) == 0 {
		return nil
	}
	a, err = c.change("device_key_rotated", name, "POST", "/devices/"+name+"/rotate-key", c.s.admin(), nil)
	if err != nil {
		return err
	}
	second := text(a, "device_key")
	c.replace("a rotated key", 1, func() error { return c.logsIn(second) })
	if _, err := c.session(second); err != nil {
		return err
	}
	c.replace("the end of an old key", 0, func() error { return errors.Join(c.refused("/auth/device", "device_key", first), c.logsIn(second)) })
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

// mostClaims is how many promises are kept for the next start: a device has no more
// sessions, and those that had to make room cannot be looked for.
const mostClaims = 40

func (c *clerk) claim(what string, changes int, hold func() error) {
	if len(c.claims) == mostClaims {
		c.acked -= c.claims[0].changes
		c.claims = append(c.claims[:0], c.claims[1:]...)
	}
	c.claims = append(c.claims, claim{what, changes, hold})
}

// replace puts a claim in the place of the newest, which it contradicts, with so
// many changes more.
func (c *clerk) replace(what string, more int, hold func() error) {
	newest := &c.claims[len(c.claims)-1]
	*newest = claim{what, newest.changes + more, hold}
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
