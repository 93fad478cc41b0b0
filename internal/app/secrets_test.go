package app_test

import (
	"strings"
	"testing"

	"edgegw/internal/adminsock"
	"edgegw/internal/gatewaytest"
)

// Secrets are put wherever a client may put them by mistake or on purpose. The
// log is searched for them when the gateway has stopped.
func TestSecretsAreNotLogged(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	token := g.Login("admin")
	fake := gatewaytest.SignWith([]byte(canary), `{"alg":"HS256","typ":"JWT"}`, `{"sub":"`+canary+`","exp":9999999999}`)
	headers := []string{
		"Cookie", "session=" + canary, "User-Agent", canary, "Referer", "http://x/?" + canary, "X-Request-ID", canary,
		"X-Forwarded-For", canary, "X-Api-Key", canary, "Accept-Language", token,
	}
	var bodies []string
	see := func(a gatewaytest.Answer) { bodies = append(bodies, string(a.Body)) }
	for _, path := range []string{
		"/", "/health", "/auth/me", "/rooms", "/rooms/a", "/rooms/a/messages", "/metrics", "/ws", "/nothing", "/" + token, "/ws/" + token + "/x", "/rooms/" + token,
	} {
		for _, secret := range []string{canary, fake, token + "x", "$argon2id$v=19$m=8192,t=1,p=1$" + canary} {
			see(g.Do("GET", path+"?token="+canary+"&access_token="+token, secret, nil, headers...))
			see(g.Do("POST", path+"?"+canary+"=1", secret, `{"`+canary+`":"`+canary+`"}`, headers...))
			see(g.Do(strings.ToUpper(canary), path, secret, nil, headers...))
		}
	}
	for _, line := range []string{
		"Sec-WebSocket-Protocol: bearer, " + canary, "Sec-WebSocket-Protocol: " + canary, "Sec-WebSocket-Protocol: bearer, " + fake + ", " + token,
		"Authorization: Bearer " + fake, "Authorization: " + canary, "Origin: http://" + canary + ".example.net",
	} {
		_, a := g.Handshake("?room="+canary+"/&token="+token, line)
		see(a)
	}
	s := g.Dial(token, "")
	s.Joined()
	s.Send(`{"type":"` + canary + `"}`)
	s.Send(`{"type":"subscribe","room":"` + canary + `/"}`)
	s.Send(`{"type":"message","room":"lobby","id":"` + canary + `","data":"` + token + `"}`)
	nextOfAny(t, s, "ack")
	s.Raw(gatewaytest.ClientFrame(0x88, append([]byte{3, 232}, canary...)))
	s.Ended()
	for _, user := range []adminsock.NewUser{
		{Name: canary + "!", Password: canary}, {Name: "x", Password: "canary"}, {Name: "y", Password: canary + canary, Role: canary},
	} {
		if g.Admin().AddUser(t.Context(), user) == nil {
			t.Errorf("the account %+v was made", user)
		}
	}
	await(t, "the end of the socket", func() bool { return metric(t, g, "edgegw_ws_connections") == 0 })
	for _, body := range bodies {
		for _, secret := range []string{token, fake, string(g.Secret()), "$argon2"} {
			if strings.Contains(body, secret) {
				t.Errorf("an answer holds a secret: %.200s", body)
			}
		}
	}
	if !strings.Contains(g.Log(), `"event":"http_request"`) {
		t.Error("nothing was logged that could hold a secret")
	}
}

// nextOfAny is nextOf past errors.
func nextOfAny(t *testing.T, s *gatewaytest.Socket, typ string) {
	t.Helper()
	for s.Next()["type"] != typ {
	}
}
