package telemetry

import "strings"

// The shapes of secrets are found by hand: the package regexp costs 0.2 MB on
// armv6, which is more than the rest of the log. The tests hold them against the
// expressions that they stand for.

// replaceShapes puts Redacted in the place of everything that next finds. next
// gives the first place in a text, from -1 on where there is none.
func replaceShapes(s string, next func(s string) (from, to int)) string {
	from, to := next(s)
	if from < 0 {
		return s
	}
	var b strings.Builder
	for from >= 0 {
		b.WriteString(s[:from])
		b.WriteString(Redacted)
		s = s[to:]
		from, to = next(s)
	}
	b.WriteString(s)
	return b.String()
}

// Bounds of the shape of a JWT.
const (
	leastSegment   = 8
	leastSignature = 43 // of 32 bytes
	leastHeader    = 4  // behind its beginning
)

// jwtIn finds the first JWT: three base64url segments, the last as long as the
// shortest signature, or anything that starts as the header of a JWT does: {" or {
// or a line break in base64. Room ids and host names have dots too, so that three
// short words do not count. It stands for
//
//	[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{43,}=*|e(?:yJ|yA|wo|w0)[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_.=-]+
func jwtIn(s string) (from, to int) {
	for start := 0; start < len(s); {
		end := segment(s, start)
		if end < len(s) && s[end] == '.' {
			if to := signedAt(s, start, end); to >= 0 {
				return start, to
			}
			if from := headerIn(s[start:end]); from >= 0 {
				if to := span(s, end+1, isToken); to > end+1 {
					return start + from, to
				}
			}
		}
		start = end + 1
	}
	return -1, -1
}

// signedAt is the end of three segments, the first being s[start:end], or -1.
func signedAt(s string, start, end int) int {
	second := segment(s, end+1)
	if end-start < leastSegment || second-end-1 < leastSegment || second == len(s) || s[second] != '.' {
		return -1
	}
	third := segment(s, second+1)
	if third-second-1 < leastSignature {
		return -1
	}
	return span(s, third, func(c byte) bool { return c == '=' })
}

// headerIn is where in a segment the header of a JWT starts, or -1.
func headerIn(segment string) int {
	for i := 0; i+len("eyJ")+leastHeader <= len(segment); i++ {
		switch segment[i : i+len("eyJ")] {
		case "eyJ", "eyA", "ewo", "ew0":
			return i
		}
	}
	return -1
}

// hashIn finds the first password hash, in PHC form or one of its forerunners, or
// in the legacy form with a salt. It stands for
//
//	\$argon2[^\s"']*|\$(?:2[abxy]?|scrypt|pbkdf2[a-z0-9-]*|[156y])\$[^\s"']+|sha256s?\$[^\s"']+
func hashIn(s string) (from, to int) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '$':
			if strings.HasPrefix(s[i+1:], "argon2") {
				return i, span(s, i+len("$argon2"), isUnquoted)
			}
			name, _, more := strings.Cut(s[i+1:], "$")
			if more && namesHash(name) {
				if salt := i + 1 + len(name) + 1; span(s, salt, isUnquoted) > salt {
					return i, span(s, salt, isUnquoted)
				}
			}
		case 's':
			for _, form := range []string{"sha256$", "sha256s$"} {
				if salt := i + len(form); strings.HasPrefix(s[i:], form) && span(s, salt, isUnquoted) > salt {
					return i, span(s, salt, isUnquoted)
				}
			}
		}
	}
	return -1, -1
}

// namesHash: the names of crypt(5), of scrypt and of PBKDF2.
func namesHash(name string) bool {
	switch name {
	case "2", "2a", "2b", "2x", "2y", "1", "5", "6", "y", "scrypt":
		return true
	}
	rest, ok := strings.CutPrefix(name, "pbkdf2")
	return ok && span(rest, 0, isName) == len(rest)
}

func segment(s string, from int) int { return span(s, from, isSegment) }

// span is the end of the bytes from there on that are all of a class.
func span(s string, from int, class func(byte) bool) int {
	for from < len(s) && class(s[from]) {
		from++
	}
	return from
}

func isName(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' }

func isSegment(c byte) bool { return isName(c) || 'A' <= c && c <= 'Z' || c == '_' }

func isToken(c byte) bool { return isSegment(c) || c == '.' || c == '=' }

func isUnquoted(c byte) bool { return strings.IndexByte(" \t\n\f\r\"'", c) < 0 }
