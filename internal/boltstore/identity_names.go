package boltstore

import (
	"encoding/binary"
	"math"
	"slices"

	"edgegw/internal/gateway"
)

// A tombstone stands twice in its bucket: under the name, with the seq that was
// the newest when the account was deleted, and under seq and name, so that those
// that the audit no longer reaches are found without a search. Seqs stay far
// below the 2^56 from which their first byte could begin a name.

// Deleted reports whether the name was an account's that the audit still tells
// of.
func (t *IdentityTx) Deleted(name gateway.AccountName) (bool, error) {
	seq, ok := t.tombstone(name)
	if t.own != nil && slices.Contains(t.own.gone, name) {
		seq, ok = t.auditState().last, true
	}
	oldest, kept := t.oldestEvent()
	return ok && kept && oldest <= seq, nil
}

// tombstone returns the newest seq of the change that deleted the account. A
// damaged one holds for as long as there is any event.
func (t *IdentityTx) tombstone(name gateway.AccountName) (seq uint64, ok bool) {
	value := t.get(binNames, []byte(name))
	if value == nil {
		return 0, false
	}
	d := t.unseal(binNames, []byte(name), value)
	if seq = d.uvarint(); d.bad {
		seq = math.MaxUint64
	}
	return seq, true
}

// oldestEvent is the seq of the oldest event that is not routine, if there is
// any. Deletions never are.
func (t *IdentityTx) oldestEvent() (seq uint64, ok bool) {
	for key := range t.scan(binAudit, nil, nil) {
		return uint64(keySeq(key)), true
	}
	return 0, false
}

// finishNames writes the tombstones of the accounts that the change deleted, now
// that the seq of the deletion's event has been given, and removes those that the
// audit no longer reaches.
func (t *IdentityTx) finishNames() error {
	for _, name := range t.own.gone {
		seq := t.auditState().last
		for _, key := range [][]byte{[]byte(name), tombstoneKey(seq, name)} {
			if err := t.put(binNames, key, seal(binNames, key, binary.AppendUvarint([]byte{noteVersion}, seq))); err != nil {
				return err
			}
		}
	}
	if !t.own.shrunk {
		return nil
	}
	oldest, ok := t.oldestEvent()
	if !ok {
		oldest = t.auditState().last + 1
	}
	for _, key := range t.keysBetween(binNames, nil, numberKey(oldest)) {
		name := gateway.AccountName(key[len(numberKey(0)):])
		if err := t.drop(binNames, key); err != nil {
			return err
		}
		// The account may have been made and deleted again since.
		if seq, ok := t.tombstone(name); ok && (seq < oldest || seq == math.MaxUint64) {
			if err := t.drop(binNames, []byte(name)); err != nil {
				return err
			}
		}
	}
	return nil
}

func tombstoneKey(seq uint64, name gateway.AccountName) []byte {
	return append(numberKey(seq), name...)
}
