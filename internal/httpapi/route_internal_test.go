package httpapi

import (
	"testing"
)

func TestMatchPath(t *testing.T) {
	tests := []struct {
		name, pattern, path string
		ok                  bool
		id                  string
	}{
		{"ok root", "/", "/", true, ""},
		{"ok plain", "/auth/login", "/auth/login", true, ""},
		{"ok value", "/rooms/{id}", "/rooms/a", true, "a"},
		{"ok value in the middle", "/rooms/{id}/messages", "/rooms/a.b~c:d-e_f/messages", true, "a.b~c:d-e_f"},
		{"ok value that looks like a pattern", "/rooms/{id}", "/rooms/{id}", true, "{id}"},
		{"bad longer", "/rooms", "/rooms/a", false, ""},
		{"bad shorter", "/rooms/{id}", "/rooms", false, ""},
		{"bad empty value", "/rooms/{id}", "/rooms/", false, ""},
		{"bad empty value in the middle", "/rooms/{id}/messages", "/rooms//messages", false, ""},
		{"bad trailing slash", "/rooms", "/rooms/", false, ""},
		{"bad trailing slash behind a value", "/rooms/{id}", "/rooms/a/", false, ""},
		{"bad prefix", "/ws", "/wsx", false, ""},
		{"bad case", "/ws", "/WS", false, ""},
		{"bad no slash", "/", "", false, ""},
		{"bad star", "/", "*", false, ""},
	}
	for _, test := range tests {
		values, ok := matchPath(test.pattern, test.path)
		if ok != test.ok || ok && values["id"] != test.id {
			t.Errorf("%s: %v %t", test.name, values, ok)
		}
	}
}

func TestEveryRouteHasAClass(t *testing.T) {
	for _, rt := range api(Options{}).routes {
		if Classes[rt.class] == nil {
			t.Errorf("%s has the class %q, which is not counted", rt.path, rt.class)
		}
	}
}
