package accounts_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
	"edgegw/internal/password"
)

func TestLogin(t *testing.T) {
	tests := []struct {
		name, username, password, room string
		want                           gateway.Code
		reason                         string // in the log
	}{
		{"ok", "ada", good, "", "", ""},
		{"ok folded name", "Ada", good, "", "", ""},
		{"ok room", "ada", good, "plant.7", "", ""},
		{"ok room with r alone", "narrow", good, "plant.7", "", ""},
		{"ok room of an admin without grants", "root", good, "anywhere", "", ""},
		{"bad password", "ada", wrong, "", gateway.CodeInvalidCredentials, "wrong_password"},
		{"bad empty password", "ada", "", "", gateway.CodeInvalidCredentials, "wrong_password"},
		{"bad password, unfit", "ada", "\xff", "", gateway.CodeInvalidCredentials, "wrong_password"},
		{"bad unknown name", "nobody", good, "", gateway.CodeInvalidCredentials, "unknown_account"},
		{"bad disabled", "dis", good, "", gateway.CodeInvalidCredentials, "disabled_account"},
		{"bad device", "pump", good, "", gateway.CodeInvalidCredentials, "device_account"},
		{"bad unknown name, as long as a key", strings.Repeat("k", 43), good, "", gateway.CodeInvalidCredentials, "unknown_account"},
		{"bad malformed name", "a b\n", good, "", gateway.CodeInvalidCredentials, "malformed_name"},
		{"bad empty name", "", good, "", gateway.CodeInvalidCredentials, "malformed_name"},
		{"bad room shape", "ada", good, "a/b", gateway.CodeInvalidRequest, "room id"},
		{"bad room without grant", "narrow", good, "office", gateway.CodeForbidden, "grant"},
		{"bad room without grant and password", "narrow", wrong, "office", gateway.CodeInvalidCredentials, "wrong_password"},
	}
	h := newHouse(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h.logged.Reset()
			h.logins = nil
			s, err := h.Login(origin(), tt.username, tt.password, tt.room)
			wantCode(t, err, tt.want)
			result := string(tt.want)
			if err == nil {
				result = accounts.ResultOK
				id, err := h.Authenticate(origin(), s.Access)
				if err != nil || id.Principal.Name != s.Principal.Name || string(id.Room) != tt.room {
					t.Errorf("the token gives %+v, %v", id, err)
				}
				if s.AccessTTL != 15*time.Minute || !id.ExpiresAt.Equal(start.Add(s.AccessTTL)) {
					t.Errorf("expires in %v, at %v", s.AccessTTL, id.ExpiresAt)
				}
			}
			if !slices.Equal(h.logins, []string{result}) || !slices.Contains(accounts.LoginResults, result) {
				t.Errorf("observed %v, want %q out of %v", h.logins, result, accounts.LoginResults)
			}
			line := h.log()
			for _, want := range []string{"event=login", "ip=192.0.2.7", "request_id=req-1", tt.reason} {
				if !strings.Contains(line, want) {
					t.Errorf("the log lacks %q: %s", want, line)
				}
			}
			if strings.Contains(line, "horse") || s.Access != "" && strings.Contains(line, s.Access) || strings.Contains(line, "a b") || strings.Contains(line, "kkk") {
				t.Errorf("the log says too much: %s", line)
			}
		})
	}
}

// All refusals of credentials look the same from outside and cost one hash.
func TestRefusalsAreAlike(t *testing.T) {
	h := newHouse(t)
	h.store.put(t, gateway.Account{Name: "hurt", Kind: gateway.KindUser, PasswordHash: "$argon2id$v=19$m=9999999,t=1,p=1$AAAA$AAAA"})
	_, err := h.Login(context.Background(), "ada", wrong, "")
	model := gateway.AsError(err)
	for _, name := range []string{"ada", "nobody", "dis", "pump", "hurt", "not a name", ""} {
		before := h.hashes
		_, err := h.Login(context.Background(), name, wrong, "")
		e := gateway.AsError(err)
		if e.Code != model.Code || e.Message != model.Message || e.RetryAfter != model.RetryAfter {
			t.Errorf("%q is told %q %q, ada %q %q", name, e.Code, e.Message, model.Code, model.Message)
		}
		if n := h.hashes - before; n != 1 {
			t.Errorf("%q cost %d hashes, want 1", name, n)
		}
	}
}

