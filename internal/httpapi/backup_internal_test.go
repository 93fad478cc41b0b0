package httpapi

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"edgegw/internal/gateway"
)

// What fails before the first byte is an answer, what fails later a cut connection:
// nobody takes half an archive for a whole one.
func TestBackupThatFails(t *testing.T) {
	tests := []struct {
		name    string
		archive func(io.Writer) error
		status  int // 0: cut
	}{
		{"ok", nil, http.StatusOK},
		{"bad at once", func(io.Writer) error { return gateway.Errorf(gateway.CodeConflict, "another one is being made") }, http.StatusConflict},
		{"bad in the middle", func(w io.Writer) error {
			_, err := io.WriteString(w, "half")
			return errors.Join(err, errors.New("the disk"))
		}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, _, _ := serve(&people{setUp: true, archiveFails: test.archive})
			srv := httptest.NewServer(a)
			defer srv.Close()
			r, err := http.NewRequest("GET", srv.URL+"/backup", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+adminToken)
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				if test.status != 0 {
					t.Fatal(err)
				}
				return
			}
			defer func() { _ = res.Body.Close() }()
			body, err := io.ReadAll(res.Body)
			if test.status == 0 {
				if err == nil {
					t.Errorf("%d %q came whole", res.StatusCode, body)
				}
				return
			}
			if res.StatusCode != test.status || err != nil {
				t.Errorf("%d %s %v", res.StatusCode, body, err)
			}
			if name := res.Header.Get("Content-Disposition"); (name != "") != (test.status == http.StatusOK) {
				t.Errorf("Content-Disposition %q", name)
			}
		})
	}
}
