package accounts_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
)

const better = "another good password, longer"

func TestReset(t *testing.T) {
	h := newHouse(t)
	p, id := h.login(t, "ada")
	void, _, err := h.IssueReset(origin(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	code, life, err := h.IssueReset(origin(), "ada")
	if err != nil || life != 30*time.Minute {
		t.Fatal(life, err)
	}
	wantCode(t, h.ConfirmReset(origin(), void, better), gateway.CodeInvalidToken)
	wantCode(t, h.ConfirmReset(origin(), "", better), gateway.CodeInvalidToken)
	wantCode(t, h.ConfirmReset(origin(), p.Refresh, better), gateway.CodeInvalidToken)
	wantCode(t, h.ConfirmReset(origin(), code, "short"), gateway.CodeWeakPassword)
	h.told()
	if err := h.ConfirmReset(origin(), code, better); err != nil {
		t.Fatal(err)
	}
	if cut := h.told(); !slices.Equal(cut, []string{"end " + string(id.Session)}) {
		t.Errorf("live sockets were told %v", cut)
	}
	wantCode(t, h.ConfirmReset(origin(), code, better), gateway.CodeInvalidToken) // used up
	_, err = h.Login(origin(), "ada", good, "")
	wantCode(t, err, gateway.CodeInvalidCredentials)
	if _, err := h.Login(origin(), "ada", better, ""); err != nil {
		t.Error(err)
	}
	var seen []gateway.Event
	for _, e := range h.events(t) {
		if e.Result == gateway.ResultOK {
			seen = append(seen, e.Event)
		}
	}
	want := []gateway.Event{
		gateway.EventLogin, gateway.EventResetIssued, gateway.EventResetIssued, gateway.EventResetUsed,
		gateway.EventSessionEnded, gateway.EventLogin,
	}
	if !slices.Equal(seen, want) {
		t.Errorf("audited %v, want %v", seen, want)
	}
	if log := h.log(); strings.Contains(log, code) || strings.Contains(log, better) {
		t.Error("the log holds a secret")
	}
}

// One code, many at once: one password is set.
func TestResetIsUsedOnce(t *testing.T) {
	h := newHouse(t)
	code, _, err := h.IssueReset(origin(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	codes := make([]gateway.Code, 8)
	for i := range codes {
		wg.Go(func() { codes[i] = gateway.CodeOf(h.ConfirmReset(origin(), code, better)) })
	}
	wg.Wait()
	slices.Sort(codes)
	if codes[0] != "" || slices.Contains(codes[1:], "") || slices.Compact(codes)[1] != gateway.CodeInvalidToken {
		t.Errorf("ended with %q", codes)
	}
}

func TestResetExpires(t *testing.T) {
	h := newHouse(t)
	code, _, err := h.IssueReset(origin(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	h.now = h.now.Add(30 * time.Minute)
	wantCode(t, h.ConfirmReset(origin(), code, better), gateway.CodeTokenExpired)
	code, _, err = h.IssueReset(origin(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	h.disable(t, "ada", true)
	wantCode(t, h.ConfirmReset(origin(), code, better), gateway.CodeInvalidToken)
	_, _, err = h.IssueReset(origin(), "ada")
	wantCode(t, err, gateway.CodeConflict)
	for _, name := range []gateway.AccountName{"nobody", "pump"} {
		_, _, err = h.IssueReset(origin(), name)
		wantCode(t, err, gateway.CodeNotFound)
	}
}

// run runs the service's background work until the test ends.
func (h *house) run(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestRequestResetForAdmins(t *testing.T) {
	h := newHouse(t)
	h.run(t)
	for _, name := range []string{"ada", "nobody", "pump", "dis", "not a name", "ada"} {
		if err := h.RequestReset(origin(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	await(t, func() bool {
		var events int
		for _, e := range h.events(t) {
			if e.Event == gateway.EventResetRequested {
				events += int(e.Count)
			}
		}
		return events >= 5 // ada's second one changes nothing
	})
	if a, _ := h.store.get("ada"); a.ResetRequested == 0 {
		t.Error("administrators do not see the request")
	}
	h.login(t, "ada")
	if a, _ := h.store.get("ada"); a.ResetRequested != 0 {
		t.Error("the request outlives a login")
	}
}

func TestRequestResetByWebhook(t *testing.T) {
	type sent struct {
		name gateway.AccountName
		code string
	}
	out := make(chan sent, 10)
	h := newHouse(t, func(o *accounts.Options) {
		o.Deliver = func(_ context.Context, name gateway.AccountName, code string, _ time.Duration) {
			out <- sent{name, code}
		}
	})
	h.run(t)
	for range 3 { // a stranger cannot void codes as fast as they come
		if err := h.RequestReset(origin(), "Ada"); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.RequestReset(origin(), "nobody"); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool {
		events := h.events(t)
		return len(events) > 0 && events[len(events)-1].Subject == "nobody"
	})
	got := <-out
	if got.name != "ada" || len(out) != 0 {
		t.Errorf("delivered to %s, %d more", got.name, len(out))
	}
	if err := h.ConfirmReset(origin(), got.code, better); err != nil {
		t.Error(err)
	}
}

func TestChangePassword(t *testing.T) {
	h := newHouse(t)
	_, other := h.login(t, "ada")
	_, id := h.login(t, "ada")
	code, _, err := h.IssueReset(origin(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, h.ChangePassword(origin(), id, wrong, better), gateway.CodeInvalidCredentials)
	wantCode(t, h.ChangePassword(origin(), id, good, "short"), gateway.CodeWeakPassword)
	h.told()
	if err := h.ChangePassword(origin(), id, good, better); err != nil {
		t.Fatal(err)
	}
	if cut := h.told(); !slices.Equal(cut, []string{"end " + string(other.Session)}) {
		t.Errorf("live sockets were told %v", cut)
	}
	if list := h.sessions(t, "ada"); len(list) != 1 || list[0].ID != id.Session {
		t.Errorf("sessions %+v", list)
	}
	wantCode(t, h.ConfirmReset(origin(), code, better), gateway.CodeInvalidToken) // voided
	device := accounts.Identity{Principal: gateway.Principal{Name: "pump", Kind: gateway.KindDevice}}
	wantCode(t, h.ChangePassword(origin(), device, good, better), gateway.CodeInvalidRequest)
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("what was awaited did not come")
		}
	}
}
