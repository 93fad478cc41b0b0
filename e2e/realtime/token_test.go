package realtime_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"
)

// login logs a person in, and returns a token that belongs to a session, and the
// session's refresh token.
func (s *site) login(name string) (access, refresh string) {
	s.t.Helper()
	a := s.do(http.StatusOK, "POST", "/auth/login", "", map[string]string{"username": name, "password": password}).JSON()
	access, _ = a["access_token"].(string)
	refresh, _ = a["refresh_token"].(string)
	return access, refresh
}

// within fails the test unless d is about as long as it should be.
func within(t *testing.T, what string, d, least, most time.Duration) {
	t.Helper()
	if d < least || d > most {
		t.Errorf("%s: %v, want %v to %v", what, d.Round(time.Millisecond), least, most)
	}
}

// enter connects and reads up to the answer of the default room.
func (s *site) enter(t *testing.T, token, query string) (l *link, subscribed frame) {
	t.Helper()
	l, err := s.connect(token, query)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.cut)
	if subscribed, err = l.until("subscribed"); err != nil {
		t.Fatal(err)
	}
	return l, subscribed
}

// lives fails the test unless the connection does, with the account it has.
func lives(t *testing.T, l *link, user string) {
	t.Helper()
	id := strconv.FormatInt(time.Now().UnixNano(), 36)
	l.Send(fmt.Sprintf(`{"type":"message","id":%q,"data":"I live"}`, id))
	for {
		f, err := l.until("message", "error")
		if err != nil || f.Type == "error" {
			t.Errorf("the connection does not live: %v %v", f, err)
			return
		}
		if f.ID == id {
			if f.User != user {
				t.Errorf("the connection is %s's, want %s", f.User, user)
			}
			return
		}
	}
}

const tokenRooms = "[[rooms]]\nmatch = \"*\"\ndurability = \"memory\"\n"

// The life of a token on a live socket. The parts wait side by side.
func TestTokenLife(t *testing.T) {
	t.Parallel()
	s := open(t, tokenRooms, "access_ttl=3s")
	for _, name := range []string{"ada", "bob", "cyd", "dan", "eve"} {
		s.person(name)
	}
	for what, run := range map[string]func(*testing.T, *site){
		"ends after the grace": tokenEnds, "raw ends after the grace": tokenEndsRaw, "renewed in place": tokenRenewed,
		"warned a minute before": tokenWarned, "not this one": tokenRefused,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			run(t, s)
		})
	}
}

// A client that does nothing is warned at once, since less than a minute is left,
// and closed 25 s after the end.
func tokenEnds(t *testing.T, s *site) {
	access, refresh := s.login("ada")
	began := time.Now()
	l, subscribed := s.enter(t, access, "room=hall.ada")
	l.Patience = time.Minute
	closed, err := l.ended()
	took := time.Since(began)
	if err != nil || closed.Code != 4001 || closed.Reason != "token_expired" {
		t.Fatalf("ended with %v, %v", closed, err)
	}
	// The token's end is a whole second; the sweep comes once a second.
	within(t, "the end after a login for 3 s", took, 27*time.Second, 30500*time.Millisecond)
	// It refreshes, comes back and resumes.
	a := s.do(http.StatusOK, "POST", "/auth/refresh", "", map[string]string{"refresh_token": refresh}).JSON()
	again, _ := a["access_token"].(string)
	_, got := s.enter(t, again, from(subscribed.Seq, subscribed.Epoch).query("hall.ada"))
	if got.Recovered == nil || !*got.Recovered {
		t.Errorf("after a refresh the return is answered %v", got)
	}
	t.Logf("token life: closed with %d %s, %v after a token of 3 s was made; the client refreshed and resumed", closed.Code, closed.Reason, took.Round(10*time.Millisecond))
}

