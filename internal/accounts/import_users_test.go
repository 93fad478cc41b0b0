package accounts_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
)

// legacyHash is what the old system had of the password good.
func legacyHash() string {
	sum := sha256.Sum256([]byte(good))
	return hex.EncodeToString(sum[:])
}

func (h *house) importLegacy(t *testing.T, name string) {
	t.Helper()
	r, err := h.ImportUsers(origin(), []accounts.ImportUser{{Line: 2, Name: name, Hash: legacyHash()}}, false)
	if err != nil || r.Added != 1 || len(r.Bad) != 0 {
		t.Fatalf("import: %+v, %v", r, err)
	}
}

// saltedHash is the salted form of the password good, salt first.
func saltedHash() string {
	sum := sha256.Sum256([]byte("salz" + good))
	return "sha256$salz$" + hex.EncodeToString(sum[:])
}

func TestImportUsers(t *testing.T) {
	h := newHouse(t)
	ada, _ := h.store.get("ada")
	ctx := gateway.WithActor(origin(), gateway.ActorCLI)
	r, err := h.ImportUsers(ctx, []accounts.ImportUser{
		{Line: 2, Name: "Bob", Hash: legacyHash()},
		{Line: 3, Name: "eve", Role: "admin", Hash: ada.PasswordHash},
		{Line: 4, Name: "kim", Role: "member", Hash: saltedHash()},
	}, false)
	if err != nil || r.Added != 3 || len(r.Bad) != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	events := h.events(t)
	if got := words(events); !slices.Equal(got, []string{"users_imported::added=3 skipped=0"}) || events[0].Actor != gateway.ActorCLI {
		t.Errorf("audited %v by %s", got, events[0].Actor)
	}
	for name, role := range map[gateway.AccountName]gateway.Role{
		"bob": gateway.RoleMember, "eve": gateway.RoleAdmin, "kim": gateway.RoleMember,
	} {
		u, err := h.User(ctx, name)
		if err != nil || u.Role != role || u.Legacy != (name != "eve") || !slices.Equal(u.Grants, grants(t, "*:rw")) ||
			u.Kind != gateway.KindUser || u.Created != gateway.Timestamp(start.UnixMilli()) {
			t.Errorf("%s: %+v, %v", name, u, err)
		}
		if _, err := h.Login(origin(), string(name), wrong, ""); err == nil {
			t.Errorf("%s logs in with a wrong password", name)
		}
		h.login(t, string(name))
		if u, _ := h.User(ctx, name); u.Legacy {
			t.Errorf("%s is still legacy after a login", name)
		}
	}
}

// No digest of an old system is at rest, in any form, before or after the login.
func TestImportLeavesNoDigest(t *testing.T) {
	h := newHouse(t)
	for _, name := range []string{"bob", "kim"} {
		h.importLegacy(t, name)
	}
	h.login(t, "kim")
	sum := sha256.Sum256([]byte(good))
	content := h.file(t)
	if !strings.Contains(content, "$edgegw-legacy$") {
		t.Error("no wrapped hash is in the file: the test looks in the wrong place")
	}
	for form, digest := range map[string]string{
		"bytes": string(sum[:]), "hex": legacyHash(), "HEX": strings.ToUpper(legacyHash()),
		"base64": base64.RawStdEncoding.EncodeToString(sum[:]), "base64url": base64.RawURLEncoding.EncodeToString(sum[:]),
	} {
		if strings.Contains(content, digest) || strings.Contains(h.log(), digest) {
			t.Errorf("the digest is there as %s", form)
		}
	}
}

func bad(list []accounts.BadLine) (out []string) {
	for _, b := range list {
		out = append(out, fmt.Sprintf("%d %s", b.Line, b.Name))
		if b.Problem == "" {
			out = append(out, "no problem is named")
		}
	}
	return out
}

func mixedUsers() []accounts.ImportUser {
	return []accounts.ImportUser{
		{Line: 2, Name: "bob", Hash: legacyHash()},
		{Line: 3, Name: "a b", Hash: legacyHash()},
		{Line: 4, Name: "ada", Hash: legacyHash()},               // taken
		{Line: 5, Name: "pump", Hash: legacyHash()},              // by a device
		{Line: 6, Name: "narrow", Hash: legacyHash()},            // deleted
		{Line: 7, Name: "BOB", Hash: legacyHash()},               // twice
		{Line: 8, Name: "x1", Role: "owner", Hash: legacyHash()}, // no role
		{Line: 9, Name: "x2", Hash: legacyHash()[1:]},            // no hash
		{Line: 10, Name: "x3", Hash: "$argon2id$v=19$m=4194304,t=9,p=4$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"},
		{Line: 11, Name: "x4", Err: errors.New("canary-cause")},
		{Line: 12, Name: "\x1b[31m" + strings.Repeat("é", 100), Hash: legacyHash()},
		{Line: 13, Name: "kim", Hash: legacyHash()},
	}
}

