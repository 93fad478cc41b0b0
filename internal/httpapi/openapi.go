package httpapi

import (
	_ "embed" // the document
	"io"
	"net/http"
)

// document is openapi.yaml as JSON. After a change there:
// go test ./internal/httpapi -run TestOpenAPIJSON -update
//
//go:embed openapi.json
var document string

// Document returns the OpenAPI 3.1 document of this API, as JSON.
func Document() []byte { return []byte(document) }

func (a *API) openAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = io.WriteString(w, document) // a client that is gone gets nothing
	return nil
}
