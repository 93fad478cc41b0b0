package httpapi

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"edgegw/internal/gateway"
)

func TestParseHistoryQuery(t *testing.T) {
	type q = gateway.HistoryQuery
	const most = 1<<53 - 1
	tests := []struct {
		name, query string
		ok          bool
		want        q
	}{
		{"ok none", "", true, q{Limit: 50}},
		{"ok limits", "limit=1", true, q{Limit: 1}},
		{"ok largest limit", "limit=1000", true, q{Limit: 1000}},
		{"ok after", "after=0", true, q{Limit: 50, OldestFirst: true}},
		{"ok after a seq", "after=7&before=9", true, q{Limit: 50, After: 7, Before: 9, OldestFirst: true}},
		{"ok before", "before=9", true, q{Limit: 50, Before: 9}},
		{"ok times", "from=5&to=8", true, q{Limit: 50, From: 5, To: 8, OldestFirst: true}},
		{"ok to", "to=8", true, q{Limit: 50, To: 8}},
		{"ok largest seq", "after=9007199254740991", true, q{Limit: 50, After: most, OldestFirst: true}},
		{"bad limit 0", "limit=0", false, q{}},
		{"bad limit 1001", "limit=1001", false, q{}},
		{"bad limit, negative", "limit=-1", false, q{}},
		{"bad limit, hex", "limit=0x10", false, q{}},
		{"bad limit, underscore", "limit=1_0", false, q{}},
		{"bad limit, empty", "limit=", false, q{}},
		{"bad limit, space", "limit=+1", false, q{}},
		{"bad before 0", "before=0", false, q{}},
		{"bad to 0", "to=0", false, q{}},
		{"bad seq beyond 2^53", "after=9007199254740992", false, q{}},
		{"bad seq beyond 2^64", "after=18446744073709551617", false, q{}},
		{"bad twice", "limit=1&limit=1", false, q{}},
		{"bad unknown", "offset=1", false, q{}},
		{"bad case", "LIMIT=1", false, q{}},
	}
	for _, test := range tests {
		values, err := url.ParseQuery(test.query)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseHistoryQuery(values)
		if (err == nil) != test.ok || test.ok && got != test.want {
			t.Errorf("%s: %+v %v", test.name, got, err)
		}
		if err != nil && gateway.CodeOf(err) != gateway.CodeInvalidRequest {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestPageLinks(t *testing.T) {
	page := func(older, newer bool, seqs ...gateway.Seq) gateway.HistoryPage {
		p := gateway.HistoryPage{Older: older, Newer: newer}
		for _, s := range seqs {
			p.Messages = append(p.Messages, gateway.Message{Seq: s})
		}
		return p
	}
	tests := []struct {
		name, query string
		page        gateway.HistoryPage
		want        []string
	}{
		{"ok nothing around", "", page(false, false, 1, 2), nil},
		{"ok empty page", "", page(true, true), nil},
		{"ok both", "", page(true, true, 4, 5, 6), []string{`</rooms/a/messages?after=6>; rel="next"`, `</rooms/a/messages?before=4>; rel="prev"`}},
		{"ok limit stays", "limit=3&before=7", page(true, false, 4, 5, 6), []string{`</rooms/a/messages?before=4&limit=3>; rel="prev"`}},
		{"ok end in time stays", "limit=3&from=1&to=9", page(false, true, 4, 5, 6), []string{`</rooms/a/messages?after=6&limit=3&to=9>; rel="next"`}},
	}
	for _, test := range tests {
		values, err := url.ParseQuery(test.query)
		if err != nil {
			t.Fatal(err)
		}
		if got := pageLinks("/rooms/a/messages", values, test.page); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
		body := string(appendPage(nil, "a", test.page))
		for member, rel := range map[string]string{`"next":`: `rel="next"`, `"prev":`: `rel="prev"`} {
			if strings.Contains(body, member) != strings.Contains(strings.Join(test.want, " "), rel) {
				t.Errorf("%s: the body %s and the links %q differ", test.name, body, test.want)
			}
		}
	}
}
