package password

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"strings"
	"unicode"
	"unicode/utf8"
)

// packed is the list of blocklist/README.md, compressed, since the binary counts:
// one folded password a line, sorted by bytes. It is unpacked for each new
// password, in a millisecond or ten, and costs no memory in between.
//
//go:embed blocklist/passwords.txt.gz
var packed []byte

func commonest() string {
	var b bytes.Buffer
	// A test reads it; a buffer takes everything.
	if r, err := gzip.NewReader(bytes.NewReader(packed)); err == nil {
		_, _ = b.ReadFrom(r)
	}
	return b.String()
}

// rows are what fingers and heads run along: a password that follows them, on or
// back, in pieces of three characters and more, is guessed like a common one.
var rows = [...]string{
	"0123456789",
	"abcdefghijklmnopqrstuvwxyz",
	"qwertyuiopasdfghjklzxcvbnm",
	"qwertzuiopasdfghjklyxcvbnm",
	"azertyuiopqsdfghjklmwxcvbn",
	"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p", // the columns of the keys
	"1q2w3e4r5t6y7u8i9o0p",
	"q1w2e3r4t5y6u7i8o9p0",
}

// minRun is the mean length of the pieces of rows that makes a password a row.
const minRun = 3

// fold makes spellings equal that differ in case only. password is in NFKC.
func fold(password string) string {
	// Up and down again: some letters have two lower cases.
	return strings.Map(func(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }, password)
}

// isCommon reports whether a folded password is on the list, which is commonest().
func isCommon(list, folded string) bool {
	// Everything in front of low is less, everything from high on is not.
	low, high := 0, len(list)
	for low < high {
		middle := low + (high-low)/2
		start := low + strings.LastIndexByte(list[low:middle], '\n') + 1
		line, _, _ := strings.Cut(list[start:], "\n")
		switch strings.Compare(line, folded) {
		case 0:
			return folded != ""
		case -1:
			low = min(start+len(line)+1, high)
		default:
			high = start
		}
	}
	return false
}

// isRepeated reports whether a folded password is one piece again and again, also
// with the last one cut short, and the piece is too short for a password itself or
// one of those that weak refuses.
func isRepeated(folded string, weak func(string) bool) bool {
	for n := 1; n <= len(folded)/2; n++ {
		if folded[n:] != folded[:len(folded)-n] {
			continue
		}
		if piece := folded[:n]; utf8.RuneCountInString(piece) < LowestMinLength || weak(piece) {
			return true
		}
	}
	return false
}

// isRow reports whether a folded password consists of pieces of rows.
func isRow(folded string) bool {
	runes := []rune(folded)
	pieces := 0
	for rest := runes; len(rest) > 0; pieces++ {
		longest := 1
		for _, row := range rows {
			longest = max(longest, follows(row, rest, 1), follows(row, rest, -1))
		}
		rest = rest[longest:]
	}
	return pieces*minRun <= len(runes)
}

// follows returns for how many characters s goes along the row by the step. Rows
// go round: 0 follows on 9.
func follows(row string, s []rune, step int) int {
	at := strings.IndexRune(row, s[0])
	n := 1
	for ; at >= 0 && n < len(s); n++ {
		if at = (at + step + len(row)) % len(row); rune(row[at]) != s[n] {
			break
		}
	}
	return n
}
