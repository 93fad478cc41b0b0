package app_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"edgegw/internal/gatewaytest"
)

// pair logs in with the test password and returns both tokens.
func pair(t *testing.T, g *gatewaytest.Gateway, user string) (access, refresh string) {
	t.Helper()
	a := g.Do("POST", "/auth/login", "", map[string]string{"username": user, "password": gatewaytest.Password})
	if a.Status != http.StatusOK {
		t.Fatalf("login of %s: %d %s", user, a.Status, a.Code())
	}
	return tokens(a)
}

func tokens(a gatewaytest.Answer) (access, refresh string) {
	access, _ = a.JSON()["access_token"].(string)
	refresh, _ = a.JSON()["refresh_token"].(string)
	return access, refresh
}

func renew(g *gatewaytest.Gateway, refresh string) gatewaytest.Answer {
	return g.Do("POST", "/auth/refresh", "", map[string]string{"refresh_token": refresh})
}

// endsWith waits for the socket to be closed with the code, within a second.
func endsWith(t *testing.T, s *gatewaytest.Socket, what string, code int) {
	t.Helper()
	began := time.Now()
	end := s.Ended()
	if end == nil || int(end.Code) != code {
		t.Errorf("%s: ended with %v, want %d", what, end, code)
	}
	if took := time.Since(began); took > time.Second && !testing.Short() {
		t.Errorf("%s: it took %v", what, took)
	}
}

func TestSessionLife(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	g.AddUser("ann", "")
	access, refresh := pair(t, g, "ann")
	other, _ := pair(t, g, "ann")
	socket, bystander := g.Dial(access, ""), g.Dial(other, "")
	socket.Joined()
	bystander.Joined()

	a := renew(g, refresh)
	_, second := tokens(a)
	if a.Status != 200 || a.JSON()["token_type"] != "Bearer" || a.JSON()["expires_in"] != 900.0 || a.JSON()["refresh_expires_in"] != 2592000.0 ||
		a.JSON()["username"] != "ann" || a.JSON()["role"] != "member" {
		t.Errorf("refresh: %d, members %v", a.Status, len(a.JSON()))
	}
	if _, again := tokens(renew(g, refresh)); again != second {
		t.Error("a lost answer is not given again")
	}
	_, third := tokens(renew(g, second))
	if a := renew(g, refresh); a.Status != 401 || a.Code() != "token_reused" {
		t.Errorf("a spent token: %d %s", a.Status, a.Code())
	}
	endsWith(t, socket, "refresh reused", 4501)
	if a := renew(g, third); a.Status != 401 || a.Code() != "invalid_token" {
		t.Errorf("the newest token of the ended session: %d %s", a.Status, a.Code())
	}
	if a := g.Do("GET", "/auth/me", access, nil); a.Status != 401 || a.Code() != "invalid_token" {
		t.Errorf("its access token: %d %s", a.Status, a.Code())
	}
	bystander.Send(`{"type":"ping"}`)
	bystander.Expect("pong")

	me := g.Do("GET", "/auth/me", other, nil).JSON()
	list, _ := g.Do("GET", "/auth/sessions", other, nil).JSON()["sessions"].([]any)
	if len(list) != 1 || list[0].(map[string]any)["id"] != me["session"] || list[0].(map[string]any)["current"] != true || list[0].(map[string]any)["ip"] != "127.0.0.1" {
		t.Errorf("sessions %v, session %v", list, me["session"])
	}
	if a := g.Do("POST", "/auth/logout", other, nil); a.Status != 204 {
		t.Errorf("logout: %d", a.Status)
	}
	endsWith(t, bystander, "logout", 4501)
	foreign := g.Dial(g.Token("ann"), "")
	foreign.Joined()
	if a := g.Do("POST", "/auth/logout", g.Token("ann"), nil); a.Status != 204 {
		t.Errorf("logout without session: %d", a.Status)
	}
	foreign.Send(`{"type":"ping"}`)
	foreign.Expect("pong")
}

// Twenty at once: one living chain.
func TestParallelRefreshes(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	_, refresh := pair(t, g, "admin")
	next := make([]string, 20)
	var wg sync.WaitGroup
	for i := range next {
		wg.Go(func() {
			a, err := g.Try("POST", "/auth/refresh", "", map[string]string{"refresh_token": refresh})
			if err != nil || a.Status != 200 {
				t.Errorf("%d %v", a.Status, err)
			}
			_, next[i] = tokens(a)
		})
	}
	wg.Wait()
	for _, n := range next {
		if n != next[0] || n == "" {
			t.Fatal("more than one successor")
		}
	}
	if a := renew(g, next[0]); a.Status != 200 {
		t.Errorf("the chain is dead: %d", a.Status)
	}
}

