package accounts_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/token"
)

func TestIssueToken(t *testing.T) {
	h := newHouse(t)
	tests := []struct {
		name string
		user gateway.AccountName
		room gateway.RoomID
		life time.Duration
		want gateway.Code
	}{
		{"ok", "ada", "plant.1", time.Hour, ""},
		{"ok shortest", "ada", "", time.Second, ""},
		{"ok longest", "pump", "", 365 * 24 * time.Hour, ""},
		{"bad shorter", "ada", "", time.Second - 1, gateway.CodeInvalidRequest},
		{"bad negative", "ada", "", -time.Hour, gateway.CodeInvalidRequest},
		{"bad longer", "ada", "", 365*24*time.Hour + 1, gateway.CodeInvalidRequest},
		{"bad room", "ada", "a/b", time.Hour, gateway.CodeInvalidRequest},
		{"bad nobody", "nobody", "", time.Hour, gateway.CodeNotFound},
		{"bad disabled", "dis", "", time.Hour, gateway.CodeConflict},
	}
	from := 0
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			raw, err := h.IssueToken(origin(), tt.user, tt.room, tt.life)
			wantCode(t, err, tt.want)
			if err != nil {
				h.wantEvents(t, &from)
				return
			}
			h.wantEvents(t, &from, fmt.Sprintf("token_issued:%s:seconds=%d", tt.user, tt.life/time.Second))
			id, err := h.Authenticate(origin(), raw)
			if err != nil || id.Principal.Name != tt.user || id.Room != tt.room || id.Session != "" || !id.ExpiresAt.Equal(start.Add(tt.life)) {
				t.Errorf("%+v, %v", id, err)
			}
			if strings.Contains(h.log(), raw) {
				t.Error("the token is logged")
			}
		})
	}
}

func TestInspectToken(t *testing.T) {
	h := newHouse(t)
	p, id := h.login(t, "ada")
	issue := func(name gateway.AccountName) string {
		raw, err := h.tokens.Issue(token.Claims{Subject: name}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	good, gone, disabled := issue("narrow"), issue("nobody"), issue("dis")
	tests := []struct {
		name, raw, problem string
		readable           bool
		expires            time.Duration
	}{
		{"ok", good, "", true, time.Hour},
		{"ok session", p.Access, "", true, 15 * time.Minute},
		{"bad gone", gone, "does not exist", true, time.Hour},
		{"bad disabled", disabled, "disabled", true, time.Hour},
		{"bad signature", good[:len(good)-4] + "AAAA", "signature", true, time.Hour},
		{"bad nonsense", "nonsense", "JSON Web Token", false, 0},
	}
	for _, tt := range tests {
		i := h.InspectToken(tt.raw)
		if (tt.problem == "") != (i.Problem == "") || !strings.Contains(i.Problem, tt.problem) {
			t.Errorf("%s: problem %q", tt.name, i.Problem)
		}
		if (i.Header != "") != tt.readable || strings.Contains(i.Claims, `"sub"`) != tt.readable || i.ExpiresIn != tt.expires {
			t.Errorf("%s: %+v", tt.name, i)
		}
	}
	if err := h.Logout(origin(), id); err != nil {
		t.Fatal(err)
	}
	if i := h.InspectToken(p.Access); !strings.Contains(i.Problem, "session has ended") {
		t.Errorf("after the logout: %+v", i)
	}
	h.now = start.Add(2 * time.Hour)
	if i := h.InspectToken(good); !strings.Contains(i.Problem, "expired") || i.ExpiresIn != -time.Hour {
		t.Errorf("expired: %+v", i)
	}
	if len(h.refused) != 0 || strings.Contains(h.log(), "token_refused") {
		t.Errorf("inspecting counts as a refusal: %v", h.refused)
	}
}
