package app_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"edgegw/internal/adminsock"
	"edgegw/internal/gateway"
)

// Jumps under open connections, with a time server that vouches for them and
// without: backwards nothing happens, forwards tokens end, and clients come back
// without a password and miss nothing. History stays, over a restart too, until
// it really is old.
func TestJumps(t *testing.T) {
	t.Parallel()
	for _, synced := range []bool{true, false} {
		for _, jump := range []time.Duration{time.Hour, -time.Hour, year, -year} {
			t.Run(fmt.Sprintf("%v synced %v", jump, synced), func(t *testing.T) {
				t.Parallel()
				l := newTimeline(t)
				l.clock.Sync(synced)
				l.boot(time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC))
				young := 0 // by an hour after that
				if jump < 0 {
					l.jumpBack(jump)
				} else {
					l.jumpAhead(jump)
					young = l.n - 1 // of what was published since
				}
				if synced {
					l.clock.Pass(61 * time.Minute)
					l.left(young)
					l.clock.Pass(24 * time.Hour)
					l.left(0)
				}
			})
		}
	}
}

func (l *timeline) jumpBack(jump time.Duration) {
	l.t.Helper()
	token := l.admin()
	socket := l.g.Dial(token, "?room=a")
	socket.Joined()
	l.look()
	socket.Expect("message")
	l.clock.Step(jump)
	l.swept()
	l.look()
	socket.Expect("message")
	if a := l.g.Do("GET", "/auth/me", token, nil); a.Status != 200 {
		l.t.Errorf("the token gets %d", a.Status)
	}
}

func (l *timeline) jumpAhead(jump time.Duration) {
	t := l.t
	t.Helper()
	l.g.AddUser("ann", "", "*:rw")
	access, refresh := pair(t, l.g, "ann")
	socket := l.g.Dial(access, "?room=a")
	_, subscribed := socket.Joined()
	l.look()
	socket.Expect("message")
	before := l.now()
	l.clock.Step(jump)
	if end := socket.Ended(); end.Code != 4001 {
		t.Errorf("closed with %v", end)
	}
	l.swept()
	l.look()
	if a := l.g.Do("GET", "/auth/me", access, nil); a.Status != 401 {
		t.Errorf("the token of before gets %d", a.Status)
	}
	a := renew(l.g, refresh)
	again, _ := a.JSON()["access_token"].(string)
	if a.Status != 200 {
		t.Fatalf("refresh: %d %s", a.Status, a.Body)
	}
	_, back := l.g.Dial(again, fmt.Sprintf("?room=a&after=1&epoch=%v", subscribed["epoch"])).Joined()
	if back["recovered"] != true || back["replay"] != 1.0 {
		t.Errorf("resumed with %v", back)
	}
	l.boot(before.Add(jump))
	l.swept()
	l.look()
}

// What somebody sets by mistake purges nothing either, before it can be taken back.
func TestSetPurgesNothing(t *testing.T) {
	t.Parallel()
	l := newTimeline(t)
	l.clock.Sync(false)
	noon := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	l.boot(noon)
	l.look()
	wrong := adminsock.NewTime{At: noon.Add(10 * year)}
	if _, err := l.g.Admin().SetClock(t.Context(), wrong); gateway.CodeOf(err) != gateway.CodeConflict || !strings.Contains(err.Error(), "--force") {
		t.Errorf("set ahead by ten years: %v", err)
	}
	wrong.Force = true
	if c, err := l.g.Admin().SetClock(t.Context(), wrong); err != nil || c.Now < wrong.At.UnixMilli() || c.Age > noon.Add(time.Hour).UnixMilli() {
		t.Errorf("forced ahead by ten years: %+v %v", c, err)
	}
	l.state("synced")
	l.swept()
	l.look()
	if _, err := l.g.Admin().ResetClock(t.Context()); err != nil {
		t.Errorf("reset: %v", err)
	}
	l.clock.Sync(true)
	l.boot(noon.Add(time.Minute))
	l.state("synced")
	l.swept()
	l.look()
	if now := l.now(); now.Year() != noon.Year() {
		t.Errorf("after the reset it is %v", now)
	}
}

// A time server that vouches for every boot, a year ahead each time, makes nothing old
// either: the one before it may have been right.
func TestBootsSynced(t *testing.T) {
	t.Parallel()
	l := newTimeline(t)
	l.clock.Sync(true)
	noon := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	l.boot(noon)
	expired := l.g.Sign(fmt.Sprintf(`{"sub":"admin","exp":%d}`, noon.Unix()+2))
	for years := range 3 {
		l.boot(noon.Add(time.Duration(years) * year))
		l.state("synced")
		l.swept()
		l.look()
	}
	// Back where it was: nobody knows who is right.
	l.boot(noon.Add(time.Hour))
	l.state("floor")
	l.swept()
	l.look()
	if a := l.g.Do("GET", "/auth/me", expired, nil); a.Status != 401 || a.Code() != "token_expired" {
		t.Errorf("a token of old gets %d %s", a.Status, a.Body)
	}
}
