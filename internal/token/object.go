package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// maxMembers bounds the members of an object that is read; tokens of large
// identity services have about thirty.
const maxMembers = 64

// members calls yield for each member of the JSON object doc, in order, with the
// name unquoted and the value as it stands. It refuses what encoding/json lets
// pass: members given twice (also when spelled with escapes), invalid UTF-8, and
// anything but an object. Names are compared exactly; encoding/json would take
// "EXP" for "exp".
func members(doc []byte, yield func(name, value []byte) error) error {
	doc = bytes.TrimSpace(doc)
	if !utf8.Valid(doc) || !json.Valid(doc) || doc[0] != '{' {
		return errors.New("not a JSON object")
	}
	var seen [maxMembers][]byte
	for i, n := 1, 0; ; n++ {
		i += spaces(doc[i:])
		if doc[i] == '}' {
			return nil
		}
		nameEnd := stringEnd(doc, i)
		name, err := unquote(doc[i:nameEnd])
		if err != nil {
			return err
		}
		if n == maxMembers {
			return errors.New("too many members")
		}
		for _, s := range seen[:n] {
			if bytes.Equal(s, name) {
				return errors.New("a member is given twice")
			}
		}
		seen[n] = name
		value := nameEnd + bytes.IndexByte(doc[nameEnd:], ':') + 1
		end := valueEnd(doc, value)
		if err := yield(name, bytes.TrimSpace(doc[value:end])); err != nil {
			return err
		}
		i = end
		if doc[i] == ',' {
			i++
		}
	}
}

// text returns the string that the JSON value holds; ok is false for any other
// type.
func text(value []byte) (s string, ok bool) {
	if value[0] != '"' {
		return "", false
	}
	b, err := unquote(value)
	return string(b), err == nil
}

func unquote(b []byte) ([]byte, error) {
	if bytes.IndexByte(b, '\\') < 0 {
		return b[1 : len(b)-1], nil
	}
	var s string
	err := json.Unmarshal(b, &s)
	return []byte(s), err
}

// spaces, stringEnd and valueEnd walk a document that json.Valid has accepted.

func spaces(b []byte) int { return len(b) - len(bytes.TrimLeft(b, " \t\r\n")) }

// stringEnd returns the index behind the string that starts at b[i].
func stringEnd(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// valueEnd returns the index of the comma or brace behind the value at b[i].
func valueEnd(b []byte, i int) int {
	for depth := 0; ; {
		switch b[i] {
		case '"':
			i = stringEnd(b, i)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
		i++
	}
}
