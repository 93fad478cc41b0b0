package accounts_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
	"edgegw/internal/token"
)

// refresh renews with raw, which has to work.
func (h *house) refresh(t *testing.T, raw string) accounts.Pair {
	t.Helper()
	p, err := h.Refresh(origin(), raw)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (h *house) sessions(t *testing.T, name gateway.AccountName) []gateway.Session {
	t.Helper()
	list, err := h.Sessions(context.Background(), accounts.Identity{Principal: gateway.Principal{Name: name}})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestRefresh(t *testing.T) {
	h := newHouse(t)
	first, err := h.Login(origin(), "ada", good, "plant.7")
	if err != nil {
		t.Fatal(err)
	}
	h.now = h.now.Add(20 * time.Minute)
	if _, err := h.Authenticate(origin(), first.Access); gateway.CodeOf(err) != gateway.CodeTokenExpired {
		t.Errorf("the old access token: %v", err)
	}
	second := h.refresh(t, first.Refresh)
	if second.Refresh == first.Refresh || second.RefreshTTL != 30*24*time.Hour || second.AccessTTL != 15*time.Minute || second.Principal.Name != "ada" {
		t.Errorf("pair %+v", second)
	}
	id, err := h.Authenticate(origin(), second.Access)
	if err != nil || id.Room != "plant.7" || id.Session == "" {
		t.Errorf("identity %+v, %v; the room and the session have to stay", id, err)
	}
	third := h.refresh(t, second.Refresh)
	if list := h.sessions(t, "ada"); len(list) != 1 || list[0].ID != id.Session || list[0].Counter != 3 {
		t.Errorf("sessions %+v, want one", list)
	}
	h.now = h.now.Add(30*24*time.Hour - time.Minute)
	h.refresh(t, third.Refresh)
	h.now = h.now.Add(30 * 24 * time.Hour)
	if _, err := h.Refresh(origin(), third.Refresh); gateway.CodeOf(err) != gateway.CodeTokenExpired {
		t.Errorf("after 30 days without a refresh: %v", err)
	}
}

// The direct predecessor gives the very same successor until that was used.
func TestRefreshAnswerLost(t *testing.T) {
	h := newHouse(t)
	first, id := h.login(t, "ada")
	lost := h.refresh(t, first.Refresh)
	commits := h.store.commits.Load()
	again := h.refresh(t, first.Refresh)
	if again.Refresh != lost.Refresh {
		t.Error("the predecessor gave another successor")
	}
	if h.store.commits.Load() != commits {
		t.Error("giving the same answer again was written")
	}
	if _, err := h.Authenticate(origin(), again.Access); err != nil {
		t.Error(err)
	}
	third := h.refresh(t, lost.Refresh) // the successor is used
	h.told()
	_, err := h.Refresh(origin(), first.Refresh)
	wantCode(t, err, gateway.CodeTokenReused)
	if cut := h.told(); !slices.Equal(cut, []string{"end " + string(id.Session)}) {
		t.Errorf("live sockets were told %v", cut)
	}
	for _, raw := range []string{first.Refresh, lost.Refresh, third.Refresh} {
		_, err := h.Refresh(origin(), raw)
		wantCode(t, err, gateway.CodeInvalidToken)
	}
	if _, err := h.Authenticate(origin(), third.Access); token.ReasonOf(err) != token.ReasonSessionEnded {
		t.Errorf("an access token of the ended session: %v", err)
	}
	events := h.events(t)
	last := events[len(events)-1]
	if last.Event != gateway.EventRefreshReused || last.Subject != "ada" || last.IP != "192.0.2.7" || last.Actor != "ada" {
		t.Errorf("audited %+v", last)
	}
}

// Twenty at once with one token: one chain lives on, whoever won.
func TestRefreshRace(t *testing.T) {
	h := newHouse(t)
	p, _ := h.login(t, "ada")
	for range 5 {
		successors := make([]string, 20)
		var wg sync.WaitGroup
		for i := range successors {
			wg.Go(func() {
				next, err := h.Refresh(origin(), p.Refresh)
				if err != nil {
					t.Error(err)
				}
				successors[i] = next.Refresh
			})
		}
		wg.Wait()
		if slices.Sort(successors); successors[0] != successors[19] || successors[0] == p.Refresh {
			t.Fatalf("more than one successor: %d different ones", len(slices.Compact(successors)))
		}
		p.Refresh = successors[0]
	}
	if list := h.sessions(t, "ada"); len(list) != 1 || list[0].Counter != 6 {
		t.Errorf("sessions %+v", list)
	}
}

// A store from a backup is behind its clients: their tokens are real all the
// same, and old ones among them are still spent.
func TestRefreshAfterRestore(t *testing.T) {
	h := newHouse(t)
	first, id := h.login(t, "ada")
	backup := h.sessions(t, "ada")[0]
	second := h.refresh(t, first.Refresh)
	third := h.refresh(t, second.Refresh)
	fourth := h.refresh(t, third.Refresh)
	if err := h.store.Update(func(tx accounts.Tx) error { return tx.PutSession(backup) }); err != nil {
		t.Fatal(err)
	}
	fifth := h.refresh(t, fourth.Refresh)
	if got, err := h.Authenticate(origin(), fifth.Access); err != nil || got.Session != id.Session {
		t.Errorf("identity %+v, %v", got, err)
	}
	_, err := h.Refresh(origin(), second.Refresh)
	wantCode(t, err, gateway.CodeTokenReused)
}

func TestRefreshRefuses(t *testing.T) {
	h := newHouse(t)
	p, id := h.login(t, "ada")
	other := build(t, cheap, newDisk(t)) // another gateway
	if err := other.Add(context.Background(), accounts.NewAccount{Name: "ada", Password: good}); err != nil {
		t.Fatal(err)
	}
	foreign, _ := other.login(t, "ada")
	for name, raw := range map[string]string{
		"empty": "", "access token": p.Access, "of another gateway": foreign.Refresh, "cut": p.Refresh[:len(p.Refresh)-1],
	} {
		_, err := h.Refresh(origin(), raw)
		if gateway.CodeOf(err) != gateway.CodeInvalidToken {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := h.Authenticate(origin(), p.Refresh); gateway.CodeOf(err) != gateway.CodeInvalidToken {
		t.Errorf("a refresh token as access token: %v", err)
	}
	h.disable(t, "ada", true)
	_, err := h.Refresh(origin(), p.Refresh)
	wantCode(t, err, gateway.CodeInvalidToken)
	h.disable(t, "ada", false)
	_, err = h.Refresh(origin(), p.Refresh)
	wantCode(t, err, gateway.CodeInvalidToken) // disabling ended the session
	if _, err := h.Authenticate(origin(), p.Access); token.ReasonOf(err) != token.ReasonSessionEnded {
		t.Errorf("session %s: %v", id.Session, err)
	}
}

// A clock that jumps ahead ends no session of this run of the machine.
func TestRefreshAfterClockJump(t *testing.T) {
	for _, tt := range []struct {
		name  string
		later func(h *house)
		want  gateway.Code
	}{
		{"ok jump of ten years in the same run", func(h *house) { h.since += time.Hour }, ""},
		{"bad jump of ten years and another run", func(h *house) { h.boot, h.since = 8, time.Minute }, gateway.CodeTokenExpired},
		{"bad same run, but 30 days of it", func(h *house) { h.since += 30 * 24 * time.Hour }, gateway.CodeTokenExpired},
		{"bad run unknown", func(h *house) { h.boot = 0 }, gateway.CodeTokenExpired},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			h.now = time.Unix(100, 0)
			h.boot, h.since = 7, time.Minute
			p, _ := h.login(t, "ada")
			h.now = time.Unix(100, 0).AddDate(56, 0, 0)
			tt.later(h)
			next, err := h.Refresh(origin(), p.Refresh)
			wantCode(t, err, tt.want)
			if err == nil && next.RefreshTTL != 30*24*time.Hour {
				t.Errorf("lives for %v", next.RefreshTTL)
			}
		})
	}
}

// The refreshes of a whole site share commits.
func TestRefreshesShareCommits(t *testing.T) {
	h := newHouse(t)
	const n = 200
	tokens := make([]string, n)
	for i := range tokens {
		p, err := h.LoginDevice(origin(), pumpKey, "")
		if err != nil {
			t.Fatal(err)
		}
		tokens[i] = p.Refresh
		h.now = h.now.Add(time.Millisecond)
	}
	// More sessions than a device may have: the last hundred live.
	if list := h.sessions(t, "pump"); len(list) != 100 {
		t.Fatalf("%d sessions, want 100", len(list))
	}
	before := h.store.commits.Load()
	var wg sync.WaitGroup
	for _, raw := range tokens[n-100:] {
		wg.Go(func() {
			if _, err := h.Refresh(origin(), raw); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if commits := h.store.commits.Load() - before; commits > 50 {
		t.Errorf("100 refreshes at once took %d commits", commits)
	} else {
		t.Logf("100 refreshes at once took %d commits", commits)
	}
}
