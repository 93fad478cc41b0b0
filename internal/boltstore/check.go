package boltstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"slices"
)

// The layout of a bbolt meta page, as far as it is needed to tell a whole file
// from a foreign or a cut one before it is mapped: touching a page behind the
// end of a mapped file ends the process (SIGBUS).
const (
	pageHeaderBytes = 16
	metaMagic       = 0xED0CDAED
	metaSummed      = 56 // bytes that the checksum covers
	metaBytes       = metaSummed + 8
)

var errNoMeta = errors.New("no valid meta page")

type boltMeta struct {
	pageSize, root, freelist, pages, txid uint64
}

// checkFile refuses a file that is foreign, damaged in both meta pages, or
// shorter than its meta page says.
func checkFile(path string, size int64) (err error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return refusePath(path, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	meta, magic, err := newestMeta(file)
	switch {
	case err != nil && !magic && !blank(file) && !paged(file):
		return refuse(err, "%s is no edgegw store; move it away, or choose another data_dir", path)
	case err != nil:
		return refuseDamaged(path, err)
	}
	if want := int64(meta.pages * meta.pageSize); size < want {
		return refuseDamaged(path, fmt.Errorf("it is cut short: %d of %d bytes", size, want))
	}
	return nil
}

// blank reports whether the file begins like one that was cut off or zeroed, and
// not like somebody else's.
func blank(file *os.File) bool {
	head := make([]byte, 64)
	n, _ := file.ReadAt(head, 0)
	return !slices.ContainsFunc(head[:n], func(b byte) bool { return b != 0 })
}

// paged reports whether any of the file's first pages is one of bbolt's, at its
// place: then the file is one that has lost its meta pages.
func paged(file *os.File) bool {
	const most = 64
	for _, pageSize := range []int64{4096, int64(os.Getpagesize())} {
		for id := int64(2); id < most; id++ {
			var head [pageHeaderBytes]byte
			if _, err := file.ReadAt(head[:], id*pageSize); err != nil {
				break
			}
			kind := binary.NativeEndian.Uint16(head[8:])
			if binary.NativeEndian.Uint64(head[:]) == uint64(id) && (kind == branchPage || kind == leafPage || kind == freelistPage) {
				return true
			}
		}
	}
	return false
}

// newestMeta returns the valid meta page of the newest transaction, and whether
// anything in the file looked like one. Page 1 is looked for at every page size
// that bbolt allows when page 0 does not tell it.
func newestMeta(file *os.File) (newest boltMeta, magic bool, err error) {
	first, seen, ok := readMeta(file, 0)
	magic = seen
	for pageSize := uint64(1024); pageSize <= 64<<10; pageSize *= 2 {
		if ok && pageSize != first.pageSize {
			continue
		}
		second, seen, valid := readMeta(file, int64(pageSize))
		magic = magic || seen
		if valid && second.pageSize == pageSize && (!ok || second.txid > first.txid) {
			return second, magic, nil
		}
	}
	if !ok {
		return boltMeta{}, magic, errNoMeta
	}
	return first, magic, nil
}

func readMeta(file *os.File, offset int64) (m boltMeta, magic, ok bool) {
	var page [pageHeaderBytes + metaBytes]byte
	if _, err := file.ReadAt(page[:], offset); err != nil {
		return m, false, false
	}
	b, order := page[pageHeaderBytes:], binary.NativeEndian
	magic = order.Uint32(b) == metaMagic
	m = boltMeta{pageSize: uint64(order.Uint32(b[8:])), root: order.Uint64(b[16:]), freelist: order.Uint64(b[32:]), pages: order.Uint64(b[40:]), txid: order.Uint64(b[48:])}
	sum := fnv.New64a()
	sum.Write(b[:metaSummed]) // a hash never fails
	return m, magic, magic && sum.Sum64() == order.Uint64(b[metaSummed:])
}
