package httpapi

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"edgegw/internal/gateway"
)

func loadDocument(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(Document())
	if err != nil {
		t.Fatal(err)
	}
	for _, media := range []string{"text/html", "text/css", "text/javascript"} {
		openapi3filter.RegisterBodyDecoder(media, openapi3filter.FileBodyDecoder)
	}
	// Clients have to take members that they do not know; these tests do not.
	for _, s := range doc.Components.Schemas {
		if len(s.Value.Properties) > 0 && s.Value.AdditionalProperties.Has == nil {
			closed := false
			s.Value.AdditionalProperties.Has = &closed
		}
	}
	return doc
}

// The table of routes and the document have the same paths and methods.
func TestDocumentHasEveryRoute(t *testing.T) {
	doc := loadDocument(t)
	described := map[string][]string{}
	for path, item := range doc.Paths.Map() {
		described[path] = slices.Sorted(maps.Keys(item.Operations()))
	}
	for _, rt := range api(Options{}).routes {
		methods := slices.Sorted(maps.Keys(rt.methods))
		if !slices.Equal(described[rt.path], methods) {
			t.Errorf("%s has the methods %v, and in openapi.yaml %v", rt.path, methods, described[rt.path])
		}
		delete(described, rt.path)
	}
	for path := range described {
		t.Errorf("%s stands in openapi.yaml and is no route", path)
	}
}

// What every operation of a kind can answer is described with each of them.
func TestDocumentHasEveryStatus(t *testing.T) {
	doc := loadDocument(t)
	for _, rt := range api(Options{}).routes {
		for method, op := range doc.Paths.Value(rt.path).Operations() {
			want := []int{403, 500} // foreign origins, panics
			if !rt.open {
				want = append(want, 503)
			}
			security := doc.Security
			if op.Security != nil {
				security = *op.Security
			}
			for _, s := range security {
				if len(s) > 0 && s["cookie"] == nil {
					want = append(want, 400, 401) // two tokens, a bad one
				}
			}
			if method != "GET" {
				want = append(want, 400, 413, 415)
				if op.RequestBody == nil {
					t.Errorf("%s %s: no requestBody", method, rt.path)
				}
			}
			for _, status := range want {
				if op.Responses.Status(status) == nil {
					t.Errorf("%s %s: no answer %d", method, rt.path, status)
				}
			}
		}
	}
}

// wantConform checks an answer against the document, by JSON Schema 2020-12.
func wantConform(t *testing.T, doc *openapi3.T, path, method string, w *httptest.ResponseRecorder) {
	t.Helper()
	item := doc.Paths.Value(path)
	op := item.GetOperation(method)
	in := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: httptest.NewRequest(method, "/", nil),
			Route:   &routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: op},
		},
		Status: w.Code, Header: w.Header(), Body: io.NopCloser(bytes.NewReader(w.Body.Bytes())),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	openapi3filter.RegisterBodyDecoder("application/x-x509-ca-cert", openapi3filter.FileBodyDecoder)
	if err := openapi3filter.ValidateResponse(t.Context(), in); err != nil {
		t.Errorf("%s %s: %d %s: %v", method, path, w.Code, w.Body, err)
	}
	if r := op.Responses.Status(w.Code); r != nil && len(r.Value.Content) == 0 && w.Body.Len() > 0 {
		t.Errorf("%s %s: %d has the body %s and should have none", method, path, w.Code, w.Body)
	}
}

// Each operation is asked rightly, by the examples of its request, and in the
// ways that all of them refuse; every answer is as the document says.
func TestAnswersConform(t *testing.T) {
	doc := loadDocument(t)
	for _, rt := range api(Options{}).routes {
		for method, op := range doc.Paths.Value(rt.path).Operations() {
			path := strings.NewReplacer("{path}", "go/doc.go", "{name}", "bob", "/rooms/{id}", "/rooms/plant.1", "{id}", string(session2)).Replace(rt.path)
			for _, req := range requestsOf(t, op) {
				a, _, _ := serve(&people{setUp: !req.early})
				w := ask(a, method, path, req.token, req.body, req.headers...)
				if rt.class == classSocket && w.Code == http.StatusNotFound {
					continue // it went through to the handler, which is none here
				}
				wantConform(t, doc, rt.path, method, w)
				if req.ok && w.Code >= 300 && rt.class != classHealth {
					t.Errorf("%s %s: %s: %d %s", method, path, req.body, w.Code, w.Body)
				}
			}
		}
	}
}

type exampleRequest struct {
	token, body string
	headers     []string
	early, ok   bool
}

// requestsOf are requests to an operation; those that are ok have to succeed.
func requestsOf(t *testing.T, op *openapi3.Operation) []exampleRequest {
	t.Helper()
	list := []exampleRequest{
		{}, {token: "nonsense"}, {token: "panic"}, {token: memberToken}, {token: adminToken, early: true},
		{token: adminToken, headers: []string{"Authorization", "Bearer twice"}},
		{token: adminToken, headers: []string{"Origin", "https://evil.example.net"}},
	}
	if op.RequestBody == nil {
		return append(list, exampleRequest{token: adminToken, ok: true})
	}
	for _, body := range []string{`[]`, `{"nonsense":1}`, `{`, strings.Repeat(" ", gateway.MaxBodyBytes+1)} {
		list = append(list, exampleRequest{token: adminToken, body: body})
	}
	list = append(list, exampleRequest{token: adminToken, body: `{}`, headers: []string{"Content-Type", "text/plain"}})
	for _, e := range op.RequestBody.Value.Content["application/json"].Examples {
		body, err := json.Marshal(e.Value.Value)
		if err != nil {
			t.Fatal(err)
		}
		// The fake knows neither the examples' passwords nor their tokens.
		known := op.OperationID != "login" && op.OperationID != "refresh"
		first := op.OperationID == "setUp" // with an administrator it is too late
		list = append(list, exampleRequest{token: adminToken, body: string(body), ok: known, early: first},
			exampleRequest{token: adminToken, body: string(body), early: !first})
	}
	return list
}
