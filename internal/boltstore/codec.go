package boltstore

import (
	"encoding/binary"
	"hash/crc32"
)

// castagnoli is the CRC32C that every stored value ends with. bbolt itself
// notices a flipped bit in a value neither on open nor in its check.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const sumBytes = 4

func appendString[T ~string](dst []byte, s T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// appendSum ends the value that starts at dst[start] with the sum of the value
// and of the place it belongs to. With the place in the sum, a sound value that
// turns up under another key does not pass. The place is built behind the value
// for a moment, since a separate array would cost an allocation.
func appendSum[T ~string | ~[]byte](dst []byte, start int, place T, n uint64) []byte {
	end := len(dst)
	dst = append(dst, place...)
	dst = binary.BigEndian.AppendUint64(dst, n)
	sum := crc32.Checksum(dst[start:], castagnoli)
	return binary.BigEndian.AppendUint32(dst[:end], sum)
}

// openSum checks the sum and returns the value without it. scratch is reused
// between calls.
func openSum[T ~string | ~[]byte](value []byte, place T, n uint64, scratch *[]byte) ([]byte, bool) {
	if len(value) < sumBytes {
		return nil, false
	}
	body := value[:len(value)-sumBytes]
	*scratch = binary.BigEndian.AppendUint64(append((*scratch)[:0], place...), n)
	sum := crc32.Update(crc32.Checksum(body, castagnoli), castagnoli, *scratch)
	return body, sum == binary.BigEndian.Uint32(value[len(body):])
}

// decoder takes a value apart. After the first field that does not fit, bad is
// set and every further field is zero.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.bad = true
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.b, d.bad = nil, true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.b, d.bad = nil, true
		return 0
	}
	d.b = d.b[n:]
	return v
}

// bytes returns a part of the value, not a copy.
func (d *decoder) bytes() []byte {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.b, d.bad = nil, true
		return nil
	}
	b := d.b[:n:n]
	d.b = d.b[n:]
	return b
}

// array copies a part of the value that has a fixed size.
func (d *decoder) array(dst []byte) {
	if len(dst) > len(d.b) {
		d.b, d.bad = nil, true
		return
	}
	d.b = d.b[copy(dst, d.b):]
}
