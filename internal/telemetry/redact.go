package telemetry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
)

// Redacted stands where a secret was.
const Redacted = "[redacted]"

var (
	// secretWords name secrets wherever they stand in a key; secretParts
	// only as a whole part of it, since "monkey" is no key.
	secretWords = []string{"token", "password", "passwd", "passphrase", "secret", "authorization", "cookie", "credential", "jwt", "bearer"}
	secretParts = []string{"key", "keys", "hash", "phc"}
	// harmlessEnds are of keys that speak about a secret without holding it.
	harmlessEnds = []string{"_file", "_ttl", "_length", "_count", "_total", "_reason", "_id", "_event"}
)

// redact is the ReplaceAttr of every handler, so that it sees each attribute of
// each line, those of groups and the message included.
func redact(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
		return a
	}
	if namesSecret(a.Key) {
		return slog.String(a.Key, Redacted)
	}
	for _, g := range groups {
		if namesSecret(g) {
			return slog.String(a.Key, Redacted)
		}
	}
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(scrub(a.Value.String()))
	case slog.KindAny:
		a.Value = slog.AnyValue(scrubAny(a.Value.Any()))
	}
	return a
}

func namesSecret(key string) bool {
	key = strings.ToLower(key)
	for _, end := range harmlessEnds {
		if strings.HasSuffix(key, end) {
			return false
		}
	}
	for _, w := range secretWords {
		if strings.Contains(key, w) {
			return true
		}
	}
	for part := range strings.FieldsFuncSeq(key, func(r rune) bool { return r == '_' || r == '-' || r == '.' || r == ' ' }) {
		for _, p := range secretParts {
			if part == p {
				return true
			}
		}
	}
	return false
}

// scrub replaces what looks like a token, a key, a code or a password hash inside
// a text.
func scrub(s string) string {
	// Most texts hold neither character.
	if strings.IndexByte(s, '.') >= 0 {
		s = replaceShapes(s, jwtIn)
	}
	if strings.IndexByte(s, '$') >= 0 {
		s = replaceShapes(s, hashIn)
	}
	return scrubWords(s)
}

// scrubAny gives what would be logged of a value, without the secrets. It never
// changes v, and a value that cannot even be printed does not end the process.
func scrubAny(v any) (clean any) {
	defer func() {
		if recover() != nil {
			clean = fmt.Sprintf("[%T that cannot be printed]", v)
		}
	}()
	switch v := v.(type) {
	case nil:
		return nil
	case error:
		return scrub(v.Error())
	case fmt.Stringer:
		return scrub(v.String())
	case []byte:
		return fmt.Sprintf("[%d bytes]", len(v))
	}
	// Anything else by its JSON form. Such values are rare in the log.
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("[%T]", v)
	}
	var plain any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber() // a float64 would round large integers
	if d.Decode(&plain) != nil {
		return fmt.Sprintf("[%T]", v)
	}
	return scrubPlain(plain)
}

// scrubPlain cleans a decoded JSON value in place. Its depth is bounded by what
// encoding/json marshals.
func scrubPlain(v any) any {
	switch v := v.(type) {
	case string:
		return scrub(v)
	case map[string]any:
		clean := make(map[string]any, len(v))
		for key, member := range v {
			if namesSecret(key) {
				member = Redacted
			}
			clean[scrub(key)] = scrubPlain(member)
		}
		return clean
	case []any:
		for i, member := range v {
			v[i] = scrubPlain(member)
		}
	}
	return v
}
