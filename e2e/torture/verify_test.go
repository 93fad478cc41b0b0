package torture_test

import (
	"encoding/json"
	"fmt"
	"net/http"

	"edgegw/internal/gatewaytest"
)

// verify compares accounts and audit with what was answered.
func (c *clerk) verify() error {
	defer func() { c.compared = c.acked }()
	for _, look := range []func() error{c.verifyUsers, c.verifyPasswords, c.verifyAudit, c.verifyClaims} {
		if err := look(); err != nil {
			return err
		}
	}
	return nil
}

// settle takes in what is there: it has to be what was answered, or what was asked
// for after that.
func (c *clerk) settle(key, value string) error {
	is, known := c.is[key]
	may, open := c.may[key]
	if known && value != is && (!open || value != may) {
		return fmt.Errorf("%w: %s was answered as %q, and is %q; asked for: %q", errUndone, key, is, value, may)
	}
	delete(c.may, key)
	c.is[key] = value
	return nil
}

func (c *clerk) verifyUsers() error {
	for _, name := range []string{"u1", "u2"} {
		a, err := c.get("/users/" + name)
		if err != nil {
			return err
		}
		key, value := "role u1", text(a, "role")
		if name == "u2" {
			key, value = "disabled u2", fmt.Sprint(a.JSON()["disabled"])
		}
		if err := c.settle(key, value); err != nil {
			return err
		}
	}
	return nil
}

func (c *clerk) verifyPasswords() error {
	for _, name := range []string{"u3", "u4", "u5"} {
		key := "password " + name
		tries := []string{c.is[key]}
		if may, open := c.may[key]; open {
			tries = append(tries, may)
		}
		works := ""
		for _, password := range tries {
			a, err := c.ask("POST", "/auth/login", "", map[string]string{"username": name, "password": password})
			if err != nil {
				return err
			}
			if a.Status == http.StatusOK {
				works = password
			}
		}
		if works == "" {
			return fmt.Errorf("%w: none of the %d passwords that %s may have works", errUndone, len(tries), name)
		}
		if err := c.settle(key, works); err != nil {
			return err
		}
	}
	return nil
}

// verifyAudit reads what the audit has got since the last time.
func (c *clerk) verifyAudit() error {
	after := max(c.lastEvent.Seq, 1) - 1
	var events []auditEvent
	for {
		a, err := c.get(fmt.Sprintf("/audit?limit=1000&after=%d", after))
		if err != nil {
			return err
		}
		var page struct{ Events []auditEvent }
		if err := json.Unmarshal(a.Body, &page); err != nil {
			return err
		}
		if len(page.Events) == 0 {
			break
		}
		events = append(events, page.Events...)
		after = page.Events[len(page.Events)-1].Seq
	}
	if last := c.lastEvent; last.Seq > 0 {
		if len(events) == 0 || events[0] != last {
			return fmt.Errorf("%w: the audit's event %+v is gone; there are %+v", errUndone, last, events[:min(1, len(events))])
		}
		events = events[1:]
	}
	for _, e := range events {
		if e.Seq != c.lastEvent.Seq+1 {
			return fmt.Errorf("the audit goes on with %+v behind %+v", e, c.lastEvent)
		}
		c.lastEvent = e
		c.found[e.what()]++
	}
	for key, n := range c.events {
		if found := c.found[key]; found < n || found > n+c.perhaps[key] {
			return fmt.Errorf("%w: %q is %d times in the audit; %d were answered, %d not", errUndone, key, found, n, c.perhaps[key])
		}
		c.events[key] = c.found[key]
		delete(c.perhaps, key)
	}
	return nil
}

func (c *clerk) verifyClaims() error {
	for _, claim := range c.claims {
		if err := claim.hold(); err != nil {
			return fmt.Errorf("%w: %s: %w", errUndone, claim.what, err)
		}
	}
	c.claims = c.claims[:0]
	return nil
}

func (c *clerk) get(path string) (gatewaytest.Answer, error) {
	a, err := c.ask("GET", path, c.s.admin(), nil)
	if err == nil && a.Status != http.StatusOK {
		err = fmt.Errorf("%w: %s: %d %s", errUndone, path, a.Status, a.Body)
	}
	return a, err
}
