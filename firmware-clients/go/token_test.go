package client_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	client "edgegw/firmware-clients/go"
	"edgegw/internal/gatewaytest"
)

// TestTokenInPlace keeps one connection far beyond the end of its first token,
// and loses the answer of a refresh on the way.
func TestTokenInPlace(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "access_ttl=2s")
	g.AddUser("ann", "")
	p := gatewaytest.NewProxy(t, g.URL)
	p.LoseAnswer("POST /auth/refresh")
	r := start(t, client.Options{URL: p.URL, Login: password("ann"), Room: "lobby"})
	await[client.Subscribed](r, 1, nil)
	time.Sleep(29 * time.Second) // the first token's 2 s and the 25 s behind them
	r.publish("lobby", 1)
	if n := len(of[client.Connected](r)); n != 1 {
		t.Errorf("%d connections; breaks: %+v", n, of[client.Disconnected](r))
	}
	refreshes := p.Requests("POST /auth/refresh")
	if refreshes < 10 || refreshes > 150 || p.Requests("POST /auth/login") != 1 {
		t.Errorf("%d refreshes and %d logins in 29 s with tokens of 2 s", refreshes, p.Requests("POST /auth/login"))
	}
	if problems := of[client.Problem](r); len(problems) > 0 {
		t.Errorf("problems: %+v", problems)
	}
}

// TestTokenEnds gives the client no fresh token until its connection is closed.
func TestTokenEnds(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	g.AddUser("ann", "")
	var late atomic.Bool
	calls := 0
	source := func(context.Context) (client.Token, error) {
		switch calls++; {
		case calls == 1:
			claims := fmt.Sprintf(`{"sub":"ann","exp":%d}`, time.Now().Add(2*time.Second).Unix())
			return client.Token{Access: g.Sign(claims), ExpiresIn: time.Hour}, nil // as it thinks
		case !late.Load():
			return client.Token{}, errors.New("not yet")
		}
		return client.Token{Access: g.Token("ann"), ExpiresIn: time.Hour}, nil
	}
	r := start(t, client.Options{URL: g.URL, Login: client.Login{Source: source}, Room: "lobby", Random: quick{}})
	await[client.Subscribed](r, 1, nil)
	g.AddUser("bob", "")
	other := g.Dial(g.Token("bob"), "")
	time.Sleep(24 * time.Second)
	d := await[client.Disconnected](r, 1, nil)
	if closed := (&client.CloseError{}); !errors.As(d.Err, &closed) || closed.Code != 4001 {
		t.Errorf("the connection ended with %v", d.Err)
	}
	other.Send(`{"type":"message","data":"missed"}`)
	late.Store(true)
	if m := await[client.Message](r, 1, nil); string(m.Data) != `"missed"` {
		t.Errorf("the message is %s", m.Data)
	}
	if s := await[client.Subscribed](r, 2, nil); !s.Recovered {
		t.Errorf("after the break: %+v", s)
	}
}

// end ends the session of a client from outside.
func end(t *testing.T, g *gatewaytest.Gateway, name string, session string) {
	t.Helper()
	if a := g.Do("DELETE", "/auth/sessions/"+session, g.Token(name), nil); a.Status != 204 {
		t.Fatalf("ending the session: %d %s", a.Status, a.Body)
	}
}

