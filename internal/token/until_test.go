package token_test

import (
	"slices"
	"testing"
	"time"

	"edgegw/internal/token"
)

func TestKeyRingTellsItsKeys(t *testing.T) {
	ring := keysRing(t)
	if ids := ring.KIDs(); !slices.Equal(ids, []string{"old", "new"}) || ring.Active() != "new" {
		t.Errorf("KIDs %q, Active %q", ids, ring.Active())
	}
	ended := ring.Until(map[string]time.Time{"old": now})
	if ids := ended.KIDs(); !slices.Equal(ids, []string{"old", "new"}) || ended.Active() != "new" {
		t.Errorf("with an end: KIDs %q, Active %q", ids, ended.Active())
	}
	plain := secretRing(t, secret)
	if ids := plain.KIDs(); !slices.Equal(ids, []string{""}) || plain.Active() != "" {
		t.Errorf("of a secret file: KIDs %q, Active %q", ids, plain.Active())
	}
}

// A key that has an end verifies until then, to the nanosecond, by the
// Authority's clock.
func TestKeysEnd(t *testing.T) {
	end := now
	clock := end
	a := newAuthority(t, token.Options{Ring: keysRing(t).Until(map[string]time.Time{"old": end}), Now: func() time.Time { return clock }})
	byOld := sign(`{"alg":"HS256","kid":"old"}`, minimal, secret)
	byOldUnnamed := sign(`{"alg":"HS256"}`, minimal, secret)
	byNew := sign(`{"alg":"HS256","kid":"new"}`, minimal, otherSecret)
	byNewUnnamed := sign(`{"alg":"HS256"}`, minimal, otherSecret)
	for _, tt := range []struct {
		at                 time.Time
		named, unnamedWant token.Reason
	}{
		{end.Add(-time.Hour), "", ""},
		{end.Add(-1), "", ""},
		{end, token.ReasonUnknownKey, token.ReasonSignature},
		{end.Add(time.Hour), token.ReasonUnknownKey, token.ReasonSignature},
		{end.Add(-1), "", ""}, // a clock that was set back
	} {
		clock = tt.at
		check(t, a, byOld, tt.named)
		check(t, a, byOldUnnamed, tt.unnamedWant)
		check(t, a, byNew, "")
		check(t, a, byNewUnnamed, "")
	}
}

func TestUntil(t *testing.T) {
	long := now.Add(-time.Hour)
	old := sign(`{"alg":"HS256","kid":"old"}`, minimal, secret)
	fresh := sign(`{"alg":"HS256","kid":"new"}`, minimal, otherSecret)
	ring := keysRing(t)
	ended := ring.Until(map[string]time.Time{"old": long, "new": long, "nobody": long, "": long})

	a := newAuthority(t, token.Options{Ring: ended})
	check(t, a, old, token.ReasonUnknownKey)
	check(t, a, fresh, "") // the active key has no end
	issued, err := a.Issue(token.Claims{Subject: "ada"}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	check(t, a, issued, "")

	a.SetRing(ring) // is not changed
	check(t, a, old, "")
	a.SetRing(ended.Until(nil)) // takes the ends away
	check(t, a, old, "")
	a.SetRing(ring.Until(map[string]time.Time{"old": now.Add(time.Minute)}))
	check(t, a, old, "")

	// The key of a secret file is the active one and has no kid.
	a.SetRing(secretRing(t, secret).Until(map[string]time.Time{"": long}))
	check(t, a, sign(plainHeader, minimal, secret), "")
	check(t, a, old, token.ReasonUnknownKey)
	check(t, a, sign(`{"alg":"HS256","kid":""}`, minimal, secret), token.ReasonUnknownKey)
}
