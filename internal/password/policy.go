package password

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"edgegw/internal/gateway"
)

const (
	// DefaultMinLength is the shortest new password, in code points, when
	// nothing else is configured (NIST SP 800-63B-4 section 3.1.1.2, a
	// password as the single factor).
	DefaultMinLength = 15
	// LowestMinLength is the least that can be configured.
	LowestMinLength = 8
	// MaxBytes bounds the work on a password before it is looked at: 256
	// code points of at most four bytes, four times over for spellings that
	// normalisation shortens.
	MaxBytes = 4 << 10
)

// normalize returns the one form of a password that is hashed: NFKC, untrimmed,
// so that two keyboards that spell one letter differently agree. It returns
// CodeWeakPassword with what to do for a password that cannot be hashed at all.
func normalize(password string) (string, error) {
	tooLong := gateway.Errorf(gateway.CodeWeakPassword,
		"the password is too long; use at most %d characters", gateway.MaxPasswordRunes)
	if len(password) > MaxBytes {
		return "", tooLong
	}
	if !utf8.ValidString(password) {
		return "", gateway.Errorf(gateway.CodeWeakPassword, "the password is not valid UTF-8; send it as UTF-8")
	}
	if strings.IndexByte(password, 0) >= 0 {
		return "", gateway.Errorf(gateway.CodeWeakPassword, "the password holds a NUL character; leave it out")
	}
	password = norm.NFKC.String(password)
	if utf8.RuneCountInString(password) > gateway.MaxPasswordRunes {
		return "", tooLong
	}
	return password, nil
}

// Policy says which new passwords are accepted: long ones that are not the first
// that come to everybody's mind. There are no composition rules (NIST SP 800-63B-4
// section 3.1.1.2). Stored passwords keep working whatever the policy becomes.
type Policy struct {
	// MinLength is the shortest new password in code points, counted after
	// NFKC: LowestMinLength to gateway.MaxPasswordRunes; 0 is
	// DefaultMinLength.
	MinLength int
	// Site is the name of the place, which is no password there, or "".
	Site string
}

// advice ends the messages about passwords that are long enough.
const advice = "use another one, for example four or five unrelated words"

// Check returns CodeWeakPassword with what to do unless password may become the
// password of the account called name. It compares the whole password, without
// regard to case, with the commonest ones, the names of account and site, each of
// them repeated, and rows of letters, digits and keys. A password that merely
// holds one of these is fine.
func (p Policy) Check(password, name string) error {
	normal, err := normalize(password)
	if err != nil {
		return err
	}
	least := p.MinLength
	if least == 0 {
		least = DefaultMinLength
	}
	if least = max(least, LowestMinLength); utf8.RuneCountInString(normal) < least {
		return gateway.Errorf(gateway.CodeWeakPassword,
			"the password is too short; use at least %d characters, for example four or five unrelated words", least)
	}
	folded, name, site := fold(normal), fold(name), fold(norm.NFKC.String(p.Site))
	list := commonest()
	weak := func(s string) bool { return isCommon(list, s) || s == name || s == site }
	switch {
	case isCommon(list, folded):
		return gateway.Errorf(gateway.CodeWeakPassword, "the password is one of the commonest, which are guessed first; %s", advice)
	case folded == name:
		return gateway.Errorf(gateway.CodeWeakPassword, "the password is the account's own name; %s", advice)
	case folded == site:
		return gateway.Errorf(gateway.CodeWeakPassword, "the password is the name of the site; %s", advice)
	case isRepeated(folded, weak):
		return gateway.Errorf(gateway.CodeWeakPassword, "the password repeats a short or common piece; %s", advice)
	case isRow(folded):
		return gateway.Errorf(gateway.CodeWeakPassword, "the password is a row of neighbouring letters, digits or keys; %s", advice)
	}
	return nil
}
