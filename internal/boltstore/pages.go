package boltstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
)

// The layout of bbolt's tree pages, as far as it is needed to read what is left
// of a damaged file: bbolt itself trusts what it maps.
const (
	branchPage   = 0x01
	leafPage     = 0x02
	freelistPage = 0x10
	bucketEntry  = 0x01
	elementBytes = 16
	bucketBytes  = 16 // root and sequence; an inline page follows
	maxDepth     = 32
	maxTreePage  = 64 << 20 // of one page with what it overflows into
)

var errPage = errors.New("a damaged page")

// pageReader reads the trees of a file page by page, and goes around what does
// not hold together. It never maps the file.
type pageReader struct {
	file     *os.File
	pageSize uint64
	pages    uint64
	seen     map[uint64]bool
	damaged  int // pages and entries that were left out
	// last is the key before in the bucket at hand, least what the branch
	// above says that comes next.
	last, least []byte
}

// page reads a page, and makes sure that it says of itself what was asked for.
func (r *pageReader) page(id uint64) ([]byte, error) {
	if id < 2 || id >= r.pages || r.seen[id] {
		return nil, errPage
	}
	r.seen[id] = true
	head := make([]byte, r.pageSize)
	if _, err := r.file.ReadAt(head, int64(id*r.pageSize)); err != nil {
		return nil, err
	}
	order := binary.NativeEndian
	more := uint64(order.Uint32(head[12:]))
	if order.Uint64(head) != id || more >= r.pages-id || more*r.pageSize > maxTreePage {
		return nil, errPage
	}
	for n := range more { // they belong to this one
		if r.seen[id+1+n] {
			return nil, errPage
		}
		r.seen[id+1+n] = true
	}
	if more == 0 {
		return head, nil
	}
	whole := make([]byte, (1+more)*r.pageSize)
	_, err := r.file.ReadAt(whole, int64(id*r.pageSize))
	return whole, err
}

// tree hands out what stands below a page, in the order of the file. A value with
// bucket set describes a bucket. Key and value are valid for good.
func (r *pageReader) tree(id uint64, each func(key, value []byte, bucket bool) error) error {
	defer r.within()()
	return r.descend(id, 0, each)
}

// within begins a bucket, and returns what goes on with the one around it.
func (r *pageReader) within() (back func()) {
	last, least := r.last, r.least
	r.last, r.least = nil, nil
	return func() { r.last, r.least = last, least }
}

// inOrder reports whether the key may follow those before, and notes it.
func (r *pageReader) inOrder(key []byte) bool {
	if len(key) == 0 || r.last != nil && bytes.Compare(key, r.last) <= 0 || bytes.Compare(key, r.least) < 0 {
		r.damaged++
		return false
	}
	r.last = key
	return true
}

func (r *pageReader) descend(id uint64, depth int, each func(key, value []byte, bucket bool) error) error {
	page, err := r.page(id)
	if err != nil || depth > maxDepth {
		r.damaged++
		return nil
	}
	switch binary.NativeEndian.Uint16(page[8:]) {
	case leafPage:
		return r.leaf(page, each)
	case branchPage:
	default:
		r.damaged++
		return nil
	}
	count, next := r.elements(page)
	for i := range count {
		at := pageHeaderBytes + i*elementBytes
		if at+elementBytes > len(page) {
			r.damaged++
			return nil
		}
		key, start, ok := branchKey(page, at)
		if !ok || i > 0 && bytes.Compare(key, r.last) <= 0 {
			r.damaged++
			continue
		}
		next = r.follows(next, start, start+uint64(len(key)))
		r.least = key
		if err := r.descend(binary.NativeEndian.Uint64(page[at+8:]), depth+1, each); err != nil {
			return err
		}
	}
	return nil
}

// elements is how many a page says that it has, and where the first one's key is
// then: bbolt puts keys and values behind the elements, one after the other without
// a hole, so that no element can be missing, or too long, unseen. Only what stands
// inside another page may have none.
func (r *pageReader) elements(page []byte) (count int, first uint64) {
	count = int(binary.NativeEndian.Uint16(page[10:]))
	if count == 0 && len(page) > pageHeaderBytes {
		r.damaged++
	}
	return count, uint64(pageHeaderBytes + count*elementBytes)
}

