package password

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

func TestBlocklist(t *testing.T) {
	text, ended := strings.CutSuffix(commonest, "\n")
	lines := strings.Split(text, "\n")
	if !ended || len(commonest) > 100_000 || len(lines) < 10_000 {
		t.Errorf("the list has %d lines and %d bytes, ends with a line break: %v", len(lines), len(commonest), ended)
	}
	if !slices.IsSorted(lines) || len(slices.Compact(slices.Clone(lines))) != len(lines) {
		t.Error("the list is not sorted by bytes or holds a line twice; run scripts/blocklist.sh")
	}
	for _, line := range lines {
		if fold(norm.NFKC.String(line)) != line || utf8.RuneCountInString(line) < LowestMinLength {
			t.Errorf("%q can never be found, or is too short to be allowed", line)
		}
		// Between its neighbours there is nothing.
		if !isCommon(line) || isCommon(line[:len(line)-1]+"\x01") || isCommon(line+"\x01") {
			t.Errorf("%q is not found, or what is beside it is", line)
		}
	}
}

func TestIsCommonAtTheEdges(t *testing.T) {
	for _, s := range []string{"", "\n", "!", "\x00", "\xff", "password\n", "\npassword", "passwor", "passwordx", commonest} {
		if isCommon(s) {
			t.Errorf("%.20q is on the list", s)
		}
	}
}

func BenchmarkIsCommon(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		isCommon("five green boats")
	}
}
