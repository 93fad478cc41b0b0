package accounts_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
	"edgegw/internal/token"
)

// keyFile is a key file of the gateway's own: a secret that becomes a ring.
type keyFile struct {
	t       *testing.T
	mu      sync.Mutex
	busy    bool
	names   []string // the active one first; none: still the secret file
	next    int
	dropped []string
	fail    error
}

func (k *keyFile) Rotate(drop func(string) bool) (string, error) {
	if k.fail != nil {
		return "", k.fail
	}
	k.mu.Lock()
	if k.busy {
		k.t.Error("two rotations at once")
	}
	k.busy = true
	names := k.names
	k.mu.Unlock()
	time.Sleep(time.Millisecond)
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(names) == 0 {
		names = []string{token.SecretKID}
	}
	k.next++
	kid := fmt.Sprintf("new%d", k.next)
	kept := []string{kid}
	for i, name := range names {
		if i > 0 && drop(name) {
			k.dropped = append(k.dropped, name)
			continue
		}
		kept = append(kept, name)
	}
	k.names, k.busy = kept, false
	return kid, nil
}

func (k *keyFile) Load() (*token.KeyRing, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.names) == 0 {
		return secretRing(k.t), nil
	}
	return keyRing(k.t, k.names...), nil
}

// The secret file becomes a key of the ring, and its tokens end with it.
func TestRotateKey(t *testing.T) {
	file := &keyFile{t: t}
	h := newHouse(t, func(o *accounts.Options) { o.Keys = file })
	h.use(t, secretRing(t))
	h.wantNoted(t, "")
	_, id := h.login(t, "ada")
	old := h.issue(t)
	from := len(h.events(t))
	kid, err := h.RotateKey(gateway.WithActor(origin(), gateway.ActorCLI))
	if err != nil || kid != "new1" {
		t.Fatal(kid, err)
	}
	h.wantEvents(t, &from, "signing_key_rotated:new1")
	h.wantNoted(t, token.SecretKID+"@0", "new1")
	h.wantReason(t, old, "")
	fresh := h.issue(t)
	if header, _, _, _ := h.tokens.Inspect(fresh); !strings.Contains(header, `"kid":"new1"`) {
		t.Errorf("the new key does not sign: %s", header)
	}
	h.now = start.Add(24*time.Hour - time.Second)
	if _, err := h.RotateKey(origin()); err != nil || len(file.dropped) != 0 {
		t.Errorf("%v; dropped %v", err, file.dropped)
	}
	h.wantReason(t, old, "")
	h.now = start.Add(24 * time.Hour)
	h.wantReason(t, old, token.ReasonSignature) // it has no kid: every key that is left was tried
	h.wantReason(t, fresh, "")
	if _, err := h.RotateKey(origin()); err != nil || !slices.Equal(file.dropped, []string{token.SecretKID}) {
		t.Errorf("%v; dropped %v", err, file.dropped)
	}
	h.wantNoted(t, "new1@86399", "new2@86400", "new3")
	if list := h.sessions(t, "ada"); len(list) != 1 || list[0].ID != id.Session {
		t.Errorf("the rotation ended sessions: %v", list)
	}
}

// A crash between writing the file and noting it changes nothing: the secret's
// key is known under its new name.
func TestRotationThatWasNotNoted(t *testing.T) {
	h := newHouse(t)
	h.use(t, secretRing(t))
	old := h.issue(t)
	h = build(t, cheap, h.store)
	h.use(t, keyRing(t, "k1", token.SecretKID))
	h.wantNoted(t, token.SecretKID+"@0", "k1")
	h.wantReason(t, old, "")
	h.now = start.Add(24 * time.Hour)
	h.wantReason(t, old, token.ReasonSignature)
}

func TestRotateKeyRefusals(t *testing.T) {
	h := newHouse(t)
	_, err := h.RotateKey(origin())
	wantCode(t, err, gateway.CodeConflict)
	file := &keyFile{t: t, fail: gateway.Errorf(gateway.CodeUnavailable, "read-only")}
	h = newHouse(t, func(o *accounts.Options) { o.Keys = file })
	_, err = h.RotateKey(origin())
	wantCode(t, err, gateway.CodeUnavailable)
	if events := h.events(t); len(events) != 0 {
		t.Errorf("audited %v", words(events))
	}
}

func TestRotationsAtOnce(t *testing.T) {
	file := &keyFile{t: t}
	h := newHouse(t, func(o *accounts.Options) { o.Keys = file })
	h.use(t, secretRing(t))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := h.RotateKey(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(file.names) != 9 {
		t.Errorf("the file has the keys %v", file.names)
	}
	if header, _, _, _ := h.tokens.Inspect(h.issue(t)); !strings.Contains(header, file.names[0]) {
		t.Errorf("%s signs, %v is active in the file", header, file.names[0])
	}
}
