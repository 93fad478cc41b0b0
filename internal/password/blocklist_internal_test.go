package password

import (
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

func TestBlocklist(t *testing.T) {
	list := commonest()
	text, ended := strings.CutSuffix(list, "\n")
	lines := strings.Split(text, "\n")
	if !ended || len(list) > 100_000 || len(lines) < 10_000 {
		t.Errorf("the list has %d lines and %d bytes, ends with a line break: %v", len(lines), len(list), ended)
	}
	if !slices.IsSorted(lines) || len(slices.Compact(slices.Clone(lines))) != len(lines) {
		t.Error("the list is not sorted by bytes or holds a line twice; run scripts/blocklist.sh")
	}
	for _, line := range lines {
		if fold(norm.NFKC.String(line)) != line || utf8.RuneCountInString(line) < LowestMinLength {
			t.Errorf("%q can never be found, or is too short to be allowed", line)
		}
		// Between its neighbours there is nothing.
		if !isCommon(list, line) || isCommon(list, line[:len(line)-1]+"\x01") || isCommon(list, line+"\x01") {
			t.Errorf("%q is not found, or what is beside it is", line)
		}
	}
}

func TestIsCommonAtTheEdges(t *testing.T) {
	list := commonest()
	for _, s := range []string{"", "\n", "!", "\x00", "\xff", "password\n", "\npassword", "passwor", "passwordx", list} {
		if isCommon(list, s) {
			t.Errorf("%.20q is on the list", s)
		}
	}
}

func BenchmarkIsCommon(b *testing.B) {
	list := commonest()
	b.ReportAllocs()
	for b.Loop() {
		isCommon(list, "five green boats")
	}
}

func TestThePackedListIsTheWrittenOne(t *testing.T) {
	written, err := os.ReadFile("blocklist/passwords.txt")
	if err != nil {
		t.Fatal(err)
	}
	if commonest() != string(written) {
		t.Fatal("passwords.txt.gz is not passwords.txt; make it anew: scripts/blocklist.sh")
	}
}
