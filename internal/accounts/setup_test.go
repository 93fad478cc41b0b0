package accounts_test

import (
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
)

var codeShape = regexp.MustCompile(`^[ACDEFHJKMNPQRTVWXY34679]{8}$`)

// bare is a house without an administrator, and with a setup code.
func bare(t *testing.T) (h *house, code string) {
	t.Helper()
	h = build(t, cheap, newDisk(t))
	code, life, err := h.NewSetupCode()
	if err != nil || life != 15*time.Minute {
		t.Fatalf("a code for %v, %v", life, err)
	}
	return h, code
}

func TestSetupCodeIsDrawn(t *testing.T) {
	h, _ := bare(t)
	seen := map[string]bool{}
	chars := map[rune]int{}
	const n = 40_000
	for i := range n {
		code, _, err := h.NewSetupCode()
		if err != nil || !codeShape.MatchString(code) || i < 100 && seen[code] {
			t.Fatalf("the code %q, %v; seen before: %v", code, err, seen[code])
		}
		if i < 100 { // among all of them there may be two of a kind
			seen[code] = true
		}
		for _, c := range code {
			chars[c]++
		}
	}
	// Each of the 23 is expected 13,913 times, with a deviation of 115. A byte
	// modulo 23 would give three of them 15,000.
	for c, times := range chars {
		if times < 13_913-650 || times > 13_913+650 {
			t.Errorf("%c came %d times, want about 13,913", c, times)
		}
	}
	if len(chars) != 23 {
		t.Errorf("%d characters were drawn, want 23", len(chars))
	}
}

// The code, the account, the session and the audit's event are one commit, and
// what comes back logs in.
func TestSetUp(t *testing.T) {
	h, code := bare(t)
	before := h.store.commits.Load()
	pair, err := h.SetUp(origin(), code, "Mary", good)
	if err != nil {
		t.Fatal(err)
	}
	if n := h.store.commits.Load() - before; n != 1 {
		t.Errorf("%d commits, want 1", n)
	}
	id, err := h.Authenticate(origin(), pair.Access)
	if err != nil || id.Principal.Name != "mary" || id.Principal.Role != gateway.RoleAdmin || !h.HasAdmin() {
		t.Errorf("the token is for %+v, %v; HasAdmin %v", id.Principal, err, h.HasAdmin())
	}
	if _, err := h.Refresh(origin(), pair.Refresh); err != nil {
		t.Error(err)
	}
	if _, err := h.Login(origin(), "mary", good, ""); err != nil {
		t.Error(err)
	}
	first := uint64(0)
	events, err := h.Audit(origin(), &first, 10)
	if err != nil || len(events) == 0 {
		t.Fatal(events, err)
	}
	if e := events[0]; e.Event != gateway.EventSetup || e.Subject != "mary" || e.Actor != "mary" || e.Reason != "setup_code" || e.IP != "192.0.2.7" {
		t.Errorf("audited %+v", e)
	}
	for what, err := range map[string]error{
		"the code again":  third(h.SetUp(origin(), code, "eve", good)),
		"a code anew":     newCode(h),
		"without a code":  h.MakeOwner(origin(), "eve", good),
		"with a bad code": third(h.SetUp(origin(), "", "eve", good)),
	} {
		if gateway.CodeOf(err) != gateway.CodeConflict {
			t.Errorf("%s: %v, want conflict", what, err)
		}
	}
	if strings.Contains(h.log(), code) {
		t.Error("the code was logged")
	}
}

func third(_ accounts.Pair, err error) error { return err }

func newCode(h *house) error {
	_, _, err := h.NewSetupCode()
	return err
}

// A commit that fails makes no owner, and the code is good for the next try.
func TestSetUpIsAllOrNothing(t *testing.T) {
	h, code := bare(t)
	h.store.fail = errors.New("no more space")
	if _, err := h.SetUp(origin(), code, "mary", good); err == nil || h.HasAdmin() {
		t.Fatalf("%v, HasAdmin %v", err, h.HasAdmin())
	}
	if _, ok := h.store.get("mary"); ok {
		t.Fatal("the account is there")
	}
	h.store.fail = nil
	if _, err := h.SetUp(origin(), code, "mary", good); err != nil {
		t.Error(err)
	}
}

func TestSetUpForgivesForm(t *testing.T) {
	for _, form := range []func(string) string{
		strings.ToLower,
		func(c string) string { return c[:4] + "-" + c[4:] },
		func(c string) string { return " " + c[:2] + " – " + strings.ToLower(c[2:]) + "\n" },
	} {
		h, code := bare(t)
		if _, err := h.SetUp(origin(), form(code), "admin", good); err != nil {
			t.Errorf("%q: %v", form("ABCDEFGH"), err)
		}
	}
}

func TestSetUpRefuses(t *testing.T) {
	h, code := bare(t)
	for i, other := range []string{"", code[:7], code + "A", "AAAA-AAAA"} {
		_, err := h.SetUp(origin(), other, "not a name", "")
		if gateway.CodeOf(err) != gateway.CodeInvalidCredentials || !strings.Contains(gateway.AsError(err).Message, "is wrong") {
			t.Errorf("code %d: %v", i, err)
		}
	}
	h.store.put(t, gateway.Account{Name: "pump", Kind: gateway.KindDevice})
	// A right code is not used up by what else is wrong, and is no wrong try.
	for range 3 {
		_, err := h.SetUp(origin(), code, "no name!", good)
		wantCode(t, err, gateway.CodeInvalidRequest)
		_, err = h.SetUp(origin(), code, "admin", "admin")
		wantCode(t, err, gateway.CodeWeakPassword)
		_, err = h.SetUp(origin(), code, "pump", good)
		wantCode(t, err, gateway.CodeConflict)
	}
	if h.HasAdmin() {
		t.Fatal("there is an administrator")
	}
	if _, err := h.SetUp(origin(), code, "admin", good); err != nil {
		t.Error(err)
	}
}

