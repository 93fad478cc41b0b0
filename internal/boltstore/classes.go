package boltstore

import bolt "go.etcd.io/bbolt"

// keyClasses is what HistoryOptions.Classes was at the last start.
var keyClasses = []byte("classes")

// noteClasses ends the epochs of rooms that were never used when Classes is not
// what it was: whoever was told of one may have missed what was announced in
// memory since, and nothing else in the file would tell of such a room. Those that
// have a head keep their epochs; leaveRooms looks after them.
func (h *History) noteClasses(tx *bolt.Tx) error {
	meta := tx.Bucket(bucketMeta)
	before, ok := openSum(meta.Get(keyClasses), keyClasses, 0, new([]byte))
	if ok && string(before) == h.opts.Classes {
		return nil
	}
	for _, r := range h.rooms {
		if r.disk.generation == h.state.generation {
			continue
		}
		if err := r.disk.enterGeneration(tx, r.id, &h.state); err != nil {
			return err
		}
		if err := r.disk.put(tx, r.id); err != nil {
			return err
		}
	}
	h.state.epoch, h.state.past = newEpoch(h.state.generation), nil
	return meta.Put(keyClasses, appendSum([]byte(h.opts.Classes), 0, keyClasses, 0))
}
