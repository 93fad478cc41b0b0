package token

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// MinSecretBytes is the shortest signing secret (RFC 7518 section 3.2:
	// as long as the hash or longer).
	MinSecretBytes = 32
	// MaxSecretBytes is the longest.
	MaxSecretBytes = 4 << 10
	// MaxKeys is how many keys one ring holds.
	MaxKeys = 16

	// minDistinct refuses secrets that someone leant on a key to make. Of
	// 32 random hex digits fewer than six differ once in 10^13.
	minDistinct = 6
)

// key is one secret together with the algorithm that it is for: the algorithm
// belongs to the key, never to the token.
type key struct {
	id     string
	method *jwt.SigningMethodHMAC
	secret []byte
	until  time.Time // when it stops verifying, or zero
}

func (k *key) ended(now time.Time) bool { return !k.until.IsZero() && !now.Before(k.until) }

// KeyRing is a set of keys: one signs, all verify, so that a rotation logs nobody
// out; Until lets those that no longer sign come to an end. It never changes; Authority.SetRing puts another in its place.
type KeyRing struct {
	active  key
	all     []key
	byID    map[string][]key
	exposed bool
}

// NewSecretRing makes the ring of a jwt_secret_file: one key without a name. The
// secret is the file's bytes less one trailing newline. Its tokens carry no kid,
// and a token with a kid is refused.
func NewSecretRing(file []byte) (*KeyRing, error) {
	secret := bytes.Clone(bytes.TrimSuffix(file, []byte("\n")))
	if err := checkSecret(secret); err != nil {
		return nil, err
	}
	k := key{method: jwt.SigningMethodHS256, secret: secret}
	return &KeyRing{active: k, all: []key{k}}, nil
}

// NewKeysRing makes the ring of a jwt_keys_file:
//
//	{"active":KID,"keys":{KID:base64, …}}
//
// with the secrets in standard base64, with or without padding, and KIDs of 1 to
// 64 letters, digits and . _ -. Unknown or doubled members are errors.
//
// This ring replaces the secret file, so a token without kid is tried with every
// key in it. That lets nobody in who could not have named the key, and it keeps
// those in who hold tokens from the time of the secret file, or from a service
// that never sets a kid, while keys rotate.
func NewKeysRing(file []byte) (*KeyRing, error) {
	ring := &KeyRing{byID: map[string][]key{}}
	var active string
	err := members(file, func(name, value []byte) error {
		switch string(name) {
		case "active":
			var ok bool
			if active, ok = text(value); !ok {
				return errors.New(`"active" is not a string`)
			}
			return nil
		case "keys":
			return members(value, ring.add)
		}
		return fmt.Errorf(`unknown member %.32q; only "active" and "keys" are known`, name)
	})
	if err != nil {
		return nil, err
	}
	chosen, ok := ring.byID[active]
	if !ok {
		return nil, errors.New(`"active" names no key in "keys"; write {"active":"k1","keys":{"k1":"BASE64"}}`)
	}
	ring.active = chosen[0]
	return ring, nil
}

func (r *KeyRing) add(name, value []byte) error {
	id := string(name)
	if !validKeyID(id) {
		return errors.New("a key's name is not 1 to 64 letters, digits and . _ -")
	}
	if len(r.all) == MaxKeys {
		return fmt.Errorf("more than %d keys; remove those that no valid token is signed with", MaxKeys)
	}
	secret, err := secretFromBase64(value)
	if err == nil {
		err = checkSecret(secret)
	}
	if err != nil {
		return fmt.Errorf("key %q: %w", id, err)
	}
	k := key{id: id, method: jwt.SigningMethodHS256, secret: secret}
	r.all = append(r.all, k)
	r.byID[id] = []key{k}
	return nil
}

// Until returns a ring with the same keys in which those that ends names verify
// only before the time given for them; afterwards they are as unknown as if they
// were not there. The others have no end, whatever they had in r. The active key
// never has one: a token signed with it must verify. Names that are not in the
// ring mean nothing.
func (r *KeyRing) Until(ends map[string]time.Time) *KeyRing {
	with := &KeyRing{active: r.active, exposed: r.exposed, byID: make(map[string][]key, len(r.byID))}
	for _, k := range r.all {
		k.until = time.Time{}
		if k.id != r.active.id {
			k.until = ends[k.id]
		}
		with.all = append(with.all, k)
		if r.byID != nil {
			with.byID[k.id] = []key{k}
		}
	}
	return with
}

// KIDs returns the names of the keys, in the order of their file, also of those
// that Until has ended. The one key of a secret file has the name "".
func (r *KeyRing) KIDs() []string {
	ids := make([]string, len(r.all))
	for i, k := range r.all {
		ids[i] = k.id
	}
	return ids
}

// Active returns the name of the key that signs, or "" for that of a secret file.
func (r *KeyRing) Active() string { return r.active.id }

// candidates returns the keys that may have signed a token, ended ones among
// them.
func (r *KeyRing) candidates(kid string, hasKID bool) []key {
	if hasKID {
		return r.byID[kid]
	}
	return r.all
}

// Exposed reports whether the ring was loaded from a file that every user of the
// machine may read.
func (r *KeyRing) Exposed() bool { return r.exposed }

func validKeyID(id string) bool {
	for _, c := range []byte(id) {
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && !strings.ContainsRune("._-", rune(c)) {
			return false
		}
	}
	return id != "" && len(id) <= 64
}

func secretFromBase64(value []byte) ([]byte, error) {
	bad := errors.New("the secret is not a string of standard base64")
	s, ok := text(value)
	if !ok {
		return nil, bad
	}
	secret, err := base64.RawStdEncoding.Strict().DecodeString(strings.TrimRight(s, "="))
	if err != nil {
		return nil, bad
	}
	// Go's decoder skips line breaks, and any number of = was cut off.
	if s != base64.StdEncoding.EncodeToString(secret) && s != base64.RawStdEncoding.EncodeToString(secret) {
		return nil, bad
	}
	return secret, nil
}

func checkSecret(secret []byte) error {
	const hint = "; make one with: head -c 48 /dev/urandom | base64 -w 0"
	if len(secret) < MinSecretBytes {
		return fmt.Errorf("the secret has %d bytes, at least %d are needed%s", len(secret), MinSecretBytes, hint)
	}
	if len(secret) > MaxSecretBytes {
		return fmt.Errorf("the secret is longer than %d bytes%s", MaxSecretBytes, hint)
	}
	var seen [256]bool
	distinct := 0
	for _, b := range secret {
		if !seen[b] {
			seen[b] = true
			distinct++
		}
	}
	if distinct < minDistinct {
		return errors.New("the secret repeats the same few bytes, so it can be guessed" + hint)
	}
	return nil
}
