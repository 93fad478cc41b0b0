package accounts_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
)

func limited(l accounts.Limits) func(*accounts.Options) {
	return func(o *accounts.Options) { o.Limits = l }
}

func from(ip string) context.Context {
	return gateway.WithOrigin(context.Background(), gateway.Origin{IP: ip})
}

// codes logs in n times with the wrong password and counts the answers.
func (h *house) codes(ctx context.Context, name string, n int) map[gateway.Code]int {
	got := map[gateway.Code]int{}
	for range n {
		_, err := h.Login(ctx, name, wrong, "")
		got[gateway.CodeOf(err)]++
	}
	return got
}

func TestLoginRates(t *testing.T) {
	h := newHouse(t, limited(accounts.Limits{LoginPerIP: 20, LoginPerAccount: 10}))
	for _, tt := range []struct {
		what     string
		ip, name string
		pass     int
	}{
		{"ten for a name", "192.0.2.1", "ada", 10},
		{"as many for a name that does not exist", "192.0.2.2", "nobody", 10},
		{"what is left for the address", "192.0.2.1", "root", 8},
		{"no more for the address", "192.0.2.1", "narrow", 0},
		{"no more for the name from elsewhere", "192.0.2.3", "ADA", 0},
		{"an IPv6 address", "2001:db8:1:1::1", "x1", 10},
		{"the same /64", "2001:db8:1:1:ffff::2", "x2", 8},
		{"the same /64 again", "2001:db8:1:1::3", "x3", 0},
		{"another /64", "2001:db8:1:2::3", "x3", 10},
	} {
		got := h.codes(from(tt.ip), tt.name, 12)
		if got[gateway.CodeInvalidCredentials] != tt.pass || got[gateway.CodeRateLimited] != 12-tt.pass {
			t.Errorf("%s: %v, want %d through", tt.what, got, tt.pass)
		}
	}
	_, err := h.Login(from("192.0.2.3"), "ada", good, "")
	if wait := gateway.AsError(err).RetryAfter; wait <= 0 || wait > 6*time.Second {
		t.Errorf("has to wait %v for the next of ten a minute", wait)
	}
	h.now = h.now.Add(6 * time.Second)
	if _, err := h.Login(from("192.0.2.3"), "ada", good, ""); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	// The other password routes take from the same buckets.
	if err := h.RequestReset(from("192.0.2.1"), "somebody"); gateway.CodeOf(err) != "" {
		t.Errorf("one more after six seconds: %v", err)
	}
	for range 3 {
		_ = h.ConfirmReset(from("192.0.2.1"), "x", better)
	}
	wantCode(t, h.ConfirmReset(from("192.0.2.1"), "x", better), gateway.CodeRateLimited)
	wantCode(t, h.RequestReset(from("192.0.2.1"), "somebody"), gateway.CodeRateLimited)
	// Keys and tokens have buckets of their own.
	if _, err := h.LoginDevice(from("192.0.2.1"), pumpKey, ""); err != nil {
		t.Errorf("a device from the same address: %v", err)
	}
}

func TestTokenRates(t *testing.T) {
	h := newHouse(t)
	got := map[gateway.Code]int{}
	for range 2100 {
		_, err := h.Refresh(from("192.0.2.1"), "x")
		got[gateway.CodeOf(err)]++
	}
	if got[gateway.CodeInvalidToken] != 2000 || got[gateway.CodeRateLimited] != 100 {
		t.Errorf("2100 at once from one address: %v", got)
	}
	if _, err := h.LoginDevice(from("192.0.2.2"), pumpKey, ""); err != nil {
		t.Errorf("from another address: %v", err)
	}
}

func TestLock(t *testing.T) {
	h := newHouse(t, limited(accounts.Limits{LockThreshold: 10, LockDuration: 15 * time.Minute}))
	device, err := h.LoginDevice(origin(), pumpKey, "")
	if err != nil {
		t.Fatal(err)
	}
	p, id := h.login(t, "ada")
	for _, name := range []string{"ada", "nobody", "not a name", "pump", "dis"} {
		hashes := h.hashes
		got := h.codes(origin(), name, 13)
		if got[gateway.CodeInvalidCredentials] != 10 || got[gateway.CodeAccountLocked] != 3 {
			t.Errorf("%s: %v, want 10 tries and then the lock", name, got)
		}
		if n := h.hashes - hashes; n != 13 {
			t.Errorf("%s: 13 tries cost %d hashes", name, n)
		}
	}
	_, err = h.Login(origin(), "ada", good, "")
	wantCode(t, err, gateway.CodeAccountLocked)
	if left := gateway.AsError(err).RetryAfter; left != 15*time.Minute {
		t.Errorf("locked for %v", left)
	}
	wantCode(t, h.ChangePassword(origin(), id, good, better), gateway.CodeAccountLocked)
	// Who is in stays in.
	if _, err := h.Authenticate(origin(), p.Access); err != nil {
		t.Error(err)
	}
	h.refresh(t, p.Refresh)
	h.refresh(t, device.Refresh)
	if _, err := h.LoginDevice(origin(), pumpKey, ""); err != nil {
		t.Error(err)
	}
	if u, err := h.User(origin(), "ada"); err != nil || u.LockedFor != 15*time.Minute {
		t.Errorf("administrators see %v, %v", u.LockedFor, err)
	}
	if err := h.Unlock(origin(), "ada"); err != nil {
		t.Fatal(err)
	}
	h.login(t, "ada")

	h.now = h.now.Add(15 * time.Minute)
	if got := h.codes(origin(), "nobody", 1); got[gateway.CodeInvalidCredentials] != 1 {
		t.Errorf("after 15 minutes: %v", got)
	}
}

// Only consecutive failures lock, and a full gateway is nobody's failure.
func TestSuccessForgivesFailures(t *testing.T) {
	h := newHouse(t, limited(accounts.Limits{LockThreshold: 3, LockDuration: time.Minute}))
	for range 4 {
		h.codes(origin(), "ada", 2)
		h.login(t, "ada")
	}
	ctx, cancel := context.WithCancel(origin())
	cancel()
	for range 5 {
		_, err := h.Login(ctx, "ada", wrong, "")
		wantCode(t, err, gateway.CodeBusy)
	}
	h.login(t, "ada")
}

// A right guess that was under way when the lock came does not count.
func TestLockStopsWhatIsUnderWay(t *testing.T) {
	h := newHouse(t, limited(accounts.Limits{LockThreshold: 2, LockDuration: time.Minute}))
	h.codes(origin(), "ada", 1)
	h.onHash = func() { h.codes(origin(), "ada", 1) }
	_, err := h.Login(origin(), "ada", good, "")
	wantCode(t, err, gateway.CodeAccountLocked)
}

// What is tracked is bounded: a flood of names forgets the oldest, and memory
// stays where it is.
func TestTrackingIsBounded(t *testing.T) {
	h := newHouse(t, limited(accounts.Limits{LoginPerAccount: 1}))
	if err := h.RequestReset(from("192.0.2.1"), "first"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, h.RequestReset(from("192.0.2.1"), "first"), gateway.CodeRateLimited)
	for i := range 5000 {
		_ = h.RequestReset(from("192.0.2.1"), fmt.Sprintf("name-%d", i))
	}
	if err := h.RequestReset(from("192.0.2.1"), "first"); err != nil {
		t.Errorf("5,000 names later the first is still tracked: %v", err)
	}
}
