package accounts_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/token"
)

func issue(t *testing.T, h *house, c token.Claims) string {
	t.Helper()
	raw, err := h.tokens.Issue(c, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestAuthenticate(t *testing.T) {
	h := newHouse(t)
	_, in := h.login(t, "narrow")
	raw := issue(t, h, token.Claims{Subject: "narrow", Room: "plant.7", Session: string(in.Session), ID: "t1"})
	before := h.store.views.Load()
	id, err := h.Authenticate(context.Background(), raw)
	if err != nil {
		t.Fatal(err)
	}
	if id.Room != "plant.7" || id.Session != in.Session || id.TokenID != "t1" || !id.ExpiresAt.Equal(start.Add(time.Hour)) {
		t.Errorf("identity %+v", id)
	}
	p := id.Principal
	if p.Name != "narrow" || p.Kind != gateway.KindUser || p.Role != gateway.RoleMember || !slices.Equal(p.Grants, gateway.Grants{{Pattern: "plant.*", Rights: gateway.RightRead}}) {
		t.Errorf("principal %+v does not come from the account", p)
	}
	if n := h.store.views.Load() - before; n != 1 {
		t.Errorf("%d views of the store, want 1", n)
	}
}

func TestAuthenticateTakesDevices(t *testing.T) {
	h := newHouse(t)
	id, err := h.Authenticate(context.Background(), issue(t, h, token.Claims{Subject: "pump"}))
	if err != nil || id.Principal.Kind != gateway.KindDevice {
		t.Errorf("Authenticate = %+v, %v", id, err)
	}
}

func TestAuthenticateRefuses(t *testing.T) {
	tests := []struct {
		name    string
		claims  token.Claims
		after   time.Duration
		garble  string
		reason  token.Reason
		code    gateway.Code
		userLog string
	}{
		{"bad account gone", token.Claims{Subject: "nobody"}, 0, "", token.ReasonAccountGone, gateway.CodeInvalidToken, "user=nobody"},
		{"bad account disabled", token.Claims{Subject: "dis"}, 0, "", token.ReasonAccountDisabled, gateway.CodeInvalidToken, "user=dis"},
		{"bad session ended", token.Claims{Subject: "ada", Session: "AAAAAAAAAAAAAAAAAAAAAA"}, 0, "", token.ReasonSessionEnded, gateway.CodeInvalidToken, "user=ada"},
		{"bad session of another account", token.Claims{Subject: "ada", Session: "<narrow>"}, 0, "", token.ReasonSessionEnded, gateway.CodeInvalidToken, "user=ada"},
		{"bad expired", token.Claims{Subject: "ada"}, time.Hour, "", token.ReasonExpired, gateway.CodeTokenExpired, "user=ada"},
		{"bad signature", token.Claims{Subject: "ada"}, 0, "AAAA", token.ReasonSignature, gateway.CodeInvalidToken, "reason=signature"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			if tt.claims.Session == "<narrow>" {
				_, id := h.login(t, "narrow")
				tt.claims.Session = string(id.Session)
			}
			raw := issue(t, h, tt.claims) + tt.garble
			h.now = h.now.Add(tt.after)
			h.logged.Reset()
			id, err := h.Authenticate(origin(), raw)
			wantCode(t, err, tt.code)
			if token.ReasonOf(err) != tt.reason || !slices.Equal(h.refused, []token.Reason{tt.reason}) {
				t.Errorf("reason %q, observed %v, want %q", token.ReasonOf(err), h.refused, tt.reason)
			}
			if id.Principal.Name != "" {
				t.Errorf("refused with the identity %+v", id)
			}
			line := h.log()
			for _, want := range []string{"event=token_refused", "reason=" + string(tt.reason), "code=" + string(tt.code), "ip=192.0.2.7", "request_id=req-1", tt.userLog} {
				if !strings.Contains(line, want) {
					t.Errorf("the log lacks %q: %s", want, line)
				}
			}
			if strings.Contains(line, raw[:20]) {
				t.Errorf("the log holds the token: %s", line)
			}
		})
	}
}

// Rights follow the account at once, whatever the token was issued for.
func TestAuthenticateFollowsTheAccount(t *testing.T) {
	h := newHouse(t)
	raw := issue(t, h, token.Claims{Subject: "ada"})
	h.disable(t, "ada", true)
	if _, err := h.Authenticate(context.Background(), raw); token.ReasonOf(err) != token.ReasonAccountDisabled {
		t.Errorf("after disabling: %v", err)
	}
	h.disable(t, "ada", false)
	if _, err := h.Authenticate(context.Background(), raw); err != nil {
		t.Errorf("after enabling: %v", err)
	}
	if err := h.DeleteUser(context.Background(), "ada"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Authenticate(context.Background(), raw); token.ReasonOf(err) != token.ReasonAccountGone {
		t.Errorf("after deleting: %v", err)
	}
}