// A bad line means that nothing happens: no account, no audit, no hash, no commit.
func TestImportIsAllOrNothing(t *testing.T) {
	h := newHouse(t)
	if err := h.DeleteUser(origin(), "narrow"); err != nil {
		t.Fatal(err)
	}
	from, commits, names := len(h.events(t)), h.store.commits.Load(), h.names(t)
	r, err := h.ImportUsers(origin(), mixedUsers(), false)
	if err != nil || r.Added != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	want := []string{"3 a b", "4 ada", "5 pump", "6 narrow", "7 bob", "8 x1", "9 x2", "10 x3", "11 x4",
		"12 ?[31m" + strings.Repeat("é", 29) + "…"}
	if got := bad(r.Bad); !slices.Equal(got, want) {
		t.Errorf("bad lines\n%q, want\n%q", got, want)
	}
	for _, b := range r.Bad {
		if strings.Contains(b.Problem, legacyHash()[1:]) || strings.Contains(b.Problem, "canary") {
			t.Errorf("line %d tells %q", b.Line, b.Problem)
		}
	}
	if p := r.Bad[4].Problem; p != "the same name is on line 2" {
		t.Errorf("line 7: %q", p)
	}
	if got := h.names(t); !slices.Equal(got, names) || h.hashes != 0 || h.store.commits.Load() != commits || len(h.events(t)) != from {
		t.Errorf("accounts %v, %d hashes, %d commits, events %v", got, h.hashes, h.store.commits.Load()-commits, words(h.events(t)))
	}
}

func TestImportSkipsBadLines(t *testing.T) {
	h := newHouse(t)
	if err := h.DeleteUser(origin(), "narrow"); err != nil {
		t.Fatal(err)
	}
	from := len(h.events(t))
	r, err := h.ImportUsers(origin(), mixedUsers(), true)
	if err != nil || r.Added != 2 || len(r.Bad) != 10 {
		t.Fatalf("%+v, %v", r, err)
	}
	h.wantEvents(t, &from, "users_imported::added=2 skipped=10")
	h.login(t, "bob")
	h.login(t, "kim")
	if ada, _ := h.store.get("ada"); strings.HasPrefix(ada.PasswordHash, "$edgegw-legacy$") {
		t.Error("an import replaced an account")
	}
	// All bad: nothing is written, also when that is to be skipped.
	from, commits := len(h.events(t)), h.store.commits.Load()
	r, err = h.ImportUsers(origin(), mixedUsers()[:1], true)
	if err != nil || r.Added != 0 || len(r.Bad) != 1 || h.store.commits.Load() != commits {
		t.Errorf("%+v, %v", r, err)
	}
	h.wantEvents(t, &from)
}

// Somebody takes a name while the hashes are wrapped.
func TestImportLooksAgain(t *testing.T) {
	for _, skip := range []bool{false, true} {
		h := newHouse(t)
		h.onHash = func() {
			h.store.put(t, gateway.Account{Name: "bob", Kind: gateway.KindUser, Role: gateway.RoleAdmin, Created: 7})
		}
		r, err := h.ImportUsers(origin(), []accounts.ImportUser{
			{Line: 2, Name: "bob", Hash: legacyHash()}, {Line: 3, Name: "kim", Hash: legacyHash()},
		}, skip)
		if err != nil || !slices.Equal(bad(r.Bad), []string{"2 bob"}) || (r.Added == 1) != skip {
			t.Errorf("skip %v: %+v, %v", skip, r, err)
		}
		_, kim := h.store.get("kim")
		if bob, _ := h.store.get("bob"); bob.Created != 7 || kim != skip {
			t.Errorf("skip %v: bob is %+v, kim is there: %v", skip, bob, kim)
		}
	}
}

func TestImportRefusals(t *testing.T) {
	h := newHouse(t)
	many := make([]accounts.ImportUser, accounts.MaxImport+1)
	for _, list := range [][]accounts.ImportUser{nil, {}, many} {
		_, err := h.ImportUsers(origin(), list, true)
		wantCode(t, err, gateway.CodeInvalidRequest)
	}
	ctx, cancel := context.WithCancel(origin())
	cancel()
	one := []accounts.ImportUser{{Line: 2, Name: "bob", Hash: legacyHash()}}
	_, err := h.ImportUsers(ctx, one, false)
	wantCode(t, err, gateway.CodeBusy)
	h.store.fail = errors.New("no space")
	_, err = h.ImportUsers(origin(), one, false)
	wantCode(t, err, gateway.CodeInternal)
	if _, there := h.store.get("bob"); there {
		t.Error("bob was imported")
	}
}

// The first administrator may come by import.
func TestImportedAdmin(t *testing.T) {
	h := build(t, cheap, newDisk(t))
	if r, err := h.ImportUsers(origin(), []accounts.ImportUser{{Line: 2, Name: "root", Role: "admin", Hash: legacyHash()}}, false); err != nil || r.Added != 1 || !h.HasAdmin() {
		t.Errorf("%+v, %v, HasAdmin %v", r, err, h.HasAdmin())
	}
}
