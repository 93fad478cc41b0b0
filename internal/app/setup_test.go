package app_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"edgegw/internal/gatewaytest"
)

// offer is what the log says of a setup code.
type offer struct {
	Level     string
	Event     string
	SetupCode string `json:"setup_code"`
	ExpiresIn int    `json:"expires_in"`
	URLs      []string
}

// offers are the setup codes of a log, the oldest first.
func offers(log string) (list []offer) {
	for line := range strings.Lines(log) {
		var o offer
		if json.Unmarshal([]byte(line), &o) == nil && o.Event == "setup_code" {
			list = append(list, o)
		}
	}
	return list
}

// awaitOffers waits until the log has n codes.
func awaitOffers(t *testing.T, g *gatewaytest.Gateway, n int) []offer {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if list := offers(g.Log()); len(list) >= n {
			return list
		}
	}
	t.Fatalf("no %d setup codes:\n%s", n, g.Log())
	return nil
}

func setUp(g *gatewaytest.Gateway, code, username string) gatewaytest.Answer {
	return g.Do("POST", "/setup", "", map[string]string{"code": code, "username": username, "password": gatewaytest.Password})
}

// From nothing to a message: the code of the log, an owner, a device key, a
// login with it, a publish.
func TestFirstRun(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "-admin_password_file")
	o := awaitOffers(t, g, 1)[0]
	if o.Level != "WARN" || o.ExpiresIn != 900 || !slices.Equal(o.URLs, []string{g.URL + "/setup"}) {
		t.Errorf("offered %+v", o)
	}
	page := g.Do("GET", "/setup", "", nil)
	if page.Status != 200 || !strings.Contains(string(page.Body), "/assets/app.") {
		t.Errorf("the page: %d", page.Status)
	}
	a := setUp(g, o.SetupCode, "mary")
	m := a.JSON()
	token, _ := m["access_token"].(string)
	if a.Status != 200 || m["username"] != "mary" || m["role"] != "admin" || m["refresh_token"] == nil {
		t.Fatalf("setup: %d %s", a.Status, a.Code())
	}
	made := g.Do("POST", "/devices", token, `{"name":"pump-1","room":"lobby"}`)
	key, _ := made.JSON()["device_key"].(string)
	in := g.Do("POST", "/auth/device", "", map[string]string{"device_key": key})
	device, _ := in.JSON()["access_token"].(string)
	if sent := g.Do("POST", "/rooms/lobby/messages", device, `{"data":"Hello room!"}`); sent.Status != 201 {
		t.Errorf("device %d, login %d, publish %d %s", made.Status, in.Status, sent.Status, sent.Body)
	}
	if again := setUp(g, o.SetupCode, "eve"); again.Status != 409 || again.Code() != "conflict" {
		t.Errorf("setup again: %d %s", again.Status, again.Code())
	}
	events := g.Do("GET", "/audit?after=0", token, nil).JSON()["events"].([]any)
	first := events[0].(map[string]any)
	if first["event"] != "setup" || first["subject"] != "mary" || first["actor"] != "mary" || first["reason"] != "setup_code" {
		t.Errorf("the audit begins with %v", first)
	}
	if n := len(offers(g.Log())); n != 1 {
		t.Errorf("%d codes were offered", n)
	}
}

// The code is in memory only: a restart makes another one, and the old one is
// wrong.
func TestSetupCodeAndRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	g := gatewaytest.StartIn(t, dir, "-admin_password_file")
	old := awaitOffers(t, g, 1)[0].SetupCode
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	g = gatewaytest.StartIn(t, dir, "-admin_password_file")
	fresh := awaitOffers(t, g, 1)[0].SetupCode
	if a := setUp(g, old, "mary"); a.Status != 401 || a.Code() != "invalid_credentials" {
		t.Errorf("the code from before the restart: %d %s", a.Status, a.Code())
	}
	a := setUp(g, fresh, "mary")
	if a.Status != 200 {
		t.Fatalf("the new code: %d %s", a.Status, a.Code())
	}
	// The owner is durable when the answer is there.
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	g = gatewaytest.StartIn(t, dir, "-admin_password_file")
	if g.Login("mary") == "" || len(offers(g.Log())) != 0 || strings.Contains(g.Log(), "setup_required") {
		t.Error("after the restart the gateway waits for an owner again")
	}
}

