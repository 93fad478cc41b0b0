package token

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"edgegw/internal/gateway"
)

// Inspect shows what a token says to someone who wonders why it is refused. The
// header and the claims are its JSON on one line, "" where there is none that can
// be read; expires is the zero time likewise. Nobody vouches for any of it unless
// err, which is what Verify says, is nil. The signature is never shown, and of a
// token over gateway.MaxTokenBytes nothing is.
func (a *Authority) Inspect(raw string) (header, claims string, expires time.Time, err error) {
	_, err = a.Verify(raw)
	if len(raw) > gateway.MaxTokenBytes {
		return "", "", time.Time{}, err
	}
	header64, rest, _ := strings.Cut(raw, ".")
	payload64, _, _ := strings.Cut(rest, ".")
	header, _ = readable(header64)
	claims, payload := readable(payload64)
	failed := members(payload, func(name, value []byte) (err error) {
		if string(name) == "exp" {
			expires, err = seconds("exp", value)
		}
		return err
	})
	if failed != nil {
		expires = time.Time{}
	}
	return header, claims, expires, err
}

// readable returns the JSON in a segment, both for people and as it is. It takes
// spellings that Verify refuses, so that they can be looked at.
func readable(segment string) (shown string, doc []byte) {
	doc, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(segment, "="))
	var line bytes.Buffer
	if err != nil || !utf8.Valid(doc) || json.Compact(&line, doc) != nil {
		return "", nil
	}
	return printable(line.String()), doc
}

// printable escapes what a terminal might obey or hide: control characters
// beyond ASCII, which JSON allows in strings, and marks that turn text around.
func printable(doc string) string {
	var b strings.Builder
	for _, r := range doc {
		switch {
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
