// Package dashboard is the page for people: its files, embedded compressed, and
// how browsers get them. The sources are in web/; `make web` makes dist/ of them.
// It knows nothing of what the page shows, which comes from the routes of httpapi.
package dashboard

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io"
	"net/http"
	"path"
	"strings"
)

//go:embed dist
var dist embed.FS

// indexName is the page; every other file has a name that changes with its content.
const indexName = "index.html"

var mediaTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// Dashboard serves the files.
type Dashboard struct{ etag string }

// New looks at what is embedded.
func New() *Dashboard {
	b, _ := packed(indexName)
	sum := sha256.Sum256(b)
	return &Dashboard{etag: `"` + hex.EncodeToString(sum[:8]) + `"`}
}

// packed is a file of dist as it is embedded, gzipped.
func packed(name string) ([]byte, bool) {
	b, err := dist.ReadFile(path.Join("dist", path.Base(name)+".gz"))
	return b, err == nil
}

// Index answers with the page. Browsers ask each time whether it is still the same:
// it names the files of this version.
func (d *Dashboard) Index(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", d.etag)
	if strings.Contains(r.Header.Get("If-None-Match"), d.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	send(w, r, indexName)
}

// Asset answers with a file that the page names, or reports false.
func (*Dashboard) Asset(w http.ResponseWriter, r *http.Request, name string) bool {
	if _, ok := packed(name); !ok || name == indexName {
		return false
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	send(w, r, name)
	return true
}

func send(w http.ResponseWriter, r *http.Request, name string) {
	b, _ := packed(name)
	h := w.Header()
	h.Set("Content-Type", mediaTypes[path.Ext(name)])
	h.Add("Vary", "Accept-Encoding")
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		_, _ = w.Write(b) // a browser that is gone gets nothing
		return
	}
	if z, err := gzip.NewReader(bytes.NewReader(b)); err == nil {
		_, _ = io.Copy(w, z) // #nosec G110 -- our own file
	}
}