// A code that has run out is followed by another one; a calendar that jumps, as
// that of a board without a battery does, makes none run out.
func TestSetupCodeRunsOut(t *testing.T) {
	t.Parallel()
	clock := &gatewaytest.Clock{}
	g := gatewaytest.StartAt(t, clock, t.TempDir(), "-admin_password_file")
	first := awaitOffers(t, g, 1)[0].SetupCode
	clock.Step(400 * 24 * time.Hour)
	g.AwaitStep()
	clock.Pass(14 * time.Minute)
	if a := g.Do("POST", "/setup", "", map[string]string{"code": first, "password": "weak"}); a.Code() != "weak_password" {
		t.Errorf("after 14 minutes: %d %s", a.Status, a.Code())
	}
	clock.Pass(time.Minute)
	if a := setUp(g, first, "mary"); a.Status != 401 || !strings.Contains(string(a.Body), "no longer valid") {
		t.Errorf("after 15 minutes: %d %s", a.Status, a.Body)
	}
	second := awaitOffers(t, g, 2)[1].SetupCode
	clock.Pass(15 * time.Minute)
	awaitOffers(t, g, 3)
	if a := setUp(g, second, "mary"); a.Status != 401 {
		t.Errorf("an old code: %d %s", a.Status, a.Code())
	}
	// One that is asked for is good.
	c, err := g.Admin().NewSetupCode(t.Context())
	if err != nil || strings.Contains(g.Log(), c.Code) {
		t.Fatalf("%v; a code that was asked for is in the log: %v", err, strings.Contains(g.Log(), c.Code))
	}
	if a := setUp(g, c.Code, "mary"); a.Status != 200 {
		t.Errorf("the code that was asked for: %d %s", a.Status, a.Code())
	}
}

// Five wrong codes in a minute are the most, from wherever they come, and then
// the right one is refused, too.
func TestSetupFiveTries(t *testing.T) {
	t.Parallel()
	clock := &gatewaytest.Clock{}
	g := gatewaytest.StartAt(t, clock, t.TempDir(), "-admin_password_file", "trusted_proxies=127.0.0.1")
	code := awaitOffers(t, g, 1)[0].SetupCode
	from := func(ip, code string) gatewaytest.Answer {
		return g.Do("POST", "/setup", "", map[string]string{"code": code, "password": gatewaytest.Password}, "X-Forwarded-For", ip)
	}
	for i, ip := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"} {
		if a := from(ip, "AAAA-AAAA"); a.Status != 401 || a.Code() != "invalid_credentials" {
			t.Errorf("try %d: %d %s", i, a.Status, a.Code())
		}
	}
	for _, c := range []string{"AAAA-AAAA", code} {
		a := from("192.0.2.6", c)
		if after := a.Header.Get("Retry-After"); a.Status != 429 || a.Code() != "rate_limited" || after != "60" && after != "59" {
			t.Errorf("the sixth: %d %s, Retry-After %s", a.Status, a.Code(), after)
		}
	}
	clock.Step(time.Hour) // the calendar does not shorten it
	if a := from("192.0.2.6", code); a.Status != 429 {
		t.Errorf("after a step of the calendar: %d", a.Status)
	}
	clock.Pass(time.Minute)
	if a := from("192.0.2.6", code); a.Status != 200 {
		t.Errorf("a minute later: %d %s", a.Status, a.Code())
	}
}

// Many have the code and are quick; one is the owner, the others are told so.
func TestSetupRace(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "-admin_password_file")
	code := awaitOffers(t, g, 1)[0].SetupCode
	names := []string{"ann", "bob", "cat", "dan", "eve"}
	answers := make([]gatewaytest.Answer, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() {
			var err error
			if answers[i], err = g.Try("POST", "/setup", "", map[string]string{"code": code, "username": name, "password": gatewaytest.Password}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	owner, token := "", ""
	for i, a := range answers {
		switch {
		case a.Status == 200 && owner == "":
			owner, token = names[i], a.JSON()["access_token"].(string)
		case a.Status != 409:
			t.Errorf("%s: %d %s", names[i], a.Status, a.Code())
		}
	}
	users := g.Do("GET", "/users", token, nil).JSON()["users"].([]any)
	if len(users) != 1 || users[0].(map[string]any)["username"] != owner {
		t.Errorf("the owner is %q, the people are %v", owner, users)
	}
}

// Pages of other sites get nowhere, and the gateway's own gets its cookie.
func TestSetupFromBrowsers(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "-admin_password_file")
	code := awaitOffers(t, g, 1)[0].SetupCode
	body := map[string]any{"code": code, "password": gatewaytest.Password, "cookie": true}
	if a := g.Do("POST", "/setup", "", body, "Origin", "http://evil.example.net"); a.Status != 403 {
		t.Errorf("a foreign page: %d %s", a.Status, a.Code())
	}
	a := g.Do("POST", "/setup", "", body, "Origin", g.URL)
	cookie := a.Header.Get("Set-Cookie")
	if a.Status != 200 || a.JSON()["refresh_token"] != nil || !strings.Contains(cookie, "HttpOnly") {
		t.Fatalf("%d %s, cookie %v", a.Status, a.Code(), cookie != "")
	}
	value, _, _ := strings.Cut(cookie, ";")
	if a := g.Do("POST", "/auth/refresh", "", nil, "Origin", g.URL, "Cookie", value); a.Status != http.StatusOK {
		t.Errorf("refresh by cookie: %d %s", a.Status, a.Code())
	}
}

// With an administrator there is no code at all.
func TestNoSetupCodeWithAdministrator(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	if a := setUp(g, "", "eve"); a.Status != 409 {
		t.Errorf("%d %s", a.Status, a.Code())
	}
	if _, err := g.Admin().NewSetupCode(t.Context()); err == nil {
		t.Error("a code was made")
	}
	if err := g.Stop(); err != nil {
		t.Error(err)
	}
	if list := offers(g.Log()); len(list) != 0 {
		t.Errorf("%d codes were offered", len(list))
	}
}