// Sessions outlive a stop and a kill: what was answered was committed.
func TestSessionsOutliveRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	g := gatewaytest.StartIn(t, dir)
	access, refresh := pair(t, g, "admin")
	ended, _ := pair(t, g, "admin")
	if a := g.Do("POST", "/auth/logout", ended, nil); a.Status != 204 {
		t.Fatalf("logout: %d", a.Status)
	}
	_, refresh = tokens(renew(g, refresh))
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	g = gatewaytest.StartIn(t, dir)
	if a := g.Do("GET", "/auth/me", access, nil); a.Status != 200 {
		t.Errorf("the session after a restart: %d", a.Status)
	}
	if a := renew(g, refresh); a.Status != 200 {
		t.Errorf("its refresh token: %d", a.Status)
	}
	if a := g.Do("GET", "/auth/me", ended, nil); a.Status != 401 {
		t.Errorf("the ended session: %d", a.Status)
	}
}

// What administrators change reaches live sockets at once, with the right code.
func TestChangesReachLiveSockets(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	root := g.Token("admin")
	open := func(name string) *gatewaytest.Socket {
		g.AddUser(name, "")
		token, _ := pair(t, g, name)
		s := g.Dial(token, "?room=plant.1")
		s.Joined()
		return s
	}
	patch := func(name string, body any) {
		t.Helper()
		if a := g.Do("PATCH", "/users/"+name, root, body); a.Status != 200 {
			t.Fatalf("PATCH %s: %d %s", name, a.Status, a.Body)
		}
	}
	disabled, deleted, reset, moved, narrowed := open("disabled"), open("deleted"), open("reset"), open("moved"), open("narrowed")
	patch("disabled", map[string]any{"disabled": true})
	endsWith(t, disabled, "disabled", 4502)
	if a := g.Do("DELETE", "/users/deleted", root, nil); a.Status != 204 {
		t.Errorf("DELETE: %d", a.Status)
	}
	endsWith(t, deleted, "deleted", 4502)
	patch("reset", map[string]any{"password": gatewaytest.Password + " changed"})
	endsWith(t, reset, "password set by an administrator", 4501)
	patch("moved", map[string]any{"grants": []map[string]string{{"room": "office.*", "rights": "rw"}}})
	endsWith(t, moved, "default room lost", 4503)

	narrowed.Send(`{"type":"subscribe","room":"plant.2"}`)
	narrowed.Expect("subscribed")
	patch("narrowed", map[string]any{"grants": []map[string]string{{"room": "plant.1", "rights": "r"}}})
	if f := narrowed.Expect("unsubscribed"); f["room"] != "plant.2" || f["reason"] != "forbidden" {
		t.Errorf("told %v", f)
	}
	narrowed.Send(`{"type":"message","room":"plant.1","id":"1","data":1}`)
	if f := narrowed.Expect("error"); f["code"] != "forbidden" {
		t.Errorf("publishing without w: %v", f)
	}
	patch("narrowed", map[string]any{"role": "admin"})
	narrowed.Send(`{"type":"message","room":"anywhere","id":"2","data":1}`)
	narrowed.Expect("ack")
}

// An own password change ends the other sessions and keeps this one.
func TestPasswordChangeAndReset(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	g.AddUser("ann", "")
	mine, _ := pair(t, g, "ann")
	other, _ := pair(t, g, "ann")
	here, there := g.Dial(mine, ""), g.Dial(other, "")
	here.Joined()
	there.Joined()
	const next = "canary of a better password"
	change := func(current, replacement string) gatewaytest.Answer {
		return g.Do("POST", "/auth/password", mine, map[string]string{"current_password": current, "new_password": replacement})
	}
	if a := change("canary of a wrong password", next); a.Status != 401 || a.Code() != "invalid_credentials" {
		t.Errorf("wrong current password: %d %s", a.Status, a.Code())
	}
	for _, weak := range []string{"short", "passwordpassword", strings.Repeat("x", 300)} {
		if a := change(gatewaytest.Password, weak); a.Status != 400 || a.Code() != "weak_password" {
			t.Errorf("weak password: %d %s", a.Status, a.Code())
		}
	}
	if a := change(gatewaytest.Password, next); a.Status != 204 {
		t.Fatalf("change: %d %s", a.Status, a.Body)
	}
	endsWith(t, there, "password changed elsewhere", 4501)
	here.Send(`{"type":"ping"}`)
	here.Expect("pong")

	root := g.Token("admin")
	if a := g.Do("POST", "/auth/password-reset", "", map[string]string{"username": "ann"}); a.Status != 202 {
		t.Errorf("reset: %d", a.Status)
	}
	eventually(t, "the request in GET /users/ann", func() bool {
		return g.Do("GET", "/users/ann", root, nil).JSON()["reset_requested"] != nil
	})
	code := g.Do("POST", "/users/ann/password-reset", root, nil).JSON()
	confirm := func() gatewaytest.Answer {
		return g.Do("POST", "/auth/password-reset/confirm", "", map[string]any{"token": code["reset_token"], "new_password": gatewaytest.Password})
	}
	if code["expires_in"] != 1800.0 || confirm().Status != 204 {
		t.Errorf("reset code %v", code["expires_in"])
	}
	endsWith(t, here, "reset", 4501)
	if a := confirm(); a.Status != 401 {
		t.Errorf("the code again: %d", a.Status)
	}
	pair(t, g, "ann")
	if a := g.Do("POST", "/auth/password-reset", "", map[string]string{"username": "nobody at all"}); a.Status != 202 {
		t.Errorf("reset of nobody: %d", a.Status)
	}
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come", what)
		}
	}
}
