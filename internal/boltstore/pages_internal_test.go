package boltstore

import (
	"os"
	"path/filepath"
	"testing"
)

// No bit of what a page says of itself can change unseen: how many elements it has,
// or where one of them begins and ends.
func TestEveryBitOfAPageCounts(t *testing.T) {
	m := &mended{t: t, path: filepath.Join(t.TempDir(), "identity.db")}
	s := m.open()
	fillMended(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(m.path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(m.path)
	if err != nil {
		t.Fatal(err)
	}
	reader, _ := openTree(file, buckets[binAccounts])
	if err := checkIdentity(m.path); err != nil {
		t.Fatal(err)
	}
	for _, name := range buckets {
		_ = reader.top(t, file, name)
	}
	if err := file.Close(); err != nil || reader.damaged > 0 {
		t.Fatalf("a sound file: %d damaged, %v", reader.damaged, err)
	}
	flipped := 0
	for id := range reader.seen {
		page := int(id * reader.pageSize)
		// The count in the head, then the first element.
		for _, at := range []int{8, 9, 10, 11, 12, 13, 14, 15, 20, 21, 24, 25} {
			for bit := range 8 {
				b[page+at] ^= 1 << bit
				if err := os.WriteFile(m.path, b, 0o600); err != nil {
					t.Fatal(err)
				}
				if err := checkIdentity(m.path); err == nil {
					t.Errorf("page %d: bit %d of byte %d is flipped, and nobody sees it", id, bit, at)
				}
				b[page+at] ^= 1 << bit
				flipped++
			}
		}
	}
	if flipped < 500 {
		t.Errorf("only %d bits were flipped", flipped)
	}
}

// top reads a bucket of the file, so that its pages are seen.
func (r *pageReader) top(t *testing.T, file *os.File, name []byte) error {
	t.Helper()
	all := &pageReader{file: file, pageSize: r.pageSize, pages: r.pages, seen: make(map[uint64]bool)}
	meta, _, err := newestMeta(file)
	if err != nil {
		t.Fatal(err)
	}
	return all.tree(meta.root, func(key, value []byte, bucket bool) error {
		if bucket && string(key) == string(name) {
			return r.bucket(value, func(_, _ []byte, _ bool) error { return nil })
		}
		return nil
	})
}
