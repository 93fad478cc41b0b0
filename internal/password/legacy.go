package password

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"edgegw/internal/gateway"
)

// Imported is a hash that another system made and Adopt found good. It holds a
// secret; printing it shows none of it.
type Imported struct {
	stored stored
	digest []byte // of a legacy hash, until it is wrapped
}

// Legacy reports whether the hash has to be wrapped.
func (i Imported) Legacy() bool { return i.stored.scheme != schemePlain }

// String keeps the hash out of logs.
func (i Imported) String() string { return "an imported hash" }

// GoString is String.
func (i Imported) GoString() string { return i.String() }

// Adopt reads a hash that another system made:
//
//	$argon2id$v=19$…     Argon2id in PHC form, within the limits of Params
//	64 hex digits        SHA-256 of the password
//	sha256$SALT$HEX      SHA-256 of salt and password
//	sha256s$SALT$HEX     SHA-256 of password and salt
//
// SALT is text of 1 to 64 bytes and is used as it stands. Adopt costs no hash. It
// returns CodeInvalidRequest with what is wrong, without quoting the hash.
func Adopt(hash string) (Imported, error) {
	if len(hash) > MaxPHCBytes {
		return Imported{}, unusable(overlong(hash))
	}
	if strings.HasPrefix(hash, "$argon2") {
		h, err := parsePHC(hash)
		if err != nil {
			return Imported{}, unusable(err)
		}
		return Imported{stored: stored{phc: h}}, nil
	}
	i := Imported{stored: stored{scheme: schemeSaltBefore}}
	digits := hash
	for _, s := range [...]scheme{schemeSaltBefore, schemeSaltAfter} {
		rest, ok := strings.CutPrefix(hash, string(s)+"$")
		if !ok {
			continue
		}
		// The salt may hold a dollar sign, the digits cannot.
		cut := strings.LastIndexByte(rest, '$')
		if cut < 0 {
			return Imported{}, unusable(fmt.Errorf("the hash is not of the form %s$SALT$HEX", s))
		}
		i.stored.scheme, i.stored.legacy, digits = s, rest[:cut], rest[cut+1:]
		if err := checkLegacySalt(i.stored.legacy); err != nil {
			return Imported{}, unusable(err)
		}
	}
	var err error
	if i.digest, err = hex.DecodeString(digits); err != nil || len(i.digest) != sha256.Size {
		return Imported{}, unusable(errors.New(
			"the hash is neither argon2id in PHC form nor 64 hex digits, alone or behind sha256$SALT$ or sha256s$SALT$"))
	}
	// Systems that let people in without a password keep this for them.
	if subtle.ConstantTimeCompare(i.digest, i.stored.digest("")) == 1 {
		return Imported{}, unusable(errors.New("the hash is that of an empty password, which lets nobody in; leave the account out and add it with a password"))
	}
	return i, nil
}

func checkLegacySalt(salt string) error {
	switch {
	case salt == "":
		return errors.New("the salt is empty; if there is none, give the 64 hex digits alone")
	case len(salt) > maxLegacySaltBytes:
		return fmt.Errorf("the salt has %d bytes; at most %d can be kept", len(salt), maxLegacySaltBytes)
	case !utf8.ValidString(salt) || strings.ContainsFunc(salt, unicode.IsControl):
		return errors.New("the salt is not UTF-8 text without control characters")
	}
	return nil
}

// unusable shows the sender what is wrong. None of the causes quotes the hash.
func unusable(err error) error {
	return gateway.Errorf(gateway.CodeInvalidRequest, "%s", err.Error())
}

// Wrap returns the form in which an imported hash is stored: Argon2id as it was
// given, at no cost, and a legacy hash inside a new Argon2id, so that it is
// nowhere at rest from then on.
//
// Wrap is patient: it waits for its turn however long the queue is, takes no
// place in it away from those who log in, and is served in turn with them. It
// returns CodeBusy only when ctx ends.
func (h *Hasher) Wrap(ctx context.Context, i Imported) (string, error) {
	w := i.stored
	if !i.Legacy() {
		if err := w.params.Check(); err != nil { // an Imported that Adopt has not made
			return "", gateway.Wrap("password.Wrap", err)
		}
		return w.String(), nil
	}
	if err := h.acquirePatiently(ctx); err != nil {
		return "", err
	}
	defer h.release()
	w.phc = phc{params: h.params, salt: random(newSaltBytes)}
	w.hash = h.run(w.params, i.digest, w.phc.salt, newHashBytes)
	return w.String(), nil
}
