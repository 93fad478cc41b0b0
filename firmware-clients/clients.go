// Package clients is the clients of edgegw as files: what the gateway serves below
// /clients/, so that a site without internet can install them. They are not
// programs here; each folder has its own.
package clients

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	_ "embed" // the files
	"io"
	"slices"
)

// packed is a tar of the files, compressed: a quarter of their size, in a binary
// that counts. After a change of one of them:
// go test ./firmware-clients -update
//
//go:embed clients.tar.gz
var packed []byte

// Names are the files' paths, in order.
func Names() (names []string) {
	each(func(name string, _ io.Reader) bool {
		names = append(names, name)
		return true
	})
	slices.Sort(names)
	return names
}

// File is what is in one of them; false when there is none of this name.
func File(name string) (content []byte, found bool) {
	each(func(n string, r io.Reader) bool {
		if n == name {
			b, err := io.ReadAll(r)
			content, found = b, err == nil
		}
		return n != name
	})
	return content, found
}

// each calls do for the files until that returns false. What is embedded can be
// read; a test does.
func each(do func(name string, r io.Reader) bool) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return
	}
	for archive := tar.NewReader(z); ; {
		h, err := archive.Next()
		if err != nil || !do(h.Name, archive) {
			return
		}
	}
}
