package wire

import (
	"unicode/utf16"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// AppendQuoted appends s as a JSON string. s has to be UTF-8, which the frame
// reader has checked; only what RFC 8259 section 7 demands is escaped, so that
// a reader gets back what was sent.
func AppendQuoted[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// appendUnquoted appends the text of the JSON string token q, which includes
// its quotes and was found valid. A surrogate without its partner becomes
// U+FFFD, as in every UTF-8 decoder.
func appendUnquoted(dst, q []byte) []byte {
	for i := 1; i < len(q)-1; i++ {
		if q[i] != '\\' {
			dst = append(dst, q[i])
			continue
		}
		i++
		switch q[i] {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r := hexRune(q[i+1:])
			i += 4
			if utf16.IsSurrogate(r) {
				low := rune(-1)
				if i+6 < len(q) && q[i+1] == '\\' && q[i+2] == 'u' {
					low = hexRune(q[i+3:])
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
		default: // `"`, `\` and `/`
			dst = append(dst, q[i])
		}
	}
	return dst
}

func hexRune(b []byte) rune {
	var r rune
	for _, c := range b[:4] {
		switch {
		case c <= '9':
			c -= '0'
		case c >= 'a':
			c -= 'a' - 10
		default:
			c -= 'A' - 10
		}
		r = r<<4 | rune(c)
	}
	return r
}

// stringToken returns the bytes of a JSON string token, without copying them
// when nothing in it is escaped.
func stringToken(q []byte) []byte {
	for _, c := range q {
		if c == '\\' {
			return appendUnquoted(nil, q)
		}
	}
	return q[1 : len(q)-1]
}
