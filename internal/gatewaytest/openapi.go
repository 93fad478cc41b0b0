package gatewaytest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"edgegw/internal/httpapi"
)

// apiDocument is the gateway's own description of its API. It is read once in a
// process, since that takes longer than most tests, and then only looked at.
var apiDocument = sync.OnceValues(loadDocument)

func loadDocument() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData(httpapi.Document())
	if err != nil {
		return nil, err
	}
	// Clients have to take members that they do not know; tests do not.
	for _, s := range doc.Components.Schemas {
		if len(s.Value.Properties) > 0 && s.Value.AdditionalProperties.Has == nil {
			s.Value.AdditionalProperties.Has = new(bool)
		}
	}
	return doc, nil
}

// checkDocumented fails the test unless the answer is one that the API document
// describes. The request is a method and a path, with its query or without.
func checkDocumented(t testing.TB, request string, a Answer) {
	t.Helper()
	doc, err := apiDocument()
	if err != nil {
		t.Fatalf("the API document: %v", err)
	}
	method, target, _ := strings.Cut(request, " ")
	if err := conforms(doc, method, target, a); err != nil {
		t.Errorf("%s: %d %s is not as the API document says: %v", request, a.Status, a.Body, err)
	}
}

// conforms compares an answer with the document: its status, its headers, its
// media type and its body.
//
// It uses kin-openapi's own validator, which knows enough of JSON Schema for this
// document (a test of httpapi sees to that). For OpenAPI 3.1 there is a complete
// one too, but it compiles the schema anew for every value: 0.4 to 2.5 ms
// instead of 10 µs.
func conforms(doc *openapi3.T, method, target string, a Answer) error {
	response, err := describedAnswer(doc, method, target, a.Status)
	if response == nil || err != nil {
		return err
	}
	for name, h := range response.Headers {
		if err := headerConforms(h.Value, a.Header.Values(name)); err != nil {
			return fmt.Errorf("header %s: %w", name, err)
		}
	}
	if method == http.MethodHead {
		return nil
	}
	return bodyConforms(response.Content, a)
}

// describedAnswer finds what the document says of a status. It returns nil for
// what documents of this kind do not describe: preflights.
func describedAnswer(doc *openapi3.T, method, target string, status int) (*openapi3.Response, error) {
	// As the server does it: "//rooms" is a path, not a host.
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, err
	}
	shared := func(names map[int]string) (*openapi3.Response, error) {
		if r := doc.Components.Responses[names[status]]; r != nil {
			return r.Value, nil
		}
		return nil, errors.New("the status is not described")
	}
	item := pathItem(doc, u.Path)
	if item == nil {
		return shared(map[int]string{403: "Forbidden", 404: "NotFound", 500: "Internal"})
	}
	op := item.Operations()[method]
	if method == http.MethodHead && op == nil {
		op = item.Get
	}
	if op == nil {
		if method == http.MethodOptions && status == http.StatusNoContent {
			return nil, nil
		}
		return shared(map[int]string{403: "Forbidden", 405: "MethodNotAllowed", 500: "Internal"})
	}
	r := op.Responses.Status(status)
	if r == nil {
		return nil, errors.New("the status is not described")
	}
	return r.Value, nil
}

// pathItem finds the path that is described; a segment in braces is any but an
// empty one.
func pathItem(doc *openapi3.T, path string) *openapi3.PathItem {
	have := strings.Split(path, "/")
next:
	for pattern, item := range doc.Paths.Map() {
		want := strings.Split(pattern, "/")
		if len(want) != len(have) {
			continue
		}
		for i, segment := range want {
			if segment != have[i] && (have[i] == "" || !strings.HasPrefix(segment, "{")) {
				continue next
			}
		}
		return item
	}
	return nil
}

func headerConforms(h *openapi3.Header, values []string) error {
	if len(values) == 0 && h.Required {
		return errors.New("it is missing")
	}
	for _, value := range values {
		var v any = value
		if h.Schema.Value.Type.Is(openapi3.TypeInteger) {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return err
			}
			v = n
		}
		if err := h.Schema.Value.VisitJSON(v); err != nil {
			return err
		}
	}
	return nil
}

func bodyConforms(content openapi3.Content, a Answer) error {
	if len(content) == 0 {
		if len(a.Body) > 0 {
			return errors.New("no body is described")
		}
		return nil
	}
	media, _, err := mime.ParseMediaType(a.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	described := content.Get(media)
	if described == nil {
		return fmt.Errorf("the media type %s is not described", media)
	}
	var v any = string(a.Body)
	if strings.HasSuffix(media, "json") {
		dec := json.NewDecoder(bytes.NewReader(a.Body))
		dec.UseNumber()
		if err := dec.Decode(&v); err != nil {
			return err
		}
		if _, err := dec.Token(); !errors.Is(err, io.EOF) {
			return errors.New("there is something behind the JSON")
		}
		v = withFloats(v)
	}
	return described.Schema.Value.VisitJSON(v)
}

// withFloats makes the numbers of a JSON value ones that the validator takes:
// what others published may hold numbers that no float64 can.
func withFloats(v any) any {
	switch v := v.(type) {
	case json.Number:
		f, _ := v.Float64()
		return min(max(f, -math.MaxFloat64), math.MaxFloat64)
	case map[string]any:
		for name := range v {
			v[name] = withFloats(v[name])
		}
	case []any:
		for i := range v {
			v[i] = withFloats(v[i])
		}
	}
	return v
}
