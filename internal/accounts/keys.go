package accounts

import (
	"context"
	"fmt"
	"slices"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/token"
)

// MinTokenLife and MaxTokenLife bound the life of a token that IssueToken makes.
const (
	MinTokenLife = time.Second
	MaxTokenLife = 365 * 24 * time.Hour
)

// UseRing puts the signing keys in use that were read from their file. A change
// of the active key is audited. The key before it goes on verifying for the life
// of the longest access token, measured from now and kept in the store, so that a
// restart does not begin it anew. Keys that never were active have no end.
func (s *Service) UseRing(ctx context.Context, ring *token.KeyRing) error {
	s.rotating.Lock()
	defer s.rotating.Unlock()
	return s.useRingLocked(ctx, ring)
}

func (s *Service) useRingLocked(ctx context.Context, ring *token.KeyRing) error {
	if gateway.OriginOf(ctx).Actor == "" {
		ctx = gateway.WithActor(ctx, gateway.ActorGateway)
	}
	var keys []gateway.SigningKey
	err := s.update(ctx, func(tx Tx, log *journal) error {
		noted, err := tx.SigningKeys()
		if err != nil {
			return err
		}
		keys = renote(noted, ring, log.now)
		if before := active(noted); len(noted) > 0 && before != ring.Active() {
			log.add(gateway.EventSigningKeyRotated, ring.Active(), "")
		}
		return tx.PutSigningKeys(keys)
	})
	if err != nil {
		return err
	}
	ends := make(map[string]time.Time, len(keys))
	for _, k := range keys {
		if k.Retired != 0 {
			ends[k.ID] = time.UnixMilli(int64(s.endOf(k)))
		}
	}
	s.opts.Tokens.SetRing(ring.Until(ends))
	return nil
}

// active is the noted key that signs, "" for that of a secret file.
func active(noted []gateway.SigningKey) string {
	for _, k := range noted {
		if k.Retired == 0 {
			return k.ID
		}
	}
	return ""
}

// renote is what is to be remembered of a ring: the key that is active, and when
// those that were active ceased to be. Keys that are not in the ring any more are
// forgotten.
func renote(noted []gateway.SigningKey, ring *token.KeyRing, now gateway.Timestamp) []gateway.SigningKey {
	ids := ring.KIDs()
	var keys []gateway.SigningKey
	for _, k := range noted {
		if k.ID == "" && !slices.Contains(ids, "") {
			k.ID = token.SecretKID // the secret file has become a keys file
		}
		known := slices.ContainsFunc(keys, func(other gateway.SigningKey) bool { return other.ID == k.ID })
		if !slices.Contains(ids, k.ID) || known {
			continue
		}
		switch {
		case k.ID == ring.Active():
			k.Retired = 0
		case k.Retired == 0:
			k.Retired = now
		}
		keys = append(keys, k)
	}
	if !slices.ContainsFunc(keys, func(k gateway.SigningKey) bool { return k.ID == ring.Active() }) {
		keys = append(keys, gateway.SigningKey{ID: ring.Active()})
	}
	return keys
}

// endOf is when the last access token of a retired key has expired.
func (s *Service) endOf(k gateway.SigningKey) gateway.Timestamp {
	return k.Retired + gateway.Timestamp(max(s.opts.AccessTTL, s.opts.DeviceAccessTTL).Milliseconds())
}

// RotateKey makes a new signing key, puts it in use and returns its name. Keys
// that have come to their end leave the file. Tokens of the key before it,
// IssueToken's with a longer life too, work as long as UseRing says. It returns
// CodeConflict when the key is not edgegw's to change, with what to do, and
// CodeUnavailable when the file cannot be written.
func (s *Service) RotateKey(ctx context.Context) (kid string, err error) {
	if s.opts.Keys == nil {
		return "", gateway.Errorf(gateway.CodeConflict,
			"the signing key cannot be rotated from here; add a key to its file by hand and send the gateway SIGHUP")
	}
	s.rotating.Lock() // of two rotations at once the file would lose one key
	defer s.rotating.Unlock()
	over, err := s.endedKeys()
	if err != nil {
		return "", err
	}
	kid, err = s.opts.Keys.Rotate(func(kid string) bool { return slices.Contains(over, kid) })
	if err != nil {
		return "", wrap("accounts.RotateKey", err)
	}
	ring, err := s.opts.Keys.Load()
	if err != nil {
		return "", wrap("accounts.RotateKey", err)
	}
	return kid, s.useRingLocked(ctx, ring)
}

// endedKeys names the retired keys that verify nothing any more.
func (s *Service) endedKeys() (over []string, err error) {
	err = s.opts.Store.View(func(tx Tx) error {
		noted, err := tx.SigningKeys()
		for _, k := range noted {
			if k.Retired != 0 && s.endOf(k) <= s.now() {
				over = append(over, k.ID)
			}
		}
		return err
	})
	return over, wrap("accounts.endedKeys", err)
}

// IssueToken makes an access token without a session for an account, MinTokenLife
// to MaxTokenLife long; room, if not "", becomes its default room. Nothing ends
// it before its time but a rotation of the signing key, and disabling or deleting
// the account. It returns CodeInvalidRequest for a life or a room out of shape,
// CodeNotFound, and CodeConflict for a disabled account.
func (s *Service) IssueToken(ctx context.Context, name gateway.AccountName, room gateway.RoomID, life time.Duration) (raw string, err error) {
	if life < MinTokenLife || life > MaxTokenLife {
		return "", gateway.Errorf(gateway.CodeInvalidRequest, "a token lives 1 second to 365 days")
	}
	if room != "" {
		if _, err := gateway.ParseRoomID(string(room)); err != nil {
			return "", err
		}
	}
	err = s.update(ctx, func(tx Tx, log *journal) error {
		a, exists, err := tx.Account(name)
		switch {
		case err != nil:
			return err
		case !exists:
			return gateway.Errorf(gateway.CodeNotFound, "there is no account with this name")
		case a.Disabled:
			return gateway.Errorf(gateway.CodeConflict, "%s is disabled; enable the account first", name)
		}
		log.add(gateway.EventTokenIssued, string(name), fmt.Sprintf("seconds=%d", life/time.Second))
		raw, err = s.opts.Tokens.Issue(token.Claims{Subject: name, Room: room}, life)
		return err
	})
	if err != nil {
		return "", err
	}
	return raw, nil
}

// InspectToken tells what is in an access token, and why it is refused if it is.
// It leaves no trace in logs and counts.
func (s *Service) InspectToken(raw string) Inspection {
	header, claims, expires, err := s.opts.Tokens.Inspect(raw)
	if err == nil {
		_, err = s.authenticate(raw)
	}
	i := Inspection{Header: header, Claims: claims}
	if !expires.IsZero() {
		i.ExpiresIn = expires.Sub(s.opts.Now())
	}
	if err != nil {
		i.Problem = gateway.AsError(err).Message
	}
	return i
}
