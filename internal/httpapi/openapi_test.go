package httpapi_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v4"

	"edgegw/internal/gateway"
	"edgegw/internal/httpapi"
)

var update = flag.Bool("update", false, "write openapi.json.gz anew")

// TestOpenAPIJSON holds the embedded document equal to the written one. After a
// change there: go test ./internal/httpapi -run TestOpenAPIJSON -update
func TestOpenAPIJSON(t *testing.T) {
	source, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var n yaml.Node
	if err := yaml.Unmarshal(source, &n); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := writeNode(&b, &n); err != nil {
		t.Fatal(err)
	}
	b.WriteByte('\n')
	if *update {
		var packed bytes.Buffer
		z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		_, err := z.Write(b.Bytes())
		if err := errors.Join(err, z.Close(), os.WriteFile("openapi.json.gz", packed.Bytes(), 0o644)); err != nil {
			t.Fatal(err)
		}
		return // the embedded one is as old as this program
	}
	if !bytes.Equal(b.Bytes(), httpapi.Document()) {
		t.Fatal("openapi.json.gz is not what openapi.yaml says; run this test with -update")
	}
}

// writeNode writes YAML as JSON without spaces, in the order in which it stands.
func writeNode(b *bytes.Buffer, n *yaml.Node) error {
	switch n.Kind {
	case yaml.DocumentNode:
		return writeNode(b, n.Content[0])
	case yaml.MappingNode:
		return writeList(b, "{}", n.Content, func(i int) string { return ",:"[i%2 : i%2+1] })
	case yaml.SequenceNode:
		return writeList(b, "[]", n.Content, func(int) string { return "," })
	case yaml.ScalarNode:
		var v any
		if err := n.Decode(&v); err != nil {
			return err
		}
		enc := json.NewEncoder(b)
		enc.SetEscapeHTML(false)
		err := enc.Encode(v)
		b.Truncate(b.Len() - 1) // the line feed of Encode
		return err
	}
	return fmt.Errorf("line %d: write it out; aliases make no JSON", n.Line)
}

func writeList(b *bytes.Buffer, brackets string, nodes []*yaml.Node, separator func(i int) string) error {
	b.WriteByte(brackets[0])
	for i, n := range nodes {
		if i > 0 {
			b.WriteString(separator(i))
		}
		if err := writeNode(b, n); err != nil {
			return err
		}
	}
	b.WriteByte(brackets[1])
	return nil
}

func load(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(httpapi.Document())
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestDocumentIsValid checks it against OpenAPI 3.1, and each of its examples
// against the schema beside it.
func TestDocumentIsValid(t *testing.T) {
	doc := load(t)
	if !doc.IsOpenAPI31OrLater() {
		t.Errorf("it is OpenAPI %s", doc.OpenAPI)
	}
	if err := doc.Validate(context.Background(), openapi3.EnableExamplesValidation()); err != nil {
		t.Error(err)
	}
}

// The closed lists stand in the document whole and in order.
func TestDocumentLists(t *testing.T) {
	doc := load(t)
	var codes, events []any
	for _, c := range gateway.Codes {
		codes = append(codes, string(c))
	}
	for _, e := range gateway.Events {
		events = append(events, string(e))
	}
	for schema, want := range map[string][]any{"Code": codes, "Event": events} {
		if got := doc.Components.Schemas[schema].Value.Enum; !slices.Equal(got, want) {
			t.Errorf("the schema %s has %v, want %v", schema, got, want)
		}
	}
}

// Every code has an example, in the answer of its status and in no other.
func TestDocumentHasExamplesOfCodes(t *testing.T) {
	doc := load(t)
	seen := map[gateway.Code]bool{}
	for name, r := range doc.Components.Responses {
		problem := r.Value.Content["application/problem+json"]
		if problem == nil {
			continue
		}
		for key, e := range problem.Examples {
			value, _ := e.Value.Value.(map[string]any)
			code := gateway.Code(fmt.Sprint(value["code"]))
			if status := float64(httpapi.Status(code)); key != string(code) || value["status"] != status {
				t.Errorf("%s: the example %s is %v; its status is %v", name, key, value, status)
			}
			seen[code] = true
		}
	}
	for _, c := range gateway.Codes {
		if !seen[c] {
			t.Errorf("%s has no example", c)
		}
	}
}

// Requests and answers with a body are shown, not only told.
func TestDocumentHasExamples(t *testing.T) {
	doc := load(t)
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			where := method + " " + path
			if op.OperationID == "" || op.Summary == "" || len(op.Tags) != 1 {
				t.Errorf("%s: no operationId, summary or tag", where)
			}
			if op.RequestBody != nil {
				wantExamples(t, where, op.RequestBody.Value.Content)
			}
			for status, r := range op.Responses.Map() {
				wantExamples(t, where+" "+status, r.Value.Content)
			}
		}
	}
}

func wantExamples(t *testing.T, where string, content openapi3.Content) {
	t.Helper()
	for media, c := range content {
		if len(c.Examples) == 0 {
			t.Errorf("%s: %s without an example", where, media)
		}
	}
}

// plainKeywords are what the quick check of the tests' answers knows of JSON
// Schema: kin-openapi's own validator passes over the others, const among them.
// Its full one compiles a schema anew for each answer.
var plainKeywords = []string{
	"type", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "format", "default", "description",
	"items", "maxItems", "properties", "required", "additionalProperties", "minProperties", "$ref",
}

func TestDocumentHasPlainSchemas(t *testing.T) {
	var doc struct {
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal(httpapi.Document(), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Components.Schemas) == 0 {
		t.Fatal("there are no schemas")
	}
	for name, schema := range doc.Components.Schemas {
		wantPlain(t, name, schema)
	}
}

func wantPlain(t *testing.T, where string, schema any) {
	t.Helper()
	s, ok := schema.(map[string]any)
	if !ok {
		return // true or false
	}
	if s["type"] == nil && s["$ref"] == nil {
		t.Errorf("%s has no type", where)
	}
	for keyword := range s {
		if !slices.Contains(plainKeywords, keyword) {
			t.Errorf("%s uses %s; write it with the plain keywords", where, keyword)
		}
	}
	properties, _ := s["properties"].(map[string]any)
	for name, p := range properties {
		wantPlain(t, where+"."+name, p)
	}
	wantPlain(t, where+"[]", s["items"])
	wantPlain(t, where+".*", s["additionalProperties"])
}