// A name is told from another by the wall clock. On a busy machine that is mostly
// noise, so the CPU time counts as well: a name that costs less or more stays
// apart by both, in every round.
func TestLoginTimesAreAlike(t *testing.T) {
	h := newHouse(t)
	names := []string{"ada", "nobody", "dis", "pump", "not a name"}
	wall, cpu := make([][]time.Duration, len(names)), make([][]time.Duration, len(names))
	for range 10 {
		for range 12 {
			for i, name := range names { // interleaved, so that noise hits all
				begin, used := time.Now(), cpuTime(t)
				if _, err := h.Login(context.Background(), name, wrong, ""); err == nil {
					t.Fatal("logged in with the wrong password")
				}
				wall[i] = append(wall[i], time.Since(begin))
				cpu[i] = append(cpu[i], cpuTime(t)-used)
			}
		}
		wallGap, cpuGap := gap(wall), gap(cpu)
		t.Logf("medians of %d logins each: %.1f %% apart by the clock, %.1f %% by CPU time", len(wall[0]), 100*wallGap, 100*cpuGap)
		if min(wallGap, cpuGap) <= 0.10 {
			return
		}
	}
	t.Error("the time of a refused login tells which names exist")
}

// gap is how far the medians are from the first one, at worst.
func gap(times [][]time.Duration) (worst float64) {
	median := func(list []time.Duration) float64 {
		slices.Sort(list)
		return float64(list[len(list)/2])
	}
	first := median(times[0])
	for _, list := range times[1:] {
		worst = max(worst, math.Abs(median(list)-first)/first)
	}
	return worst
}

func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestLoginWhenBusy(t *testing.T) {
	h := newHouse(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, name := range []string{"ada", "nobody"} {
		_, err := h.Login(ctx, name, good, "")
		wantCode(t, err, gateway.CodeBusy)
		if gateway.AsError(err).RetryAfter == 0 {
			t.Errorf("%s is not told when to come back", name)
		}
	}
}

func TestWeakHashIsReplaced(t *testing.T) {
	old := newHouse(t)
	before, _ := old.store.get("ada")
	h := build(t, password.Params{MemoryKiB: 8192, Time: 1, Threads: 1}, old.store)

	if _, err := h.Login(context.Background(), "ada", wrong, ""); err == nil {
		t.Fatal("logged in with the wrong password")
	}
	if a, _ := h.store.get("ada"); a.PasswordHash != before.PasswordHash {
		t.Error("a wrong password replaced the hash")
	}
	if _, err := h.Login(context.Background(), "ada", good, ""); err != nil {
		t.Fatal(err)
	}
	after, _ := h.store.get("ada")
	if !strings.Contains(after.PasswordHash, "m=8192,") {
		t.Errorf("the hash is still %.32s", after.PasswordHash)
	}
	if cut := h.told(); len(cut) != 0 {
		t.Errorf("a rehash was announced to live sockets: %v", cut)
	}
	hashes := h.hashes
	if _, err := h.Login(context.Background(), "ada", good, ""); err != nil || h.hashes != hashes+1 {
		t.Errorf("the next login: %v, %d hashes", err, h.hashes-hashes)
	}
}

// What happens while the password is checked counts.
func TestChangesDuringLogin(t *testing.T) {
	for name, change := range map[string]func(h *house) error{
		"disabled": func(h *house) error {
			yes := true
			_, err := h.UpdateUser(context.Background(), "ada", accounts.Patch{Disabled: &yes})
			return err
		},
		"deleted": func(h *house) error { return h.DeleteUser(context.Background(), "ada") },
		"password": func(h *house) error {
			a, _ := h.store.get("ada")
			a.PasswordHash += "x"
			return h.store.Update(func(tx accounts.Tx) error { return tx.PutAccount(a) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.onHash = func() {
				if err := change(h); err != nil {
					t.Error(err)
				}
			}
			_, err := h.Login(context.Background(), "ada", good, "")
			wantCode(t, err, gateway.CodeInvalidCredentials)
			if !strings.Contains(h.log(), "reason=changed_meanwhile") {
				t.Errorf("logged: %s", h.log())
			}
		})
	}
}

// A password changed while a weak hash is replaced must stay changed.
func TestRehashDoesNotUndoAPasswordChange(t *testing.T) {
	old := newHouse(t)
	h := build(t, password.Params{MemoryKiB: 8192, Time: 1, Threads: 1}, old.store)
	a, _ := h.store.get("ada")
	a.PasswordHash = strings.Replace(a.PasswordHash, "$m=7168", "$m=7169", 1) // the new password's
	h.onHash = func() {                                                       // the check …
		h.onHash = func() { // … and then the rehash
			if err := h.store.Update(func(tx accounts.Tx) error { return tx.PutAccount(a) }); err != nil {
				t.Error(err)
			}
		}
	}
	_, err := h.Login(context.Background(), "ada", good, "")
	wantCode(t, err, gateway.CodeInvalidCredentials)
	if got, _ := h.store.get("ada"); got.PasswordHash != a.PasswordHash {
		t.Error("the rehash of the old password replaced the new one")
	}
}
