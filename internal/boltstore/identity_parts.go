package boltstore

import (
	"bytes"
	"errors"
	"os"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

// identityParts is what the sums in an identity file vouch for.
type identityParts struct {
	values [bins]map[string][]byte
	// lost says that something of the bucket is missing, or may be.
	lost [bins]bool
	// damaged counts pages and values that were left out.
	damaged int
}

// readIdentity reads a file page by page, whatever state it is in. Its error says
// that the file cannot be read at all.
func readIdentity(path string) (*identityParts, error) {
	p := &identityParts{}
	for b := range bins {
		p.values[b] = make(map[string][]byte)
	}
	file, err := os.Open(path)
	if err != nil {
		return p, err
	}
	reader, tops := openTree(file, buckets[binAccounts])
	for b := range bins {
		p.readBin(b, reader, tops[string(buckets[b])])
	}
	p.damaged += reader.damaged
	return p, file.Close()
}

// openTree finds a file's buckets, by the newest meta page from which the wanted
// one is found, or else any.
func openTree(file *os.File, wanted []byte) (*pageReader, map[string][]byte) {
	reader := &pageReader{file: file}
	tops := make(map[string][]byte)
	for _, meta := range metas(file) {
		reader = &pageReader{file: file, pageSize: meta.pageSize, pages: meta.pages, seen: make(map[uint64]bool)}
		_ = reader.tree(meta.root, func(key, value []byte, bucket bool) error {
			if bucket {
				tops[string(key)] = value
			}
			return nil
		})
		if tops[string(wanted)] != nil {
			break
		}
	}
	return reader, tops
}

func (p *identityParts) readBin(b bin, reader *pageReader, top []byte) {
	if top == nil {
		// A file of schema version 1 has the first two only.
		p.lost[b] = true
		if b <= binAccounts || len(p.values[binMeta][string(keySchema)]) == 0 || p.values[binMeta][string(keySchema)][3] > 1 {
			p.damaged++
		}
		return
	}
	before, scratch := reader.damaged, []byte(nil)
	_ = reader.bucket(top, func(key, value []byte, bucket bool) error {
		if bucket || !soundValue(b, key, value, &scratch) {
			reader.damaged++
			return nil
		}
		p.values[b][string(key)] = value
		return nil
	})
	p.lost[b] = p.lost[b] || reader.damaged > before
}

func soundValue(b bin, key, value []byte, scratch *[]byte) bool {
	switch {
	case b == binMeta && bytes.Equal(key, keyKind):
		return bytes.Equal(value, []byte(identitySchema().kind))
	case b == binMeta && bytes.Equal(key, keySchema):
		return len(value) == 4
	case b == binAccounts:
		_, ok := decodeAccount(gateway.AccountName(key), value, scratch)
		return ok
	}
	_, ok := openSum(value, key, uint64(b), scratch)
	return ok
}

// fill takes from a copy what is missing. Sessions and reset codes never come from
// there: some of them may have ended since. A deleted account does not come back
// either, as far as its tombstone is left. It returns the accounts that it took.
func (p *identityParts) fill(from *identityParts) (accounts []string) {
	for _, b := range []bin{binMeta, binNames, binKeys, binAudit, binRoutine, binAccounts} {
		if !p.lost[b] {
			continue
		}
		for key, value := range from.values[b] {
			if _, ok := p.values[b][key]; ok {
				continue
			}
			if b == binAccounts {
				if _, deleted := p.values[binNames][key]; deleted {
					continue
				}
				accounts = append(accounts, key)
			}
			p.values[b][key] = value
		}
	}
	return accounts
}

// write makes a new file of the parts at path. Device keys are noted anew from the
// accounts that have them.
func (p *identityParts) write(path string) (err error) {
	f := identityStoreFile(&IdentityOptions{Path: path})
	db, err := openBolt(f, path)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		if err := f.schema.create(tx); err != nil {
			return err
		}
		for b := range bins {
			if b == binDeviceKeys {
				continue
			}
			for key, value := range p.values[b] {
				if b == binMeta && (key == string(keyKind) || key == string(keySchema)) {
					continue
				}
				if err := tx.Bucket(buckets[b]).Put([]byte(key), value); err != nil {
					return err
				}
			}
		}
		return p.noteKeys(tx.Bucket(buckets[binDeviceKeys]))
	})
	return errors.Join(err, db.Close())
}

func (p *identityParts) noteKeys(bucket *bolt.Bucket) error {
	var scratch []byte
	for name, value := range p.values[binAccounts] {
		a, _ := decodeAccount(gateway.AccountName(name), value, &scratch)
		for _, key := range a.Keys {
			place := bytes.Clone(key.Hash[:])
			if err := bucket.Put(place, seal(binDeviceKeys, place, appendString([]byte{noteVersion}, a.Name))); err != nil {
				return err
			}
		}
	}
	return nil
}