// follows counts it as damage when something does not start where it has to, and
// returns where the next one has to.
func (r *pageReader) follows(want, start, end uint64) (next uint64) {
	if start != want {
		r.damaged++
	}
	return end
}

func branchKey(page []byte, at int) (key []byte, start uint64, ok bool) {
	start = uint64(at) + uint64(binary.NativeEndian.Uint32(page[at:]))
	end := start + uint64(binary.NativeEndian.Uint32(page[at+4:]))
	if start >= end || end > uint64(len(page)) {
		return nil, 0, false
	}
	return page[start:end:end], start, true
}

func (r *pageReader) leaf(page []byte, each func(key, value []byte, bucket bool) error) error {
	order := binary.NativeEndian
	count, next := r.elements(page)
	for i := range count {
		at := uint64(pageHeaderBytes + i*elementBytes)
		if at+elementBytes > uint64(len(page)) {
			r.damaged++
			return nil
		}
		start := at + uint64(order.Uint32(page[at+4:]))
		middle := start + uint64(order.Uint32(page[at+8:]))
		end := middle + uint64(order.Uint32(page[at+12:]))
		if start > middle || middle > end || end > uint64(len(page)) {
			r.damaged++
			continue
		}
		next = r.follows(next, start, end)
		if !r.inOrder(page[start:middle:middle]) {
			continue
		}
		if err := each(page[start:middle:middle], page[middle:end:end], order.Uint32(page[at:])&bucketEntry != 0); err != nil {
			return err
		}
	}
	return nil
}

// bucket hands out what a bucket holds, which may stand inside its description.
func (r *pageReader) bucket(value []byte, each func(key, value []byte, bucket bool) error) error {
	if len(value) < bucketBytes {
		r.damaged++
		return nil
	}
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		return r.tree(root, each)
	}
	if len(value) < bucketBytes+pageHeaderBytes {
		r.damaged++
		return nil
	}
	defer r.within()()
	return r.leaf(value[bucketBytes:], each)
}

// walkFile looks at all pages of a store, until late says that it takes too long:
// each has to be where it belongs, and none may be free as well. It says nothing
// of the values, which have sums.
func walkFile(path string, late func() bool) error {
	file, err := os.Open(path)
	if err != nil {
		return refusePath(path, err)
	}
	defer func() { _ = file.Close() }() // nothing was written
	meta, _, err := newestMeta(file)
	if err != nil {
		return refuseDamaged(path, err)
	}
	r := &pageReader{file: file, pageSize: meta.pageSize, pages: meta.pages, seen: make(map[uint64]bool)}
	inTime := true
	var each func(key, value []byte, bucket bool) error
	each = func(_, value []byte, bucket bool) error {
		if inTime = inTime && !late(); !inTime {
			return errLate
		}
		if bucket {
			return r.bucket(value, each)
		}
		return nil
	}
	err = r.tree(meta.root, each)
	if inTime && err == nil && !r.freeAreFree(meta.freelist) {
		r.damaged++
	}
	if r.damaged > 0 {
		return refuseDamaged(path, errPage)
	}
	return nil
}

var errLate = errors.New("it takes too long")

// freeAreFree reports whether the list of free pages names none that is in use.
func (r *pageReader) freeAreFree(list uint64) bool {
	page, err := r.page(list)
	if err != nil || binary.NativeEndian.Uint16(page[8:]) != freelistPage {
		return false
	}
	ids := page[pageHeaderBytes:]
	count := uint64(binary.NativeEndian.Uint16(page[10:]))
	if count == 0xFFFF { // the first entry is the number then
		count, ids = binary.NativeEndian.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids)/8) {
		return false
	}
	for i := range count {
		id := binary.NativeEndian.Uint64(ids[8*i:])
		if id < 2 || id >= r.pages || r.seen[id] {
			return false
		}
	}
	return true
}
