package telemetry

import "strings"

// What counts as a bare secret: device keys and reset codes have 43 characters of
// base64url, refresh tokens have more, and SHA-256 in hex has 64.
const (
	bareSecretBytes = 43
	hexDigestBytes  = 64
)

// scrubWords replaces secrets that stand in a text by themselves, with nothing
// that marks them as such. Parts of paths and of addresses stay.
func scrubWords(s string) string {
	var clean strings.Builder
	kept := 0
	// start is always the first byte of a word, or lies between words.
	for start := 0; start+bareSecretBytes <= len(s); {
		// From the back: in a text of short words this steps over most of
		// them unread.
		last := start + bareSecretBytes - 1
		for last >= start && isWordByte(s[last]) {
			last--
		}
		if last >= start {
			start = last + 1
			continue
		}
		end := start + bareSecretBytes
		for end < len(s) && isWordByte(s[end]) {
			end++
		}
		if looksDrawn(s[start:end]) && !inPath(s, start, end) {
			clean.WriteString(s[kept:start])
			clean.WriteString(Redacted)
			kept = end
		}
		start = end
	}
	if kept == 0 {
		return s
	}
	clean.WriteString(s[kept:])
	return clean.String()
}

// isWordByte reports whether c is one of the base64url alphabet.
func isWordByte(c byte) bool {
	return classOf(c) != 0 || c == '-' || c == '_'
}

// classOf gives a for small letters, A for capitals, 0 (the digit) for digits and
// the zero byte for the rest.
func classOf(c byte) byte {
	switch {
	case c >= 'a' && c <= 'z':
		return 'a'
	case c >= 'A' && c <= 'Z':
		return 'A'
	case c >= '0' && c <= '9':
		return '0'
	}
	return 0
}

// looksDrawn tells random words from names that people, or the programs of
// people, make: room-1, Building-12-North, sensor-1d4a37c5-7f3b-4a51-9d6b-…. Drawn
// words mix capitals, small letters and digits; names seldom have a capital behind
// a small letter or a letter behind a digit. Of 10^6 drawn words of 43 characters
// four have fewer than four capitals, small letters or such steps and are missed.
func looksDrawn(word string) bool {
	const least = 4
	if len(word) >= hexDigestBytes && isHex(word) {
		return true
	}
	small, capital, steps := 0, 0, 0
	before := byte(0)
	for i := range len(word) {
		class := classOf(word[i])
		switch class {
		case 'a':
			small++
		case 'A':
			capital++
		}
		if before == 'a' && class == 'A' || before == '0' && (class == 'a' || class == 'A') {
			steps++
		}
		before = class
	}
	return small >= least && capital >= least && steps >= least
}

func isHex(word string) bool {
	for i := range len(word) {
		c := word[i] | 0x20 // small letters; digits stay
		if !(c >= 'a' && c <= 'f' || c >= '0' && c <= '9') {
			return false
		}
	}
	return true
}

// inPath reports whether a word is part of a file's path, of an address or of a
// name with dots. A dot that ends a sentence is none of these.
func inPath(s string, start, end int) bool {
	before := start > 0 && (s[start-1] == '/' || s[start-1] == '.')
	behind := end < len(s) && s[end] == '/' || end+1 < len(s) && s[end] == '.' && isWordByte(s[end+1])
	return before || behind
}