func tokenEndsRaw(t *testing.T, s *site) {
	access, _ := s.login("bob")
	began := time.Now()
	l, err := s.connect(access, "room=hall.bob&format=raw")
	if err != nil {
		t.Fatal(err)
	}
	defer l.cut()
	l.Patience = time.Minute
	if f, err := l.Read(); !isEnd(err) || err.Error() != "closed with 4001 token_expired" {
		t.Errorf("a raw connection got %q, %v", f.Payload, err)
	}
	within(t, "raw: the end after a login for 3 s", time.Since(began), 27*time.Second, 30500*time.Millisecond)
}

// A client that gives fresh tokens goes on beyond the end of the first one, also
// when they come in the grace.
func tokenRenewed(t *testing.T, s *site) {
	access, refresh := s.login("cyd")
	began := time.Now()
	l, err := s.connect(access, "room=hall.cyd")
	if err != nil {
		t.Fatal(err)
	}
	defer l.cut()
	expiring(t, l, 0, 3)
	time.Sleep(time.Until(began.Add(10 * time.Second))) // the token has ended
	lives(t, l, "cyd")
	a := s.do(http.StatusOK, "POST", "/auth/refresh", "", map[string]string{"refresh_token": refresh}).JSON()
	again, _ := a["access_token"].(string)
	authOK(t, l, again, 1, 3)
	expiring(t, l, 0, 3)
	time.Sleep(time.Until(began.Add(20 * time.Second)))
	authOK(t, l, s.Token("cyd", time.Hour), 3590, 3600)
	// Beyond the grace of both tokens.
	time.Sleep(time.Until(began.Add(42 * time.Second)))
	lives(t, l, "cyd")
	t.Logf("token life: a connection lives %v after its first token of 3 s, with two more that came in the grace", time.Since(began).Round(time.Second))
}

func expiring(t *testing.T, l *link, least, most int) {
	t.Helper()
	f, err := l.until("token_expiring")
	if err != nil || f.ExpiresIn < least || f.ExpiresIn > most {
		t.Errorf("%v %v, want token_expiring with %d to %d", f, err, least, most)
	}
}

func authOK(t *testing.T, l *link, token string, least, most int) {
	t.Helper()
	l.Send(fmt.Sprintf(`{"type":"auth","token":%q}`, token))
	f, err := l.until("auth_ok", "error")
	if err != nil || f.Type != "auth_ok" || f.ExpiresIn < least || f.ExpiresIn > most {
		t.Errorf("%v %v, want auth_ok with %d to %d", f, err, least, most)
	}
}

// The warning comes a minute before the end.
func tokenWarned(t *testing.T, s *site) {
	began := time.Now()
	l, _ := s.enter(t, s.Token("dan", 65*time.Second), "room=hall.dan")
	expiring(t, l, 58, 60)
	took := time.Since(began)
	within(t, "the warning for a token of 65 s", took, 3500*time.Millisecond, 6500*time.Millisecond)
	t.Logf("token life: warned %v after a token of 65 s was made", took.Round(10*time.Millisecond))
}

// A token that is not good, or another account's, changes nothing.
func tokenRefused(t *testing.T, s *site) {
	l, _ := s.enter(t, s.Token("eve", time.Hour), "room=hall.eve")
	for what, c := range map[string]struct{ command, code string }{
		"another account's":   {fmt.Sprintf(`{"type":"auth","token":%q}`, s.Token("ada", time.Hour)), "forbidden"},
		"the administrator's": {fmt.Sprintf(`{"type":"auth","token":%q}`, s.admin()), "forbidden"},
		"an ended one":        {fmt.Sprintf(`{"type":"auth","token":%q}`, s.Token("eve", -time.Minute)), "token_expired"},
		"one of nobody":       {fmt.Sprintf(`{"type":"auth","token":%q}`, s.Token("nobody", time.Hour)), "invalid_token"},
		"no token at all":     {`{"type":"auth","token":"x"}`, "invalid_token"},
		"an auth without it":  {`{"type":"auth"}`, "invalid_request"},
	} {
		l.Send(c.command)
		if f, err := l.until("error", "auth_ok"); err != nil || f.Type != "error" || f.Code != c.code {
			t.Errorf("auth with %s is answered %v %v, want the error %s", what, f, err, c.code)
		}
		lives(t, l, "eve")
	}
}
