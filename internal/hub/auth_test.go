package hub_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
	"edgegw/internal/wire"
)

// tokens are what a world's accounts make of a token.
type tokens struct {
	mu    sync.Mutex
	known map[string]hub.Credentials
	looks int
	from  string // the address that the newest look came from
	// looked is called when a token was looked up, with how often that was.
	looked func(times int)
}

func (k *tokens) authenticate(ctx context.Context, raw string) (hub.Credentials, error) {
	k.mu.Lock()
	cred, ok := k.known[raw]
	k.looks++
	n := k.looks
	k.from = gateway.OriginOf(ctx).IP
	k.mu.Unlock()
	if k.looked != nil {
		k.looked(n)
	}
	switch {
	case raw == "old":
		return hub.Credentials{}, gateway.Errorf(gateway.CodeTokenExpired, "the token has expired; refresh it")
	case !ok:
		return hub.Credentials{}, gateway.Errorf(gateway.CodeInvalidToken, "the token is not valid; log in again")
	}
	return cred, nil
}

func (k *tokens) set(raw string, cred hub.Credentials) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.known[raw] = cred
}

func (k *tokens) end(raw string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.known, raw)
}

// newTokens is a world in which ann's token `next` is good for an hour.
func newTokens(t *testing.T) (*world, *tokens) {
	k := &tokens{known: make(map[string]hub.Credentials)}
	w := newWorld(t, func(o *hub.Options) { o.Authenticate = k.authenticate })
	k.set("next", hub.Credentials{Principal: member("ann", "*:rw"), Session: "s2", Expires: w.clock.Now().Add(time.Hour)})
	k.set("bobs", hub.Credentials{Principal: member("bob", "*:rw"), Session: "s3", Expires: w.clock.Now().Add(time.Hour)})
	return w, k
}

func ending(w *world, d time.Duration) func(*hub.Connect) {
	return func(c *hub.Connect) { c.Expires, c.TokenSession = w.clock.Now().Add(d), "s1" }
}

func (p *peer) auth(token string) { p.send(`{"type":"auth","token":"%s"}`, token) }

// types lists the types of the frames that have come since the last call, less
// pings.
func (p *peer) types() string {
	p.t.Helper()
	var all []string
	for _, f := range p.frames() {
		if f.op == wire.OpText {
			all = append(all, f.Type)
		}
	}
	return strings.Join(all, " ")
}

// A client is warned, shows a fresh token, and stays.
func TestAuth(t *testing.T) {
	for _, when := range []time.Duration{time.Second, 90 * time.Second, 120*time.Second + 20*time.Second} {
		t.Run("ok after "+when.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, k := newTokens(t)
				w.run()
				p := w.connect(ending(w, 2*time.Minute), from("192.0.2.9"))
				p.frames()
				w.sleep(when, p)
				p.frames()
				p.auth("next")
				p.expect(fmt.Sprintf(`{"type":"auth_ok","expires_in":%d}`, int((time.Hour-when)/time.Second)))
				if k.from != "192.0.2.9" {
					t.Errorf("the accounts were asked for %q", k.from)
				}
				w.sleep(time.Hour-when-61*time.Second, p)
				if got := p.types(); got != "" {
					t.Errorf("before the end of the new token: %s", got)
				}
				w.sleep(2*time.Second, p)
				p.expect(`{"type":"token_expiring","expires_in":60}`)
				w.sleep(82*time.Second, p)
				if p.socket.isDown() {
					t.Fatal("closed before the grace was over")
				}
				w.sleep(5*time.Second, p)
				if code, _ := p.closed(); code != wire.CloseTokenExpired {
					t.Errorf("closed with %d", code)
				}
			})
		})
	}
}

