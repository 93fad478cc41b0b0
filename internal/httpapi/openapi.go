package httpapi

import (
	"bytes"
	"compress/gzip"
	_ "embed" // the document
	"net/http"
)

// document is openapi.yaml as JSON, compressed: a sixth of its size, in a binary
// that counts. After a change there:
// go test ./internal/httpapi -run TestOpenAPIJSON -update
//
//go:embed openapi.json.gz
var document []byte

// Document returns the OpenAPI 3.1 document of this API, as JSON.
func Document() []byte {
	var b bytes.Buffer
	// A test reads it; a buffer takes everything.
	if r, err := gzip.NewReader(bytes.NewReader(document)); err == nil {
		_, _ = b.ReadFrom(r)
	}
	return b.Bytes()
}

func (a *API) openAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(Document()) // a client that is gone gets nothing
	return nil
}
