package password

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
)

// Wrapped legacy hashes are kept as
//
//	$edgegw-legacy$sha256$SALT$  or  $edgegw-legacy$sha256s$SALT$
//
// and the PHC string of Argon2id over the 32 bytes of the legacy digest. SALT is
// the legacy salt in base64 without padding, empty for none; sha256 digests have
// it before the password, sha256s after it. The digest itself is kept nowhere:
// who steals the file has to guess through Argon2id like for any other password.
const legacyPrefix = "$edgegw-legacy$"

// maxLegacySaltBytes bounds the salt of a legacy hash, as text.
const maxLegacySaltBytes = 64

// scheme says what Argon2id is run over.
type scheme string

const (
	schemePlain      scheme = ""        // the normalised password
	schemeSaltBefore scheme = "sha256"  // SHA-256 of salt and password
	schemeSaltAfter  scheme = "sha256s" // SHA-256 of password and salt
)

// stored is a parsed stored password of either form.
type stored struct {
	phc
	scheme scheme
	legacy string // the legacy salt
}

// IsLegacy reports whether a stored password is a wrapped legacy hash, which the
// next login replaces.
func IsLegacy(s string) bool { return strings.HasPrefix(s, legacyPrefix) }

// parseStored refuses everything that this package would not have written
// itself, like parsePHC.
func parseStored(s string) (stored, error) {
	// Before anything is searched for in it.
	if len(s) > MaxPHCBytes {
		return stored{}, overlong(s)
	}
	rest, wrapped := strings.CutPrefix(s, legacyPrefix)
	if !wrapped {
		h, err := parsePHC(s)
		return stored{phc: h}, err
	}
	name, rest, _ := strings.Cut(rest, "$")
	salt64, inner, found := strings.Cut(rest, "$")
	w := stored{scheme: scheme(name)}
	if !found || w.scheme != schemeSaltBefore && w.scheme != schemeSaltAfter {
		return stored{}, errors.New("the wrapped hash is not of the form $edgegw-legacy$sha256$salt$… or $edgegw-legacy$sha256s$salt$…")
	}
	salt, err := decode(salt64, "legacy salt", 0, maxLegacySaltBytes)
	if err != nil {
		return stored{}, err
	}
	w.legacy = string(salt)
	if w.phc, err = parsePHC(inner); err != nil {
		return stored{}, err
	}
	if w.String() != s {
		return stored{}, errors.New("the wrapped hash is not in canonical form")
	}
	return w, nil
}

// String writes the one spelling of w that parseStored accepts.
func (w stored) String() string {
	if w.scheme == schemePlain {
		return w.phc.String()
	}
	return legacyPrefix + string(w.scheme) + "$" + base64.RawStdEncoding.EncodeToString([]byte(w.legacy)) + "$" + w.phc.String()
}

// digest is what a legacy system kept of the password.
func (w stored) digest(password string) []byte {
	var d [sha256.Size]byte
	if w.scheme == schemeSaltAfter {
		d = sha256.Sum256([]byte(password + w.legacy))
	} else {
		d = sha256.Sum256([]byte(w.legacy + password))
	}
	return d[:]
}

// inputs are what Argon2id is run over to compare password with w, one after the
// other until one matches. Legacy systems hashed the bytes as the keyboard sent
// them, so these come first, and their NFKC form second if it is another.
//
// The number of runs depends on the password alone: a plain hash is tried twice
// as well, with the same input and so with the same end, when the password is not
// in NFKC. Without that, anybody could send one and tell by the time which names
// still have a legacy hash, and which exist at all.
//
// An unfit password costs one run over the empty one, whatever w is.
func (w stored) inputs(password, normal string, fit bool) [][]byte {
	input := func(s string) []byte { return []byte(s) }
	if w.scheme != schemePlain {
		input = w.digest
	}
	switch {
	case !fit:
		return [][]byte{input("")}
	case password == normal:
		return [][]byte{input(normal)}
	case w.scheme == schemePlain:
		return [][]byte{input(normal), input(normal)}
	}
	return [][]byte{input(password), input(normal)}
}
