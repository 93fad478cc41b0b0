package httpapi

import (
	"encoding/json"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"edgegw/internal/gateway"
)

type sample struct {
	Name  string          `json:"name"`
	Count int             `json:"count,omitempty"`
	List  []string        `json:"list"`
	Inner map[string]int  `json:"inner"`
	Data  json.RawMessage `json:"data"`
	Items *[]item         `json:"items"`
}

type item struct {
	Name string `json:"name"`
}

type demanding struct {
	Name string `json:"name" required:"true"`
	Note string `json:"note"`
	Last string `json:"last" required:"true"`
}

func TestDecodeStrictDemands(t *testing.T) {
	for body, want := range map[string]string{
		`{"name":"a","last":"b"}`: "", `{"name":"","last":""}`: "", `{"last":"b"}`: "the member name is missing",
		`{"name":"a","note":"n"}`: "the member last is missing", `{}`: "the member name is missing",
	} {
		var d demanding
		if err := decodeStrict([]byte(body), &d); (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
	}
}

func TestDecodeStrict(t *testing.T) {
	tests := []struct {
		name, body string
		ok         bool
	}{
		{"ok empty object", `{}`, true},
		{"ok all members", `{"name":"a","count":1,"list":["x"],"inner":{"a":1},"data":{"a":null,"a":1}}`, true},
		{"ok space", "\n { \"name\" : \"a\" } \n", true},
		{"ok escaped name of a member", `{"n\u0061me":"a"}`, true},
		{"ok null inside data", `{"data":null}`, true},
		{"ok empty list and object", `{"list":[],"inner":{}}`, true},
		{"ok items", `{"items":[{"name":"a"},{},{"name":"b"}]}`, true},
		{"bad unknown member of an item", `{"items":[{"name":"a","other":1}]}`, false},
		{"bad other case in an item", `{"items":[{"NAME":"a"}]}`, false},
		{"bad twice in an item", `{"items":[{"name":"a","name":"a"}]}`, false},
		{"bad object for items", `{"items":{"name":"a"}}`, false},
		{"bad list in items", `{"items":[[{"name":"a"}]]}`, false},
		{"bad nothing", ``, false},
		{"bad space", ` `, false},
		{"bad array", `[]`, false},
		{"bad number", `1`, false},
		{"bad null", `null`, false},
		{"bad open", `{`, false},
		{"bad comma", `{"name":"a",}`, false},
		{"bad single quotes", `{'name':'a'}`, false},
		{"bad comment", `{"name":"a"/**/}`, false},
		{"bad NaN", `{"count":NaN}`, false},
		{"bad unknown member", `{"other":1}`, false},
		{"bad empty member", `{"":1}`, false},
		{"bad other case", `{"NAME":"a"}`, false},
		{"bad case that folds", `{"na\u006de":"a","\u006eame":"b"}`, false},
		{"bad Kelvin sign for k", `{"\u212a":1}`, false},
		{"bad twice", `{"name":"a","name":"a"}`, false},
		{"bad twice, deep", `{"inner":{"a":1,"a":2}}`, false},
		{"bad null member", `{"name":null}`, false},
		{"bad null in a list", `{"list":[null]}`, false},
		{"bad null in an object", `{"inner":{"a":null}}`, false},
		{"bad type", `{"name":1}`, false},
		{"bad type, list", `{"list":{}}`, false},
		{"bad fraction", `{"count":1.5}`, false},
		{"bad overflow", `{"count":99999999999999999999}`, false},
		{"bad second object", `{"name":"a"}{}`, false},
		{"bad bracket behind", `{"name":"a"}]`, false},
		{"bad word behind", `{"name":"a"}x`, false},
		{"bad UTF-8", "{\"name\":\"\xff\"}", false},
		{"bad UTF-8 in data", "{\"data\":\"\xff\"}", false},
		{"bad control character", "{\"name\":\"a\nb\"}", false},
		{"bad data", `{"data":{]}`, false},
	}
	for _, test := range tests {
		var s sample
		err := decodeStrict([]byte(test.body), &s)
		if (err == nil) != test.ok {
			t.Errorf("%s: error %v", test.name, err)
		}
		if err != nil && gateway.CodeOf(err) != gateway.CodeInvalidRequest {
			t.Errorf("%s: code %s", test.name, gateway.CodeOf(err))
		}
	}
}

func TestDecodeKeepsDataAsItIs(t *testing.T) {
	const data = `{ "b": 1.50, "a": "\u00e9\/", "b": -0 }`
	var s sample
	if err := decodeStrict([]byte(`{"data": `+data+` }`), &s); err != nil || string(s.Data) != data {
		t.Errorf("data is %s, %v", s.Data, err)
	}
}

func TestReadBodyLimits(t *testing.T) {
	body := func(n int) string { return `{"name":"` + strings.Repeat("x", n-len(`{"name":""}`)) + `"}` }
	tests := []struct {
		name, contentType, body string
		code                    gateway.Code
	}{
		{"ok the largest", "application/json", body(gateway.MaxBodyBytes), ""},
		{"bad one byte more", "application/json", body(gateway.MaxBodyBytes + 1), gateway.CodeTooLarge},
		{"bad far more", "application/json", body(1 << 20), gateway.CodeTooLarge},
		{"bad media type", "text/json", `{}`, gateway.CodeUnsupportedMediaType},
		{"bad media type before size", "text/json", body(1 << 20), gateway.CodeUnsupportedMediaType},
		{"bad parameter", "application/json; charset=", `{}`, gateway.CodeUnsupportedMediaType},
	}
	for _, test := range tests {
		r := httptest.NewRequest("POST", "/", strings.NewReader(test.body))
		r.Header.Set("Content-Type", test.contentType)
		var s sample
		if err := readBody(httptest.NewRecorder(), r, &s); gateway.CodeOf(err) != test.code {
			t.Errorf("%s: %v, want %s", test.name, err, test.code)
		}
	}
}

// Where a body is not needed, neither is its Content-Type; what comes has to be
// right all the same.
func TestReadNothing(t *testing.T) {
	tests := []struct {
		name, contentType, body string
		chunked                 bool
		code                    gateway.Code
	}{
		{"ok nothing", "", "", false, ""},
		{"ok nothing of any type", "text/plain", "", false, ""},
		{"ok nothing, chunked", "", "", true, ""},
		{"ok no members", "application/json", "{}", false, ""},
		{"ok no members, chunked", "application/json", " {} ", true, ""},
		{"bad member", "application/json", `{"a":1}`, false, gateway.CodeInvalidRequest},
		{"bad member, chunked", "application/json", `{"a":1}`, true, gateway.CodeInvalidRequest},
		{"bad type", "text/plain", `{}`, false, gateway.CodeUnsupportedMediaType},
		{"bad type, chunked", "", `{}`, true, gateway.CodeUnsupportedMediaType},
		{"bad space", "application/json", ` `, false, gateway.CodeInvalidRequest},
		{"bad size", "application/json", strings.Repeat(" ", gateway.MaxBodyBytes+1), false, gateway.CodeTooLarge},
		{"bad size, chunked", "", strings.Repeat(" ", gateway.MaxBodyBytes+1), true, gateway.CodeTooLarge},
	}
	for _, test := range tests {
		r := httptest.NewRequest("POST", "/", strings.NewReader(test.body))
		if test.chunked {
			r.ContentLength = -1
		}
		if test.contentType != "" {
			r.Header.Set("Content-Type", test.contentType)
		}
		if err := readNothing(httptest.NewRecorder(), r); gateway.CodeOf(err) != test.code {
			t.Errorf("%s: %v, want %q", test.name, err, test.code)
		}
	}
}

func FuzzDecodeStrict(f *testing.F) {
	for _, seed := range []string{`{}`, `{"name":"a","list":[[]]}`, `{"inner":{"a":{"b":1}}}`, `{"data":[1,2]}`, `{"name":nul`, "{\"\xff\":1}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var s sample
		if decodeStrict(body, &s) != nil {
			return
		}
		// Whatever passes is one JSON object for everyone.
		var object map[string]json.RawMessage
		if err := json.Unmarshal(body, &object); err != nil || object == nil {
			t.Errorf("%q passed: %v", body, err)
		}
		for name := range object {
			if membersOf(reflect.TypeOf(s)).find(name) == nil {
				t.Errorf("%q passed with the member %q", body, name)
			}
		}
	})
}
