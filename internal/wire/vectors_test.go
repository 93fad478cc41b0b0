package wire_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"edgegw/internal/gateway"
)

// vectorDir is read by clients in other languages too; its README.md says what
// every member means.
const vectorDir = "../../testdata/protocol"

// vectors reads a file of cases. A member that T does not have fails.
func vectors[T any](t *testing.T, file string) []T {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(vectorDir, file))
	if err != nil {
		t.Fatal(err)
	}
	if err := noDuplicates(json.NewDecoder(bytes.NewReader(b))); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	var cases []T
	strictly(t, file, b, &cases)
	var names []struct{ Name string }
	if err := json.Unmarshal(b, &names); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, c := range names {
		if seen[c.Name] || !strings.HasPrefix(c.Name, "ok ") && !strings.HasPrefix(c.Name, "bad ") {
			t.Errorf("%s: the name %q is not good, or given twice", file, c.Name)
		}
		seen[c.Name] = true
	}
	return cases
}

func strictly(t *testing.T, where string, b []byte, v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, end := d.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("something stands behind the value")
		}
	}
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
}

// noDuplicates reads one value and finds members that are given twice, of which
// encoding/json would take the last.
func noDuplicates(d *json.Decoder) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	seen := make(map[string]bool)
	switch token {
	case json.Delim('{'):
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return err
			}
			if name := key.(string); seen[name] {
				return fmt.Errorf("the member %q is given twice", name)
			}
			seen[key.(string)] = true
			if err := noDuplicates(d); err != nil {
				return err
			}
		}
	case json.Delim('['):
		for d.More() {
			if err := noDuplicates(d); err != nil {
				return err
			}
		}
	default:
		return nil
	}
	_, err = d.Token()
	return err
}

// published is what a message carries.
type published struct {
	JSON   *string `json:"json"`
	Text   *string `json:"text"`
	Base64 *string `json:"base64"`
}

func (p published) payload(t *testing.T) gateway.Payload {
	t.Helper()
	switch {
	case p.JSON != nil && p.Text == nil && p.Base64 == nil:
		return payloadOf(gateway.PayloadJSON, *p.JSON)
	case p.Text != nil && p.JSON == nil && p.Base64 == nil:
		return payloadOf(gateway.PayloadText, *p.Text)
	case p.Base64 != nil && p.JSON == nil && p.Text == nil:
		return gateway.Payload{Kind: gateway.PayloadBinary, Bytes: decode64(t, *p.Base64)}
	}
	t.Fatal("a message carries one of json, text and base64")
	return gateway.Payload{}
}

func decode64(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(x, y)
}

// TestVectorFiles knows every file of the folder: one that nobody replays is no
// vector.
func TestVectorFiles(t *testing.T) {
	known := map[string]bool{
		"README.md": true, "client-frames.json": true, "queries.json": true,
		"gateway-frames.json": true, "errors.json": true, "closes.json": true,
	}
	entries, err := fs.ReadDir(os.DirFS(vectorDir), ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !known[e.Name()] && !(strings.HasPrefix(e.Name(), "conversation-") && strings.HasSuffix(e.Name(), ".json")) {
			t.Errorf("nobody replays %s", e.Name())
		}
		delete(known, e.Name())
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		t.Errorf("%s is missing", name)
	}
}
