package password

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// phc is a parsed Argon2id hash:
//
//	$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH
//
// with salt and hash in base64 without padding. See the PHC string format,
// https://github.com/P-H-C/phc-string-format/blob/master/phc-sf-spec.md.
type phc struct {
	params Params
	salt   []byte
	hash   []byte
}

const phcPrefix = "$argon2id$v=19$"

// String writes the one spelling of h that parsePHC accepts.
func (h phc) String() string {
	return fmt.Sprintf("%sm=%d,t=%d,p=%d$%s$%s", phcPrefix, h.params.MemoryKiB, h.params.Time, h.params.Threads,
		base64.RawStdEncoding.EncodeToString(h.salt), base64.RawStdEncoding.EncodeToString(h.hash))
}

// parsePHC refuses everything that this package would not have written itself,
// and everything beyond the limits of params.go, before a byte of memory is
// spent on hashing. Callers have bounded its length. Its errors never quote the
// string.
func parsePHC(s string) (phc, error) {
	rest, ok := strings.CutPrefix(s, phcPrefix)
	fields := strings.Split(rest, "$")
	if !ok || len(fields) != 3 {
		return phc{}, errors.New("the hash is not of the form $argon2id$v=19$m=…,t=…,p=…$salt$hash")
	}
	params, err := parseParams(fields[0])
	if err != nil {
		return phc{}, err
	}
	h := phc{params: params}
	if h.salt, err = decode(fields[1], "salt", minSaltBytes, maxSaltBytes); err != nil {
		return phc{}, err
	}
	if h.hash, err = decode(fields[2], "value", minHashBytes, maxHashBytes); err != nil {
		return phc{}, err
	}
	// One value, one spelling: leading zeros, signs and line breaks inside
	// the base64 (which Go's decoder skips) end here.
	if h.String() != s {
		return phc{}, errors.New("the hash is not in canonical form")
	}
	return h, nil
}

func overlong(s string) error {
	return fmt.Errorf("the hash has %d bytes; at most %d are looked at", len(s), MaxPHCBytes)
}

func parseParams(s string) (Params, error) {
	var values [3]uint64
	parts := strings.Split(s, ",")
	if len(parts) != len(values) {
		return Params{}, errors.New("the hash has parameters other than m, t and p")
	}
	for i, name := range [...]string{"m=", "t=", "p="} {
		digits, ok := strings.CutPrefix(parts[i], name)
		bits := 32
		if name == "p=" {
			bits = 8
		}
		v, err := strconv.ParseUint(digits, 10, bits)
		if !ok || err != nil {
			return Params{}, errors.New("the hash has no number within bounds for m, t or p, in this order")
		}
		values[i] = v
	}
	p := Params{MemoryKiB: uint32(values[0]), Time: uint32(values[1]), Threads: uint8(values[2])}
	return p, p.Check()
}

func decode(s, what string, least, most int) ([]byte, error) {
	b, err := base64.RawStdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) < least || len(b) > most {
		return nil, fmt.Errorf("the %s of the hash is not %d to %d bytes of base64 without padding", what, least, most)
	}
	return b, nil
}