func TestSessionRevoked(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	g.AddUser("ann", "")

	t.Run("ok logs in again", func(t *testing.T) {
		p := gatewaytest.NewProxy(t, g.URL)
		r := start(t, client.Options{URL: p.URL, Login: password("ann"), Room: "lobby", Random: quick{}})
		hello := await[client.Connected](r, 1, nil)
		await[client.Subscribed](r, 1, nil)
		end(t, g, "ann", hello.Session)
		again := await[client.Connected](r, 2, nil)
		if again.Session == hello.Session || !await[client.Subscribed](r, 2, nil).Recovered {
			t.Errorf("%+v after %+v", again, hello)
		}
		if logins, refreshes := p.Requests("POST /auth/login"), p.Requests("POST /auth/refresh"); logins != 2 || refreshes != 0 {
			t.Errorf("%d logins, %d refreshes", logins, refreshes)
		}
	})

	t.Run("bad nothing to log in with", func(t *testing.T) {
		answer := g.Do("POST", "/auth/login", "", map[string]string{"username": "ann", "password": gatewaytest.Password}).JSON()
		refresh, _ := answer["refresh_token"].(string)
		r := start(t, client.Options{URL: g.URL, Login: client.Login{RefreshToken: refresh}, Room: "lobby", Random: quick{}})
		hello := await[client.Connected](r, 1, nil)
		sent, err := r.Send(t.Context(), "", "", 1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := settled(sent); err != nil {
			t.Error(err)
		}
		end(t, g, "ann", hello.Session)
		if err := r.wait(); !errors.Is(err, client.ErrLoginNeeded) {
			t.Errorf("Run returned %v", err)
		}
		if _, err := r.Publish(t.Context(), "lobby", 1); !errors.Is(err, client.ErrStopped) {
			t.Errorf("publishing after the end: %v", err)
		}
	})
}

// TestRefreshReused comes back with a refresh token that somebody else has spent.
func TestRefreshReused(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	g.AddUser("ann", "")
	spent := func() string {
		login := g.Do("POST", "/auth/login", "", map[string]string{"username": "ann", "password": gatewaytest.Password}).JSON()
		for token, i := login["refresh_token"], 0; i < 2; i++ {
			token = g.Do("POST", "/auth/refresh", "", map[string]any{"refresh_token": token}).JSON()["refresh_token"]
		}
		return login["refresh_token"].(string)
	}
	login := password("ann")
	login.RefreshToken = spent()
	await[client.Connected](start(t, client.Options{URL: g.URL, Login: login}), 1, nil)

	r := start(t, client.Options{URL: g.URL, Login: client.Login{RefreshToken: spent()}})
	if err := r.wait(); !errors.Is(err, client.ErrLoginNeeded) || codeOf(err) != "token_reused" {
		t.Errorf("Run returned %v", err)
	}
}

func TestAccountDisabled(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	g.AddUser("ann", "")
	r := start(t, client.Options{URL: g.URL, Login: password("ann")})
	await[client.Connected](r, 1, nil)
	g.Disable("ann", true)
	var closed *client.CloseError
	if err := r.wait(); !errors.As(err, &closed) || closed.Code != 4502 {
		t.Errorf("Run returned %v", err)
	}
	r = start(t, client.Options{URL: g.URL, Login: password("ann")})
	if err := r.wait(); !errors.Is(err, client.ErrLoginNeeded) || codeOf(err) != "invalid_credentials" {
		t.Errorf("Run returned %v", err)
	}
}

func TestForbiddenRoom(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	g.AddUser("ann", "", "lobby:rw")
	r := start(t, client.Options{URL: g.URL, Login: password("ann"), Room: "closed"})
	if err := r.wait(); codeOf(err) != "forbidden" {
		t.Errorf("Run returned %v", err)
	}
}

// TestDevice goes on with a saved refresh token in a second run, without its key.
func TestDevice(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	added := g.Do("POST", "/devices", g.Token("admin"), map[string]any{"name": "sensor-1", "room": "plant.1"})
	key, _ := added.JSON()["device_key"].(string)
	var mu sync.Mutex
	saved := ""
	save := func(refresh string) {
		mu.Lock()
		defer mu.Unlock()
		saved = refresh
	}
	r := start(t, client.Options{URL: g.URL, Login: client.Login{DeviceKey: key, Save: save}})
	if hello := await[client.Connected](r, 1, nil); hello.User != "sensor-1" || hello.Room != "plant.1" {
		t.Errorf("the welcome reads %+v", hello)
	}
	receipt := r.publish("", 20.5)
	m := await[client.Message](r, 1, nil)
	_ = r.stop()
	_ = g.Do("POST", "/rooms/plant.1/messages", g.Token("admin"), map[string]any{"data": "meanwhile"})
	again := start(t, client.Options{
		URL: g.URL, Login: client.Login{RefreshToken: saved},
		Room: "plant.1", From: &client.Position{Epoch: m.Epoch, Seq: receipt.Seq},
	})
	if m := await[client.Message](again, 1, nil); string(m.Data) != `"meanwhile"` || m.Seq != 2 {
		t.Errorf("the message reads %+v", m)
	}
	if s := await[client.Subscribed](again, 1, nil); !s.Recovered {
		t.Errorf("the second run: %+v", s)
	}
}
