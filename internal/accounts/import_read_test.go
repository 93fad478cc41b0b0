package accounts_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
)

// shown is an entry as one word: line|name|role|hash, or line|error.
func shown(list []accounts.ImportUser) []string {
	var out []string
	for _, u := range list {
		if u.Err != nil {
			out = append(out, fmt.Sprintf("%d|%s", u.Line, gateway.AsError(u.Err).Message))
			continue
		}
		out = append(out, fmt.Sprintf("%d|%s|%s|%s", u.Line, u.Name, u.Role, u.Hash))
	}
	return out
}

func TestReadUsers(t *testing.T) {
	const head = "name,role,hash\n"
	long := strings.Repeat("x", 4096)
	quotes := "the quotes in the line do not match; a quoted cell begins and ends with one, and one inside is doubled"
	missing := "a member is missing; the members are name, role, hash"
	unknown := "the line has an unknown member, or one twice; the members are name, role, hash"
	tests := []struct {
		name, in string
		want     []string
	}{
		{"ok csv", head + "ada,admin,h1\nbob,,h2\n", []string{"2|ada|admin|h1", "3|bob||h2"}},
		{"ok no last newline", head + "ada,admin,h1", []string{"2|ada|admin|h1"}},
		{"ok CRLF, BOM and blank lines", "\ufeffname,role,hash\r\n\r\nada,admin,h1\r\n   \r\n", []string{"3|ada|admin|h1"}},
		{"ok blank lines first", "\n\n" + head + "ada,admin,h1\n", []string{"4|ada|admin|h1"}},
		{"ok other order", "hash,name,role\nh1,ada,admin\n", []string{"2|ada|admin|h1"}},
		{"ok quotes", "\"name\",role,hash\n\"a\"\"d,a\",admin,h1\n", []string{`2|a"d,a|admin|h1`}},
		{"ok no lines", head, nil},
		{"ok spaces are the cell's", head + " ada,admin,h1 \n", []string{"2| ada|admin|h1 "}},
		{"bad columns", head + "ada,admin\nada,admin,h1,more\nbob,,h2\n", []string{
			"2|the line has other columns than the header name,role,hash",
			"3|the line has other columns than the header name,role,hash", "4|bob||h2"}},
		{"bad quotes spoil one line", head + "\"ada,admin,h1\nbob,,h2\nx\"y,,h\n", []string{"2|" + quotes, "3|bob||h2", "4|" + quotes}},
		{"bad long line", head + "ada,admin," + long + "\nbob,,h2\n", []string{"2|the line has more than 4096 bytes", "3|bob||h2"}},
		{"bad UTF-8", head + "a\xffda,admin,h1\n", []string{"2|the line is not valid UTF-8"}},

		{"ok json", "{\"name\":\"ada\",\"role\":\"admin\",\"hash\":\"h1\"}\n\n {\"hash\":\"h2\", \"role\":\"\", \"n\\u0061me\":\"bob\"} \r\n",
			[]string{"1|ada|admin|h1", "3|bob||h2"}},
		{"ok json with BOM, blank first", "\ufeff\n{\"name\":\"ada\",\"role\":\"\",\"hash\":\"h\"}", []string{"2|ada||h"}},
		{"bad json", "{\"name\":\"ada\"\n{}\n[]\n\"x\"\n{\"name\":\"a\",\"role\":\"\",\"hash\":\"h\"} {}\n", []string{
			"1|the line is not one JSON object on its own", "2|" + missing, "3|the line is not one JSON object on its own",
			"4|the line is not one JSON object on its own", "5|the line is not one JSON object on its own"}},
		{"bad json missing", `{"name":"ada","hash":"h"}`, []string{"1|" + missing}},
		{"bad json unknown", `{"name":"ada","role":"","hash":"h","admin":true}`, []string{"1|" + unknown}},
		{"bad json other case", `{"Name":"ada","role":"","hash":"h"}`, []string{"1|" + unknown}},
		{"bad json twice", `{"name":"ada","role":"","hash":"h","name":"root"}`, []string{"1|" + unknown}},
		{"bad json twice by escape", `{"name":"ada","role":"","hash":"h","n\u0061me":"root"}`, []string{"1|" + unknown}},
		{"bad json number", `{"name":7,"role":"","hash":"h"}`, []string{"1|the member name is not a string"}},
		{"bad json null", `{"name":"ada","role":null,"hash":"h"}`, []string{"1|the member role is not a string"}},
		{"bad json object", `{"name":"ada","role":{"a":1},"hash":"h"}`, []string{"1|the member role is not a string"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list, err := accounts.ReadUsers(iotest.OneByteReader(strings.NewReader(tt.in)))
			if err != nil {
				t.Fatal(err)
			}
			if got := shown(list); !slices.Equal(got, tt.want) {
				t.Errorf("read %q, want %q", got, tt.want)
			}
		})
	}
}

