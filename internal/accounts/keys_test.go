package accounts_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
	"edgegw/internal/token"
)

// keyRing is a ring with keys of these names, the first of which is active.
func keyRing(t *testing.T, names ...string) *token.KeyRing {
	t.Helper()
	var keys []string
	for _, name := range names {
		value := secret // the key that the secret file had
		if name != token.SecretKID {
			value = "of the key " + name + ", made of 32 bytes or more"
		}
		keys = append(keys, fmt.Sprintf("%q:%q", name, base64.StdEncoding.EncodeToString([]byte(value))))
	}
	ring, err := token.NewKeysRing([]byte(fmt.Sprintf(`{"active":%q,"keys":{%s}}`, names[0], strings.Join(keys, ","))))
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func secretRing(t *testing.T) *token.KeyRing {
	t.Helper()
	ring, err := token.NewSecretRing([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func (h *house) use(t *testing.T, ring *token.KeyRing) {
	t.Helper()
	if err := h.UseRing(origin(), ring); err != nil {
		t.Fatal(err)
	}
}

// noted is what the store remembers of signing keys: name@seconds since start.
func (h *house) noted(t *testing.T) (out []string) {
	t.Helper()
	err := h.store.View(func(tx accounts.Tx) error {
		keys, err := tx.SigningKeys()
		for _, k := range keys {
			word := k.ID
			if k.Retired != 0 {
				word += fmt.Sprintf("@%d", (int64(k.Retired)-start.UnixMilli())/1000)
			}
			out = append(out, word)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return out
}

func (h *house) wantNoted(t *testing.T, want ...string) {
	t.Helper()
	if got := h.noted(t); !slices.Equal(got, want) {
		t.Errorf("noted %q, want %q", got, want)
	}
}

// issue makes a token of ada with the active key.
func (h *house) issue(t *testing.T) string {
	t.Helper()
	raw, err := h.tokens.Issue(token.Claims{Subject: "ada"}, 48*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (h *house) wantReason(t *testing.T, raw string, want token.Reason) {
	t.Helper()
	if _, err := h.Authenticate(origin(), raw); token.ReasonOf(err) != want {
		t.Errorf("refused as %q (%v), want %q", token.ReasonOf(err), err, want)
	}
}

// Retired keys verify for as long as the longest access token lives, here 24 h,
// and not longer, also across restarts; keys that never were active have no end.
func TestRetiredKeysEnd(t *testing.T) {
	h := newHouse(t)
	from := 0
	h.use(t, keyRing(t, "k1", "foreign"))
	h.wantEvents(t, &from) // the first start is no rotation
	h.wantNoted(t, "k1")
	old := h.issue(t)
	h.use(t, keyRing(t, "foreign", "k1"))
	foreign := h.issue(t)
	h.use(t, keyRing(t, "k1", "foreign"))
	if events := words(h.events(t)); !slices.Equal(events, []string{"signing_key_rotated:foreign", "signing_key_rotated:k1"}) {
		t.Errorf("audited %v", events)
	}
	h.wantNoted(t, "k1", "foreign@0")

	h.now = start.Add(10 * time.Second)
	byHand := keyRing(t, "k2", "k1", "foreign", "byhand")
	h.use(t, byHand)
	h.wantNoted(t, "k1@10", "foreign@0", "k2")
	commits := h.store.commits.Load()
	h.now = start.Add(20 * time.Second)
	h.use(t, byHand) // SIGHUP, or a restart
	if h.store.commits.Load() != commits {
		t.Error("a ring that is known is written again")
	}
	again := build(t, cheap, h.store)
	again.use(t, byHand)
	for _, h := range []*house{h, again} {
		for _, step := range []struct {
			at        time.Duration
			old, frgn token.Reason
		}{
			{24*time.Hour - time.Millisecond, "", ""},
			{24 * time.Hour, "", token.ReasonUnknownKey},
			{24*time.Hour + 10*time.Second - time.Millisecond, "", token.ReasonUnknownKey},
			{24*time.Hour + 10*time.Second, token.ReasonUnknownKey, token.ReasonUnknownKey},
		} {
			h.now = start.Add(step.at)
			h.wantReason(t, old, step.old)
			h.wantReason(t, foreign, step.frgn)
		}
	}
	h.use(t, keyRing(t, "k2", "byhand"))
	h.wantNoted(t, "k2") // what is not in the file any more is forgotten
}

func TestKeyThatComesBack(t *testing.T) {
	h := newHouse(t)
	h.use(t, keyRing(t, "k1", "k2"))
	h.use(t, keyRing(t, "k2", "k1"))
	h.now = start.Add(time.Hour)
	h.use(t, keyRing(t, "k1", "k2"))
	h.wantNoted(t, "k1", "k2@3600")
	raw := h.issue(t)
	h.now = start.Add(25 * time.Hour)
	h.wantReason(t, raw, "") // it is active, whatever it was before
}

func TestRingActors(t *testing.T) {
	h := newHouse(t)
	h.use(t, keyRing(t, "k1"))
	h.use(t, keyRing(t, "k2", "k1"))
	if err := h.UseRing(gateway.WithActor(origin(), gateway.ActorCLI), keyRing(t, "k3", "k2")); err != nil {
		t.Fatal(err)
	}
	events := h.events(t)
	if len(events) != 2 || events[0].Actor != gateway.ActorGateway || events[1].Actor != gateway.ActorCLI || events[1].Subject != "k3" {
		t.Errorf("audited %+v", events)
	}
}

func TestFailedUseRingChangesNothing(t *testing.T) {
	h := newHouse(t)
	h.use(t, keyRing(t, "k1"))
	raw := h.issue(t)
	h.store.fail = errors.New("no space")
	wantCode(t, h.UseRing(origin(), keyRing(t, "k2")), gateway.CodeInternal)
	h.wantReason(t, raw, "")
}