// A token that is refused changes nothing: the old one goes on to its end.
func TestAuthRefused(t *testing.T) {
	for _, c := range []struct{ name, token, code, message string }{
		{"bad garbage", "x.y", "invalid_token", "the token is not valid; log in again"},
		{"bad empty", "", "invalid_token", "the token is not valid; log in again"},
		{"bad expired", "old", "token_expired", "the token has expired; refresh it"},
		{"bad session ended", "ended", "invalid_token", "the token is not valid; log in again"},
		{"bad other account", "bobs", "forbidden", "the token is another account's; open a connection of its own for it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, k := newTokens(t)
				w.run()
				k.set("ended", k.known["next"])
				k.end("ended")
				p := w.connect(ending(w, 2*time.Minute))
				p.frames()
				p.auth(c.token)
				p.expect(fmt.Sprintf(`{"type":"error","code":"%s","message":"%s"}`, c.code, c.message))
				p.send("still there")
				if got := p.types(); got != "message" {
					t.Errorf("then %q", got)
				}
				w.hub.EndSessions([]gateway.SessionID{"s2", "s3"})
				w.sleep(62*time.Second, p)
				if got := p.types(); got != "token_expiring" {
					t.Errorf("before the end %q", got)
				}
				w.sleep(85*time.Second, p)
				if code, _ := p.closed(); code != wire.CloseTokenExpired {
					t.Errorf("closed with %d", code)
				}
			})
		})
	}
}

// The connection goes by the new token's session from then on.
func TestAuthMovesToSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newTokens(t)
		p := w.connect(ending(w, 2*time.Minute))
		p.auth("next")
		w.hub.EndSessions([]gateway.SessionID{"s1"})
		p.send("still there")
		if f := p.frames(); p.socket.isDown() || f[len(f)-1].Type != "message" {
			t.Errorf("got\n%s", texts(f))
		}
		w.hub.EndSessions([]gateway.SessionID{"s2"})
		if code, _ := p.closed(); code != wire.CloseSessionRevoked {
			t.Errorf("closed with %d", code)
		}
	})
}

// Role and grants come along.
func TestAuthBringsRights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, k := newTokens(t)
		p := w.connect(ending(w, 2*time.Minute))
		p.send(`{"type":"subscribe","room":"mem.b"}`)
		p.frames()
		give := func(pr gateway.Principal) {
			k.set("next", hub.Credentials{Principal: pr, Session: "s2", Expires: w.clock.Now().Add(time.Hour)})
			p.auth("next")
		}
		give(member("ann", "mem:rw"))
		p.expect(lostOther, `{"type":"auth_ok","expires_in":3600}`)
		p.send(`{"type":"subscribe","room":"mem.b"}`)
		if got := p.types(); got != "error" {
			t.Errorf("without the grant %q", got)
		}
		give(admin("ann"))
		p.send(`{"type":"subscribe","room":"mem.b"}`)
		if got := p.types(); got != "auth_ok subscribed" {
			t.Errorf("as admin %q", got)
		}
		k.set("next", hub.Credentials{Principal: member("ann", "mem.b:rw"), Session: "s2", Expires: w.clock.Now().Add(time.Hour)})
		p.auth("next")
		if code, _ := p.closed(); code != wire.CloseForbidden {
			t.Errorf("without the default room closed with %d", code)
		}
	})
}

// What changes while the token is looked at is not missed, whichever way round
// the hub hears of it.
func TestAuthOvertaken(t *testing.T) {
	for _, c := range []struct {
		name string
		look func(w *world, k *tokens, n int)
		want wire.CloseCode
	}{
		{"bad session ends after the first look", func(w *world, k *tokens, n int) {
			if n == 1 {
				k.end("next")
				w.hub.EndSessions([]gateway.SessionID{"s2"})
			}
		}, wire.CloseSessionRevoked},
		{"bad session ends after the second look", func(w *world, k *tokens, n int) {
			if n == 2 {
				k.end("next")
				w.hub.EndSessions([]gateway.SessionID{"s2"})
			}
		}, wire.CloseSessionRevoked},
		{"ok grants change after the first look", func(w *world, k *tokens, n int) { regrant(w, k, n, 1) }, 0},
		{"ok grants change after the second look", func(w *world, k *tokens, n int) { regrant(w, k, n, 2) }, 0},
		{"bad grants change all the time", func(_ *world, k *tokens, n int) {
			k.set("next", hub.Credentials{Principal: member("ann", "*:rw", fmt.Sprintf("room%d:r", n)), Session: "s2"})
		}, wire.CloseRestart},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, k := newTokens(t)
				p := w.connect(ending(w, 2*time.Minute))
				k.looked = func(n int) { c.look(w, k, n) }
				p.auth("next")
				synctest.Wait()
				if k.looks > 10 {
					t.Errorf("%d looks", k.looks)
				}
				if c.want != 0 {
					if code, _ := p.closed(); code != c.want {
						t.Errorf("closed with %d, want %d", code, c.want)
					}
					return
				}
				p.frames()
				p.send(`{"type":"message","room":"mem.b","id":"1","data":1}`)
				if got := p.types(); got != "error" {
					t.Errorf("publishing with the grant that is gone: %q", got)
				}
			})
		})
	}
}