func TestReadUsersRefusesFiles(t *testing.T) {
	tests := []struct {
		name string
		in   io.Reader
		want gateway.Code
		says string
	}{
		{"bad empty", strings.NewReader(""), gateway.CodeInvalidRequest, "empty"},
		{"bad blank", strings.NewReader("\ufeff \n\t\n"), gateway.CodeInvalidRequest, "empty"},
		{"bad no header", strings.NewReader("ada,admin,canary-hash\n"), gateway.CodeInvalidRequest, "line 1: the header has to be name,role,hash"},
		{"bad header late", strings.NewReader("\n\nada,admin,canary-hash\n"), gateway.CodeInvalidRequest, "line 3:"},
		{"bad header missing", strings.NewReader("name,hash\n"), gateway.CodeInvalidRequest, "line 1:"},
		{"bad header unknown", strings.NewReader("name,role,hash,mail\n"), gateway.CodeInvalidRequest, "line 1:"},
		{"bad header twice", strings.NewReader("name,role,name\n"), gateway.CodeInvalidRequest, "line 1:"},
		{"bad header twice and all", strings.NewReader("name,role,hash,hash\n"), gateway.CodeInvalidRequest, "line 1:"},
		{"bad header case", strings.NewReader("Name,role,hash\n"), gateway.CodeInvalidRequest, "line 1:"},
		{"bad header quotes", strings.NewReader("\"name,role,hash\n"), gateway.CodeInvalidRequest, "line 1:"},
		{"bad header UTF-16", strings.NewReader("\xff\xfen\x00a\x00"), gateway.CodeInvalidRequest, "line 1:"},
		{"bad json array", strings.NewReader(`[{"name":"a","role":"","hash":"h"}]`), gateway.CodeInvalidRequest, "line 1:"},
		{"bad too many", strings.NewReader("name,role,hash\n" + strings.Repeat("a,,h\n", 10_001)), gateway.CodeInvalidRequest, "10000"},
		{"bad too large", strings.NewReader("name,role,hash\n" + strings.Repeat("\n", 4<<20)), gateway.CodeTooLarge, "split"},
		{"bad reader", iotest.ErrReader(errors.New("disk on fire")), gateway.CodeInternal, "internal error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list, err := accounts.ReadUsers(tt.in)
			wantCode(t, err, tt.want)
			if m := gateway.AsError(err).Message; list != nil || !strings.Contains(m, tt.says) || strings.Contains(m, "canary") {
				t.Errorf("%d entries, told %q", len(list), m)
			}
		})
	}
	list, err := accounts.ReadUsers(strings.NewReader("name,role,hash\n" + strings.Repeat("a,,h\n", 10_000)))
	if err != nil || len(list) != 10_000 {
		t.Errorf("of 10,000: %d, %v", len(list), err)
	}
}

func TestReadDevices(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"ok csv", "name,room,grants,key_hash\nfan,plant.1,plant.*:r  alarms:w,aa\nvalve,,,bb\n",
			"[{2 fan plant.1 [plant.*:r alarms:w] aa <nil>} {3 valve  [] bb <nil>}]"},
		{"ok json", `{"name":"fan","room":"","grants":["a:r","b:rw"],"key_hash":"aa"}` + "\n" + `{"name":"x","room":"r","grants":[],"key_hash":"bb"}`,
			"[{1 fan  [a:r b:rw] aa <nil>} {2 x r [] bb <nil>}]"},
		{"bad json grants as a string", `{"name":"fan","room":"","grants":"a:r","key_hash":"aa"}`,
			"[{1 fan  []  the member grants is not an array of strings}]"},
		{"bad json grants null", `{"name":"fan","room":"","grants":null,"key_hash":"aa"}`,
			"[{1 fan  []  the member grants is not an array of strings}]"},
		{"bad json null in grants", `{"name":"fan","room":"","grants":[null],"key_hash":"aa"}`,
			"[{1 fan  []  the member grants is not an array of PATTERN:RIGHTS strings}]"},
		{"bad json two grants in one", `{"name":"fan","room":"","grants":["a:r\u2003b:w"],"key_hash":"aa"}`,
			"[{1 fan  []  the member grants is not an array of PATTERN:RIGHTS strings}]"},
		{"bad json empty grant", `{"name":"fan","room":"","grants":[""],"key_hash":"aa"}`,
			"[{1 fan  []  the member grants is not an array of PATTERN:RIGHTS strings}]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list, err := accounts.ReadDevices(strings.NewReader(tt.in))
			if got := fmt.Sprint(list); err != nil || got != tt.want {
				t.Errorf("read %s (%v), want %s", got, err, tt.want)
			}
		})
	}
	if _, err := accounts.ReadDevices(strings.NewReader("name,role,hash\n")); gateway.CodeOf(err) != gateway.CodeInvalidRequest {
		t.Errorf("a file of people: %v", err)
	}
}

// Whatever is in a file, no line is lost, none counts twice, and a line is
// either read or says why not.
func FuzzReadUsers(f *testing.F) {
	for _, seed := range []string{
		"name,role,hash\nada,admin,h1\n\"b\"\"ob\",,h2\r\n", "\ufeffhash,role,name\n\"x,,\n,,,\n",
		`{"name":"ada","role":"","hash":"h"}` + "\n{}\n" + `{"name":"a","name":"b"}`, "{\n[", "", "\xff\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		list, err := accounts.ReadUsers(strings.NewReader(in))
		if err != nil {
			if list != nil || gateway.AsError(err).Message == "" {
				t.Errorf("%d entries with %v", len(list), err)
			}
			return
		}
		last, rows := 0, 0
		for line := range strings.Lines(strings.TrimPrefix(in, "\ufeff")) {
			if strings.TrimSpace(line) != "" {
				rows++
			}
		}
		if n := rows - len(list); n != 0 && n != 1 { // the header
			t.Errorf("%d of %d lines were read", len(list), rows)
		}
		for _, u := range list {
			if u.Line <= last {
				t.Errorf("line %d after line %d", u.Line, last)
			}
			last = u.Line
			if u.Err != nil && gateway.CodeOf(u.Err) != gateway.CodeInvalidRequest {
				t.Errorf("line %d: %v", u.Line, u.Err)
			}
		}
	})
}
