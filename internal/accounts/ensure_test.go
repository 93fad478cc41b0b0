package accounts_test

import (
	"context"
	"testing"

	"edgegw/internal/gateway"
)

func TestEnsureAdmin(t *testing.T) {
	ctx := context.Background()
	const pw = "the password of the file"
	user := func(name gateway.AccountName, role gateway.Role, disabled bool) gateway.Account {
		return gateway.Account{Name: name, Kind: gateway.KindUser, Role: role, Disabled: disabled, Created: 7}
	}
	tests := []struct {
		name   string
		have   []gateway.Account
		made   bool
		want   gateway.Code
		logsIn bool
	}{
		{"ok empty store", nil, true, "", true},
		{"ok members only", []gateway.Account{user("ada", gateway.RoleMember, false)}, true, "", true},
		{"ok admin disabled", []gateway.Account{user("admin", gateway.RoleAdmin, true)}, true, "", true},
		{"ok admin demoted", []gateway.Account{user("admin", gateway.RoleMember, false)}, true, "", true},
		{"ok other admin disabled", []gateway.Account{user("root", gateway.RoleAdmin, true)}, true, "", true},
		{"ok other admin enabled", []gateway.Account{user("root", gateway.RoleAdmin, false)}, false, "", false},
		{"ok admin enabled keeps its password", []gateway.Account{user("admin", gateway.RoleAdmin, false)}, false, "", false},
		{"bad admin is a device", []gateway.Account{{Name: "admin", Kind: gateway.KindDevice}}, false, gateway.CodeConflict, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			store := newDisk(t)
			for _, a := range tt.have {
				store.put(t, a)
			}
			h := build(t, cheap, store)
			if had := h.HasAdmin(); had != (!tt.made && tt.want == "") {
				t.Errorf("before: HasAdmin = %v", had)
			}
			made, err := h.EnsureAdmin(ctx, pw)
			wantCode(t, err, tt.want)
			if made != tt.made || h.HasAdmin() != (tt.want == "") {
				t.Errorf("made %v, HasAdmin %v", made, h.HasAdmin())
			}
			s, err := h.Login(ctx, "admin", pw, "")
			if (err == nil) != tt.logsIn || tt.logsIn && s.Principal.Role != gateway.RoleAdmin {
				t.Errorf("Login = %+v, %v", s.Principal, err)
			}
			if a, ok := store.get("admin"); ok && len(tt.have) > 0 && tt.have[0].Name == "admin" && a.Created != tt.have[0].Created {
				t.Errorf("the account was made anew: %+v", a)
			}
		})
	}
}

func TestEnsureAdminAppliesThePolicy(t *testing.T) {
	h := build(t, cheap, newDisk(t))
	made, err := h.EnsureAdmin(context.Background(), "admin")
	wantCode(t, err, gateway.CodeWeakPassword)
	if made || h.HasAdmin() {
		t.Error("an admin with a weak password was made")
	}
}

// Somebody adds an administrator while EnsureAdmin hashes: no second one comes.
func TestEnsureAdminLooksAgain(t *testing.T) {
	store := newDisk(t)
	h := build(t, cheap, store)
	h.onHash = func() {
		store.put(t, gateway.Account{Name: "root", Kind: gateway.KindUser, Role: gateway.RoleAdmin})
	}
	made, err := h.EnsureAdmin(context.Background(), good)
	if _, exists := store.get("admin"); made || err != nil || exists || !h.HasAdmin() {
		t.Errorf("made %v (%v), exists %v, HasAdmin %v", made, err, exists, h.HasAdmin())
	}
}
