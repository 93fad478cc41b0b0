package wire

import (
	"encoding/json"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// Every string that is UTF-8 comes back, through this package's own reader and
// through everyone's.
func TestQuoteRoundTrip(t *testing.T) {
	check := func(t interface{ Fatalf(string, ...any) }, s string) {
		q := AppendQuoted([]byte("x"), s)[1:]
		var back string
		if err := json.Unmarshal(q, &back); err != nil || back != s {
			t.Fatalf("%q became %s, which encoding/json reads as %q, %v", s, q, back, err)
		}
		if got := string(stringToken(q)); got != s {
			t.Fatalf("%q became %s, which reads as %q", s, q, got)
		}
		if end, ok := skipString(q, 0); !ok || end != len(q) {
			t.Fatalf("%s ends at %d, %v", q, end, ok)
		}
		if b := AppendQuoted(nil, []byte(s)); string(b) != string(q) {
			t.Fatalf("as bytes %q became %s, as a string %s", s, b, q)
		}
	}
	check(t, "")
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if r < 0x3000 || r > 0xD000 && r < 0x10100 || r > 0x10FF00 {
			if !utf16.IsSurrogate(r) {
				check(t, "a"+string(r)+"b")
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) { check(t, rapid.String().Draw(t, "s")) })
}

// Only what has to be escaped is: readers on devices get the bytes as sent.
func TestQuoteEscapesLittle(t *testing.T) {
	const kept = "é \u2028\u2029<>&/'\x7f😀"
	if got := string(AppendQuoted(nil, kept)); got != `"`+kept+`"` {
		t.Errorf("got %s", got)
	}
	if got := string(AppendQuoted(nil, "\b\f\n\r\t\"\\\x1f")); got != `"\u0008\u000c\n\r\t\"\\\u001f"` {
		t.Errorf("got %s", got)
	}
}

// Every pair of two UTF-16 escapes reads as encoding/json reads it.
func TestUnquoteSurrogates(t *testing.T) {
	units := []string{`\u0000`, `\u0041`, `\ud7ff`, `\ud800`, `\udBFF`, `\uDC00`, `\udfff`, `\ue000`, `\uffff`, `\n`, `\\`, `u`, `😀`, ``}
	for _, a := range units {
		for _, b := range units {
			for _, c := range units {
				q := []byte(`"` + a + b + c + `"`)
				var want string
				if err := json.Unmarshal(q, &want); err != nil {
					t.Fatalf("%s: %v", q, err)
				}
				if got := string(stringToken(q)); got != want {
					t.Errorf("%s reads as %q, want %q", q, got, want)
				}
			}
		}
	}
}

// endFrame makes what AppendFrame makes, whatever has to be moved.
func TestEndFrame(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 65535, 65536} {
		payload := make([]byte, n)
		for i := range payload {
			payload[i] = byte(i * 7)
		}
		want := AppendFrame([]byte("before"), OpBinary, payload)
		dst, start := beginFrame([]byte("before"))
		if got := endFrame(append(dst, payload...), start, OpBinary); string(got) != string(want) {
			t.Errorf("%d bytes: the frame differs from AppendFrame's", n)
		}
	}
}