// regrant takes mem.b away after a look.
func regrant(w *world, k *tokens, n, after int) {
	if n == after {
		p := member("ann", "mem:rw")
		k.set("next", hub.Credentials{Principal: p, Session: "s2", Expires: w.clock.Now().Add(time.Hour)})
		w.hub.SetPrincipal(p)
	}
}

// The warning comes once, a minute before the end, or at once when less is left.
func TestTokenExpiring(t *testing.T) {
	for _, c := range []struct {
		name  string
		life  time.Duration
		sleep time.Duration
		want  []string
	}{
		{"ok not yet", 3 * time.Minute, 119 * time.Second, nil},
		{"ok a minute before", 3 * time.Minute, 121 * time.Second, []string{`{"type":"token_expiring","expires_in":59}`}},
		{"ok once", 3 * time.Minute, 200 * time.Second, []string{`{"type":"token_expiring","expires_in":59}`}},
		{"ok at once", 30*time.Second + time.Millisecond, 0, []string{`{"type":"token_expiring","expires_in":30}`}},
		{"ok at once and once", 30*time.Second + time.Millisecond, 50 * time.Second, []string{`{"type":"token_expiring","expires_in":30}`}},
		{"ok over", -time.Second, 0, []string{`{"type":"token_expiring","expires_in":0}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, _ := newTokens(t)
				w.run()
				time.Sleep(300 * time.Millisecond)
				p, raw := w.connect(ending(w, c.life)), w.connect(ending(w, c.life), inRaw)
				w.sleep(c.sleep, p, raw)
				frames := p.frames()
				var got []string
				for _, f := range frames {
					if f.Type == "token_expiring" {
						got = append(got, f.payload)
					}
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("told %q, want %q", got, c.want)
				}
				if frames[0].Type != "welcome" {
					t.Errorf("the first frame is\n%s", frames[0].payload)
				}
				if c.sleep == 0 && frames[1].Type != "token_expiring" {
					t.Errorf("behind the welcome comes\n%s", frames[1].payload)
				}
				if got := raw.types(); got != "" {
					t.Errorf("the raw one got %q", got)
				}
			})
		})
	}
}

// A new token that ends soon is warned of behind its answer.
func TestTokenExpiringAfterAuth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, k := newTokens(t)
		w.run()
		p := w.connect(ending(w, 30*time.Second))
		p.frames()
		for range 2 {
			k.set("short", hub.Credentials{Principal: member("ann", "*:rw"), Expires: w.clock.Now().Add(40 * time.Second)})
			p.auth("short")
			p.expect(`{"type":"auth_ok","expires_in":40}`, `{"type":"token_expiring","expires_in":40}`)
			w.sleep(20*time.Second, p)
			if got := p.types(); got != "" {
				t.Errorf("then %q", got)
			}
		}
		raw := w.connect(as("eve"), inRaw)
		raw.auth("next") // is talk
		if f := raw.frames(); len(f) != 1 || f[0].payload != `{"type":"auth","token":"next"}` {
			t.Errorf("the raw one got\n%s", texts(f))
		}
	})
}