func TestSetupCodeRunsOut(t *testing.T) {
	h, code := bare(t)
	h.since = accounts.SetupCodeLife - time.Millisecond
	// The calendar of a board without a battery jumps when the network comes.
	h.now = h.now.Add(10 * 365 * 24 * time.Hour)
	if left := h.SetupCodeLeft(); left != time.Millisecond {
		t.Errorf("%v are left", left)
	}
	_, err := h.SetUp(origin(), code, "admin", "weak")
	wantCode(t, err, gateway.CodeWeakPassword)
	h.since += time.Millisecond
	if left := h.SetupCodeLeft(); left != 0 {
		t.Errorf("%v are left", left)
	}
	_, err = h.SetUp(origin(), code, "admin", good)
	wantCode(t, err, gateway.CodeInvalidCredentials)
	if !strings.Contains(gateway.AsError(err).Message, "no longer valid") {
		t.Error(err)
	}
	next, _, err := h.NewSetupCode()
	if err != nil {
		t.Fatal(err)
	}
	// The one before is told apart from a wrong one, for who holds the old paper.
	if _, err = h.SetUp(origin(), code, "admin", good); gateway.CodeOf(err) != gateway.CodeInvalidCredentials || !strings.Contains(gateway.AsError(err).Message, "no longer valid") {
		t.Errorf("the code before: %v", err)
	}
	if _, err := h.SetUp(origin(), next, "admin", good); err != nil {
		t.Error(err)
	}
}

// A gateway without a code lets nobody in, least of all with an empty one.
func TestSetUpWithoutCode(t *testing.T) {
	h := build(t, cheap, newDisk(t))
	for _, code := range []string{"", "AAAAAAAA", strings.Repeat("\x00", 32)} {
		_, err := h.SetUp(origin(), code, "admin", good)
		wantCode(t, err, gateway.CodeInvalidCredentials)
	}
}

func TestSetUpFiveTriesAMinute(t *testing.T) {
	h, code := bare(t)
	try := func(code string) error {
		_, err := h.SetUp(origin(), code, "admin", "weak")
		return err
	}
	for i := range 5 {
		h.since += 6 * time.Second // 6 to 30 s
		if err := try("AAAAAAAA"); gateway.CodeOf(err) != gateway.CodeInvalidCredentials {
			t.Fatalf("try %d: %v", i, err)
		}
	}
	wantWait := func(want time.Duration) {
		t.Helper()
		for _, c := range []string{"AAAAAAAA", code} { // a right guess shows as little
			err := try(c)
			var e *gateway.Error
			if !errors.As(err, &e) || e.Code != gateway.CodeRateLimited || e.RetryAfter != want {
				t.Errorf("%v, want rate_limited for %v", err, want)
			}
		}
	}
	wantWait(36 * time.Second)
	h.since = 66*time.Second - time.Nanosecond
	wantWait(time.Nanosecond)
	h.since++
	wantCode(t, try("AAAAAAAA"), gateway.CodeInvalidCredentials)
	wantWait(6 * time.Second) // until the second of the five is a minute old
	h.since += 6 * time.Second
	wantCode(t, try(code), gateway.CodeWeakPassword)
	// A new code is no way around.
	wantCode(t, try("AAAAAAAA"), gateway.CodeInvalidCredentials)
	code, _, _ = h.NewSetupCode()
	wantWait(6 * time.Second)
}

// Everyone who has the code may try at once; one becomes the owner.
func TestSetUpOnlyOnce(t *testing.T) {
	for range 10 {
		h, code := bare(t)
		names := []string{"ann", "bob", "cat", "dan"}
		errs := make([]error, len(names)+1)
		var wg sync.WaitGroup
		for i, name := range names {
			wg.Go(func() { _, errs[i] = h.SetUp(origin(), code, name, good) })
		}
		wg.Go(func() { errs[len(names)] = h.MakeOwner(origin(), "eve", good) })
		wg.Wait()
		made := 0
		for _, err := range errs {
			switch gateway.CodeOf(err) {
			case "":
				made++
			case gateway.CodeConflict:
			default:
				t.Errorf("%v", err)
			}
		}
		users, err := h.Users(origin())
		if err != nil || made != 1 || len(users) != 1 {
			t.Fatalf("%d were told that they are the owner, and %d accounts are there (%v)", made, len(users), err)
		}
	}
}

func TestMakeOwner(t *testing.T) {
	h := build(t, cheap, newDisk(t))
	wantCode(t, h.MakeOwner(origin(), "mary", "weak"), gateway.CodeWeakPassword)
	wantCode(t, h.MakeOwner(origin(), "mary!", good), gateway.CodeInvalidRequest)
	wantCode(t, h.MakeOwner(origin(), "mary", good), "")
	if _, err := h.Login(origin(), "mary", good, ""); err != nil || !h.HasAdmin() {
		t.Errorf("%v, HasAdmin %v", err, h.HasAdmin())
	}
}
