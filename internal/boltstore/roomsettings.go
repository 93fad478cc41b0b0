package boltstore

import (
	"encoding/binary"
	"maps"
	"time"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

const settingsVersion = 1

// RoomSettings tells what holds for a room: what was stored for it with
// PutSettings, else what the options say.
func (h *History) RoomSettings(id gateway.RoomID) gateway.RoomSettings {
	if s, ok := (*h.decided.Load())[id]; ok {
		return s
	}
	return h.opts.Settings(id)
}

// PutSettings stores what an operator decided about the room. It is on disk, and
// holds, when PutSettings returns. It returns CodeUnavailable after a commit
// failed and after Run or Close ended.
func (h *History) PutSettings(id gateway.RoomID, s gateway.RoomSettings) error {
	v := appendString([]byte{settingsVersion}, s.Durability)
	v = appendString(v, s.Overflow)
	v = binary.AppendVarint(v, s.MaxMessages)
	v = binary.AppendVarint(v, s.MaxBytes)
	v = binary.AppendVarint(v, int64(s.MaxAge))
	v = appendSum(v, 0, id, 0)
	return h.operate(&operation{
		change: func(tx *bolt.Tx) error { return tx.Bucket(bucketSettings).Put([]byte(id), v) },
		apply:  func() { h.decide(func(all map[gateway.RoomID]gateway.RoomSettings) { all[id] = s }) },
	})
}

// DeleteSettings forgets what PutSettings stored for the room, if anything. It
// returns the same errors.
func (h *History) DeleteSettings(id gateway.RoomID) error {
	if _, ok := (*h.decided.Load())[id]; !ok {
		return nil
	}
	return h.operate(&operation{
		change: func(tx *bolt.Tx) error { return tx.Bucket(bucketSettings).Delete([]byte(id)) },
		apply:  func() { h.decide(func(all map[gateway.RoomID]gateway.RoomSettings) { delete(all, id) }) },
	})
}

// decide replaces the map as a whole: it is read with every message, without a
// lock.
func (h *History) decide(change func(map[gateway.RoomID]gateway.RoomSettings)) {
	all := maps.Clone(*h.decided.Load())
	change(all)
	h.decided.Store(&all)
}

// loadSettings reads what was stored with PutSettings. What is damaged is left
// out, and said.
func (h *History) loadSettings(tx *bolt.Tx) {
	decided := make(map[gateway.RoomID]gateway.RoomSettings)
	var scratch []byte
	for c, key, value := cursorFirst(tx.Bucket(bucketSettings)); key != nil; key, value = c.Next() {
		id := gateway.RoomID(key)
		if s, ok := readSettings(id, value, &scratch); ok {
			decided[id] = s
		} else {
			h.log.Error("the settings of a room are damaged and left out; set them again", "event", "settings_damaged", "room", id)
		}
	}
	h.decided.Store(&decided)
}

func readSettings(id gateway.RoomID, value []byte, scratch *[]byte) (gateway.RoomSettings, bool) {
	body, ok := openSum(value, id, 0, scratch)
	d := decoder{b: body}
	version := d.byte()
	s := gateway.RoomSettings{
		Durability:  gateway.Durability(d.bytes()),
		Overflow:    gateway.Overflow(d.bytes()),
		MaxMessages: d.varint(),
		MaxBytes:    d.varint(),
		MaxAge:      time.Duration(d.varint()),
	}
	return s, ok && !d.bad && version == settingsVersion
}
