// Package flate stands in for github.com/klauspost/compress/flate, which gws
// imports for the compression of WebSocket messages (RFC 7692). edgegw never
// negotiates it: a compressed frame is a protocol error, see docs/CONFORMANCE.md.
// The real package would be 0.15 MB of the armv6 binary that nothing runs.
//
// It has what gws names, and refuses to do anything.
package flate

import (
	"errors"
	"io"
)

// BestSpeed is a level of compression.
const BestSpeed = 1

var errNone = errors.New("flate: this program is built without compression")

// Writer would compress.
type Writer struct{}

// NewWriter makes a Writer that refuses.
func NewWriter(io.Writer, int) (*Writer, error) { return &Writer{}, nil }

// NewWriterWindow makes a Writer that refuses.
func NewWriterWindow(io.Writer, int) (*Writer, error) { return &Writer{}, nil }

// Write refuses.
func (*Writer) Write([]byte) (int, error) { return 0, errNone }

// Flush refuses.
func (*Writer) Flush() error { return errNone }

// Close refuses.
func (*Writer) Close() error { return errNone }

// Reset has nothing to reset.
func (*Writer) Reset(io.Writer) {}

// ResetDict has nothing to reset.
func (*Writer) ResetDict(io.Writer, []byte) {}

// Resetter is what a reader of NewReader also is.
type Resetter interface {
	Reset(r io.Reader, dict []byte) error
}

// NewReader makes a reader that refuses.
func NewReader(io.Reader) io.ReadCloser { return reader{} }

type reader struct{}

func (reader) Read([]byte) (int, error)      { return 0, errNone }
func (reader) Close() error                  { return nil }
func (reader) Reset(io.Reader, []byte) error { return nil }
