// Package backup is the form of a backup: one archive that holds all that a
// gateway needs to come back on an empty card. It writes archives as a stream
// and reads them with nothing taken on trust.
//
// An archive is a plain tar, so that an operator can look into it with any tool:
// manifest.json first, then files, and at the end sums.json with the SHA-256 of
// every entry before it. What such a file holds is not this package's business,
// and where it comes from or goes to neither.
package backup

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"

	"edgegw/internal/gateway"
)

// Format is the version of the form. A reader refuses newer ones.
const Format = 1

// Suffix ends the names of archives.
const Suffix = ".edgegw-backup"

// The entries that an archive always has.
const (
	manifestName = "manifest.json"
	sumsName     = "sums.json"
)

// MaxEntryBytes is the largest entry.
const MaxEntryBytes = 256 << 20

// maxEntries bounds what a reader keeps of an archive.
const maxEntries = 1 << 20

// Manifest tells what an archive is.
type Manifest struct {
	Format  int    `json:"format"`
	Kind    string `json:"kind"` // always "edgegw-backup"
	Version string `json:"version"`
	Site    string `json:"site"`
	// Created is in Unix milliseconds.
	Created gateway.Timestamp `json:"created"`
}

const kind = "edgegw-backup"

// Writer writes an archive.
type Writer struct {
	tar  *tar.Writer
	sums map[string]string
}

// NewWriter begins an archive; it sets the manifest's format and kind.
func NewWriter(w io.Writer, m Manifest) (*Writer, error) {
	out := &Writer{tar: tar.NewWriter(w), sums: make(map[string]string)}
	m.Format, m.Kind = Format, kind
	b, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return out, out.Add(manifestName, b)
}

// Add writes an entry. Names are unique and at most 100 bytes.
func (w *Writer) Add(name string, data []byte) error {
	if _, ok := w.sums[name]; ok || len(data) > MaxEntryBytes {
		return fmt.Errorf("entry %s is too large, or there already", name)
	}
	sum := sha256.Sum256(data)
	w.sums[name] = hex.EncodeToString(sum[:])
	return w.write(name, data)
}

func (w *Writer) write(name string, data []byte) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600, Size: int64(len(data)), Format: tar.FormatUSTAR}
	if err := w.tar.WriteHeader(h); err != nil {
		return err
	}
	_, err := w.tar.Write(data)
	return err
}

// Close ends the archive. One that was not closed is refused by Read.
func (w *Writer) Close() error {
	b, err := json.Marshal(w.sums)
	if err != nil {
		return err
	}
	if err := w.write(sumsName, b); err != nil {
		return err
	}
	return w.tar.Close()
}
