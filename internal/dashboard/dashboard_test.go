package dashboard_test

import (
	"compress/gzip"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"edgegw/internal/dashboard"
)

func get(d *dashboard.Dashboard, path string, headers ...string) *httptest.ResponseRecorder {
	r, w := httptest.NewRequest("GET", path, nil), httptest.NewRecorder()
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if name := regexp.MustCompile("^/assets/(.*)").FindStringSubmatch(path); name == nil {
		d.Index(w, r)
	} else if !d.Asset(w, r, name[1]) {
		w.WriteHeader(404)
	}
	return w
}

// Whoever takes gzip gets what is embedded, the others the same unpacked; the page
// names files that there are, and nothing that its policy forbids.
func TestServe(t *testing.T) {
	d := dashboard.New()
	plain := get(d, "/")
	packed := get(d, "/", "Accept-Encoding", "br, gzip")
	if packed.Header().Get("Content-Encoding") != "gzip" || plain.Header().Get("Content-Encoding") != "" {
		t.Fatalf("encodings %q and %q", packed.Header().Get("Content-Encoding"), plain.Header().Get("Content-Encoding"))
	}
	z, err := gzip.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	page := plain.Body.String()
	if b, err := io.ReadAll(z); err != nil || string(b) != page {
		t.Errorf("packed it is %q, %v", b, err)
	}
	if plain.Header().Get("Cache-Control") != "no-cache" || plain.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("headers %v", plain.Header())
	}
	if bad := regexp.MustCompile(`<script>|<style|\son[a-z]+=|style=|https?://`).FindString(page); bad != "" {
		t.Errorf("the page has %q, which its policy forbids, or which is elsewhere", bad)
	}
	names := regexp.MustCompile(`(?:src|href)="(/assets/[^"]*)"`).FindAllStringSubmatch(page, -1)
	if len(names) < 2 {
		t.Fatalf("the page names %v", names)
	}
	for _, m := range names {
		w := get(d, m[1])
		if w.Code != 200 || w.Body.Len() == 0 || w.Header().Get("Content-Type") == "" || w.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" {
			t.Errorf("%s: %d %v", m[1], w.Code, w.Header())
		}
	}
}

func TestSamePage(t *testing.T) {
	d := dashboard.New()
	tag := get(d, "/").Header().Get("ETag")
	if w := get(d, "/", "If-None-Match", tag); w.Code != 304 || w.Body.Len() > 0 {
		t.Errorf("%d with %d bytes", w.Code, w.Body.Len())
	}
	if w := get(d, "/", "If-None-Match", `"other"`); w.Code != 200 {
		t.Errorf("%d", w.Code)
	}
}

// What a page may weigh, compressed, and how many requests it may take: it opens on
// a telephone, over whatever network a site has.
const (
	mostBytes = 60_000
	mostFiles = 10
)

func TestBudget(t *testing.T) {
	files, err := filepath.Glob("dist/*.gz")
	if err != nil || len(files) < 3 {
		t.Fatalf("dist has %v, %v", files, err)
	}
	var sum int64
	for _, name := range files {
		f, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		sum += f.Size()
	}
	if sum > mostBytes || len(files) > mostFiles {
		t.Errorf("%d bytes in %d files, %d in %d are allowed", sum, len(files), mostBytes, mostFiles)
	}
}

func TestNoSuchAsset(t *testing.T) {
	d := dashboard.New()
	for _, name := range []string{"nothing.js", "index.html", "..", "../dashboard.go", "index.html.gz", ""} {
		if w := get(d, "/assets/"+name); w.Code != 404 {
			t.Errorf("%q: %d", name, w.Code)
		}
	}
}
