package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"edgegw/internal/gateway"
)

// Read reads a whole archive and gives each entry but the first and the last to
// visit, which may be nil. An entry's data is valid during the call. What visit
// was given counts only when Read returns nil: the sums stand at the end. Read
// returns visit's error, or CodeUnavailable for a file that is no archive, is
// newer than this edgegw, or is not exactly what was written.
func Read(r io.Reader, visit func(name string, data []byte) error) (Manifest, error) {
	var m Manifest
	counted := &counter{r: r}
	in := &reader{tar: tar.NewReader(counted), sums: make(map[string]string)}
	name, data, err := in.next()
	if err != nil || name != manifestName || json.Unmarshal(data, &m) != nil || m.Kind != kind {
		return m, refuse(err, "this is no edgegw backup; name a file that `edgegw backup` made")
	}
	if m.Format < 1 || m.Format > Format {
		return m, refuse(nil, "the backup has format %d, made by edgegw %s, and this edgegw knows up to %d; use the newer edgegw", m.Format, m.Version, Format)
	}
	for {
		if name, data, err = in.next(); err != nil {
			return m, refuseDamaged(err)
		}
		if name == sumsName {
			break
		}
		if visit != nil {
			if err := visit(name, data); err != nil {
				return m, err
			}
		}
	}
	if err := in.end(data, counted); err != nil {
		return m, refuseDamaged(err)
	}
	return m, nil
}

// Is reports whether r begins as an archive does, whole or not.
func Is(r io.Reader) bool {
	var m Manifest
	in := &reader{tar: tar.NewReader(r), sums: make(map[string]string)}
	name, data, err := in.next()
	return err == nil && name == manifestName && json.Unmarshal(data, &m) == nil && m.Kind == kind
}

// blockBytes is the unit of a tar, which ends with two empty ones.
const blockBytes = 512

// counter knows how far the tar reader has come. That one reads no further than
// it is asked to.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

type reader struct {
	tar  *tar.Reader
	buf  bytes.Buffer
	sums map[string]string
}

func (in *reader) next() (name string, data []byte, err error) {
	h, err := in.tar.Next()
	if err != nil {
		return "", nil, err
	}
	_, twice := in.sums[h.Name]
	switch {
	case h.Typeflag != tar.TypeReg || h.Size > MaxEntryBytes || len(in.sums) >= maxEntries || twice:
		return "", nil, fmt.Errorf("the entry %q does not belong there", h.Name)
	}
	in.buf.Reset()
	if _, err := io.Copy(&in.buf, in.tar); err != nil {
		return "", nil, err
	}
	if h.Name != sumsName {
		sum := sha256.Sum256(in.buf.Bytes())
		in.sums[h.Name] = hex.EncodeToString(sum[:])
	}
	return h.Name, in.buf.Bytes(), nil
}

// end compares the sums, and looks for anything behind them.
func (in *reader) end(data []byte, rest *counter) error {
	var want map[string]string
	if err := json.Unmarshal(data, &want); err != nil {
		return err
	}
	if len(want) != len(in.sums) {
		return errors.New("entries are missing, or too many")
	}
	for name, sum := range in.sums {
		if want[name] != sum {
			return fmt.Errorf("%s has changed", name)
		}
	}
	// Not by the tar reader: it takes a missing end for an end.
	last := make([]byte, -rest.n&(blockBytes-1)+2*blockBytes+1)
	n, err := io.ReadFull(rest.r, last)
	if !errors.Is(err, io.ErrUnexpectedEOF) || n != len(last)-1 || len(bytes.Trim(last, "\x00")) > 0 {
		return errors.New("its end is missing, or something follows it")
	}
	return nil
}

func refuseDamaged(cause error) error {
	return refuse(cause, "the backup is damaged or was cut off; use another one")
}

func refuse(cause error, format string, args ...any) error {
	e := gateway.Errorf(gateway.CodeUnavailable, format, args...)
	e.Op = "backup"
	if cause != nil {
		e.Err = fmt.Errorf("%s (%w)", e.Message, cause)
	}
	return e
}
