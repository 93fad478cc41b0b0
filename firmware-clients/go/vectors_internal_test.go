package client

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// vectors reads a file of testdata/protocol, whose README.md says what stands in
// it. A member that it does not name fails the test.
func vectors[T any](t *testing.T, file string) (cases []T) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "protocol", file))
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&cases); err != nil || len(cases) == 0 {
		t.Fatalf("%s: %d cases, %v", file, len(cases), err)
	}
	return cases
}

type published struct {
	JSON   *string `json:"json"`
	Text   *string `json:"text"`
	Base64 *string `json:"base64"`
}

// TestGatewayFrames reads every frame that a gateway sends.
func TestGatewayFrames(t *testing.T) {
	type vector struct {
		Name      string                     `json:"name"`
		Frame     string                     `json:"frame"`
		Members   map[string]json.RawMessage `json:"members"`
		Published *published                 `json:"published"`
		Raw       *published                 `json:"raw"`
		ClosesRaw int                        `json:"closes_raw"`
	}
	cases := append(vectors[vector](t, "gateway-frames.json"), vectors[vector](t, "errors.json")...)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			var f incoming
			if err := json.Unmarshal([]byte(c.Frame), &f); err != nil {
				t.Fatal(err)
			}
			for name, want := range c.Members {
				if got := memberOf(t, f, name); !sameJSON(t, got, want) {
					t.Errorf("%s reads %s, want %s", name, got, want)
				}
			}
			if c.Published != nil {
				m := Message{Data: f.Data, Encoding: f.Encoding}
				got, err := m.Bytes()
				if want := c.Published.bytes(t); err != nil || string(got) != want && string(f.Data) != want {
					t.Errorf("it carries %q, %v, want %q", got, err, want)
				}
			}
		})
	}
}

func (p *published) bytes(t *testing.T) string {
	t.Helper()
	switch {
	case p.JSON != nil:
		return *p.JSON
	case p.Text != nil:
		return *p.Text
	}
	b, err := base64.StdEncoding.DecodeString(*p.Base64)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// memberOf is the member of that name as JSON, once the frame was read.
func memberOf(t *testing.T, f incoming, name string) []byte {
	t.Helper()
	v := reflect.ValueOf(f)
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("json") == name {
			b, err := json.Marshal(v.Field(i).Interface())
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
	}
	t.Fatalf("the client does not read %s", name)
	return nil
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	for in, out := range map[*[]byte]*any{&a: &x, &b: &y} {
		dec := json.NewDecoder(bytes.NewReader(*in))
		dec.UseNumber()
		if err := dec.Decode(out); err != nil {
			t.Fatal(err)
		}
	}
	return reflect.DeepEqual(worth(x), worth(y))
}

// worth replaces numbers by what they are worth, however they are written.
func worth(v any) any {
	switch v := v.(type) {
	case json.Number:
		if r, ok := new(big.Rat).SetString(v.String()); ok {
			return "number " + r.String()
		}
	case []any:
		for i := range v {
			v[i] = worth(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = worth(v[name])
		}
	}
	return v
}

// TestClientFrames writes every command.
func TestClientFrames(t *testing.T) {
	type vector struct {
		Name      string                     `json:"name"`
		Frame     string                     `json:"frame"`
		Base64    string                     `json:"base64"`
		Odd       bool                       `json:"odd"`
		Command   map[string]json.RawMessage `json:"command"`
		Published *published                 `json:"published"`
		Error     *struct {
			Code string  `json:"code"`
			Room *string `json:"room"`
			ID   *string `json:"id"`
		} `json:"error"`
		Room string `json:"room"`
		ID   string `json:"id"`
	}
	written := map[string]bool{}
	for _, c := range vectors[vector](t, "client-frames.json") {
		if c.Odd || c.Error != nil || c.Command == nil {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			whole, err := json.Marshal(c.Command)
			if err != nil {
				t.Fatal(err)
			}
			var k command
			if err := json.Unmarshal(whole, &k); err != nil {
				t.Fatal(err)
			}
			var got []byte
			switch written[k.Type] = true; k.Type {
			case "message":
				got = encodeMessage(k.Room, k.ID, json.RawMessage(*c.Published.JSON))
				if !strings.Contains(string(got), `"data":`+*c.Published.JSON+`}`) {
					t.Errorf("the data was changed: %s", got)
				}
			case "subscribe":
				got = resume{after: k.After, epoch: k.Epoch, latest: k.Latest}.command(k.Room).encode()
			default:
				got = k.encode()
			}
			if !sameJSON(t, got, []byte(c.Frame)) {
				t.Errorf("wrote %s, want %s", got, c.Frame)
			}
		})
	}
	for _, typ := range []string{"message", "typing", "subscribe", "unsubscribe", "auth"} {
		if !written[typ] {
			t.Errorf("no vector has the command %s", typ)
		}
	}
}

func TestQueries(t *testing.T) {
	type vector struct {
		Name   string `json:"name"`
		Odd    bool   `json:"odd"`
		Query  string `json:"query"`
		Resume *struct {
			After  *uint64 `json:"after"`
			Epoch  string  `json:"epoch"`
			Latest bool    `json:"latest"`
		} `json:"resume"`
		Error json.RawMessage `json:"error"`
	}
	for _, c := range vectors[vector](t, "queries.json") {
		if c.Odd || c.Error != nil {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			got := url.Values{}
			resume{after: c.Resume.After, epoch: c.Resume.Epoch, latest: c.Resume.Latest}.addTo(got)
			want, err := url.ParseQuery(strings.TrimPrefix(c.Query, "?"))
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("wrote %s, want %s, %v", got.Encode(), c.Query, err)
			}
		})
	}
}

func TestCloses(t *testing.T) {
	type vector struct {
		Name         string `json:"name"`
		Unsent       bool   `json:"unsent"`
		Base64       []byte `json:"base64"`
		Code         int    `json:"code"`
		Reason       string `json:"reason"`
		RetryAfterMS int64  `json:"retry_after_ms"`
		Client       string `json:"client"`
	}
	for _, c := range vectors[vector](t, "closes.json") {
		t.Run(c.Name, func(t *testing.T) {
			if c.Client == "own" {
				c.Client = string(actReconnect) // it never comes to a client that wants a connection
			}
			if len(c.Base64) == 0 {
				c.Code = closeNoStatus
			}
			e := closeErrorOf(c.Base64)
			if e.Code != c.Code || e.Reason != c.Reason || e.RetryAfter.Milliseconds() != c.RetryAfterMS {
				t.Errorf("reads %+v", e)
			}
			if got := actionFor(e.Code); string(got) != c.Client {
				t.Errorf("the client does %s, want %s", got, c.Client)
			}
		})
	}
}
