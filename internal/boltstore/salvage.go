package boltstore

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"os"
	"slices"

	"edgegw/internal/gateway"
)

// salvageReport is what came out of a damaged file.
type salvageReport struct {
	messages, rooms int // that were saved
	harmed          int // rooms that lack something, or may
	damaged         int // pages and entries that were left out
	inTime          bool
}

// salvage copies what the sums in a damaged history vouch for into a new file at
// dst, until late says that it takes too much, time or space. Rooms keep their
// place and their numbers: what is missing in them is a hole, and no client is told
// that it has everything. It returns an error of the damaged file when nothing can
// be made of it, and any other when the new one cannot be written.
func salvage(path, dst string, late func() bool) (report salvageReport, err error) {
	file, err := os.Open(path)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	imp, err := NewHistoryImport(dst)
	if err != nil {
		return report, err
	}
	s := &salvager{
		out: &export{ctx: context.Background(), put: imp.Add}, late: late,
		heads: make(map[gateway.RoomID][]byte), epochs: make(map[gateway.RoomID][]byte),
	}
	s.report.inTime = true
	s.open(file)
	if err := errors.Join(s.copy(imp), s.out.flush()); err != nil {
		return s.report, errors.Join(err, imp.Abort())
	}
	s.report.damaged = s.reader.damaged
	return s.report, imp.Finish()
}

type salvager struct {
	reader *pageReader
	out    *export
	late   func() bool
	report salvageReport

	tops    map[string][]byte // the file's buckets
	heads   map[gateway.RoomID][]byte
	epochs  map[gateway.RoomID][]byte
	newest  uint64 // generation of any head
	scratch []byte
}

// open finds the file's buckets.
func (s *salvager) open(file *os.File) { s.reader, s.tops = openTree(file, bucketMessages) }

// metas are the valid meta pages of the file, the newest first.
func metas(file *os.File) []boltMeta {
	var all []boltMeta
	if m, _, ok := readMeta(file, 0); ok {
		all = append(all, m)
	}
	for pageSize := uint64(1024); pageSize <= 64<<10; pageSize *= 2 {
		if m, _, ok := readMeta(file, int64(pageSize)); ok && m.pageSize == pageSize {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b boltMeta) int { return int(int64(b.txid - a.txid)) })
	return all
}

// top reads one of the file's buckets.
func (s *salvager) top(name []byte, each func(key, value []byte, bucket bool) error) error {
	if value := s.tops[string(name)]; value != nil {
		return s.reader.bucket(value, each)
	}
	s.reader.damaged++
	return nil
}

func (s *salvager) copy(imp *HistoryImport) error {
	if err := s.readHeads(); err != nil {
		return err
	}
	if err := s.copyState(imp); err != nil {
		return err
	}
	// The log first: while any of it is missing, nobody knows of which room.
	before := s.reader.damaged
	if err := s.copyLog(); err != nil {
		return err
	}
	logWhole := s.reader.damaged == before
	if err := s.copyRooms(logWhole); err != nil {
		return err
	}
	return s.top(bucketSettings, func(key, value []byte, _ bool) error {
		s.out.item(itemSettings, gateway.RoomID(key), nil, value)
		return s.flushFull()
	})
}

func (s *salvager) flushFull() error {
	if s.out.full() {
		return s.out.flush()
	}
	return nil
}

func (s *salvager) readHeads() error {
	err := s.top(bucketRooms, func(key, value []byte, _ bool) error {
		id := gateway.RoomID(key)
		if disk, ok := readRoomDisk(id, value, &s.scratch); ok {
			s.heads[id], s.newest = value, max(s.newest, disk.generation)
		} else {
			s.reader.damaged++
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.top(bucketEpochs, func(key, value []byte, _ bool) error {
		s.epochs[gateway.RoomID(key)] = value
		return nil
	})
}

// copyState keeps what the file knew of its epochs. Without that no old epoch is
// remembered, and the generations go on behind the newest of any room.
func (s *salvager) copyState(imp *HistoryImport) error {
	var state []byte
	err := s.top(bucketMeta, func(key, value []byte, _ bool) error {
		if string(key) == string(keyState) {
			if _, ok := openSum(value, keyState, 0, &s.scratch); ok {
				state = value
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if state == nil {
		s.reader.damaged++
		clear(s.epochs)
		return imp.beginAnew(s.newest)
	}
	s.out.item(itemState, "", nil, state)
	return s.out.flush()
}

func (s *salvager) copyLog() error {
	number := uint64(0)
	return s.top(bucketLog, func(key, value []byte, _ bool) error {
		n := uint64(keySeq(key))
		if _, ok := decodeLogEntry(value, &s.scratch); !ok || n <= number {
			s.reader.damaged++
			return nil
		}
		number = n
		s.out.item(itemLog, "", key, value)
		return s.flushFull()
	})
}

func (s *salvager) copyRooms(logWhole bool) error {
	messages, ids := make(map[gateway.RoomID][]byte), make(map[gateway.RoomID][]byte)
	for name, into := range map[string]map[gateway.RoomID][]byte{string(bucketMessages): messages, string(bucketIDs): ids} {
		err := s.top([]byte(name), func(key, value []byte, bucket bool) error {
			if id, err := gateway.ParseRoomID(string(key)); bucket && err == nil {
				into[id] = value
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	rooms := make(map[gateway.RoomID]struct{})
	for id := range messages {
		rooms[id] = struct{}{}
	}
	for id := range s.heads {
		rooms[id] = struct{}{}
	}
	for _, id := range s.byNeed(rooms) {
		have, whole, err := s.copyMessages(id, messages[id])
		if err != nil {
			return err
		}
		if !whole || !logWhole || s.heads[id] == nil {
			s.report.harmed++
			s.out.item(itemHead, id, nil, s.newHead(id, have))
		} else if err := s.copyPast(id, ids[id]); err != nil {
			return err
		}
		if err := s.out.flush(); err != nil {
			return err
		}
	}
	return nil
}

// byNeed puts the rooms in front that were written to last, in case it takes too
// much to copy all of them.
func (s *salvager) byNeed(rooms map[gateway.RoomID]struct{}) []gateway.RoomID {
	newest := func(id gateway.RoomID) gateway.Timestamp {
		disk, _ := readRoomDisk(id, s.heads[id], &s.scratch)
		return disk.ts
	}
	list := slices.Sorted(maps.Keys(rooms))
	slices.SortStableFunc(list, func(a, b gateway.RoomID) int { return cmp.Compare(newest(b), newest(a)) })
	return list
}

// newHead is the head of a room that lacks something: its numbers go on where they
// were, and it belongs to no epoch, so that the next start begins one and remembers
// none. Without its old head that start goes by what is there.
func (s *salvager) newHead(id gateway.RoomID, have gateway.Seq) []byte {
	disk, ok := readRoomDisk(id, s.heads[id], &s.scratch)
	if !ok {
		return nil
	}
	disk.generation, disk.epoch, disk.filled = 0, "", max(disk.filled, have)
	return disk.sealed(id)
}

// copyMessages returns the newest message that it has copied, and reports whether
// the room has all that its head tells of.
func (s *salvager) copyMessages(id gateway.RoomID, bucket []byte) (newest gateway.Seq, whole bool, err error) {
	var have roomDisk
	if bucket != nil && s.report.inTime {
		err = s.reader.bucket(bucket, func(key, value []byte, _ bool) error {
			seq := keySeq(key)
			ts, ok := messageTime(id, seq, value, &s.scratch)
			if !ok || seq <= have.filled || !s.report.inTime {
				s.reader.damaged++
				return nil
			}
			if have.count == 0 {
				have.first = seq
			}
			have.filled, have.ts = seq, ts
			have.count++
			s.out.item(itemMessage, id, key, value)
			if !s.out.full() {
				return nil
			}
			s.report.inTime = !s.late()
			return s.out.flush()
		})
	}
	if have.count > 0 {
		s.report.rooms++
		s.report.messages += int(have.count)
	}
	disk, ok := readRoomDisk(id, s.heads[id], &s.scratch)
	return have.filled, ok && disk.count == have.count && disk.filled >= have.filled, err
}

// copyPast keeps what clients and publishers may rely on of a room in which
// nothing is missing.
func (s *salvager) copyPast(id gateway.RoomID, ids []byte) error {
	s.out.item(itemHead, id, nil, s.heads[id])
	if epochs := s.epochs[id]; epochs != nil {
		s.out.item(itemEpochs, id, nil, epochs)
	}
	if ids == nil {
		return nil
	}
	var last []byte
	return s.reader.bucket(ids, func(key, value []byte, _ bool) error {
		if len(key) < 9 || string(key) <= string(last) {
			s.reader.damaged++
			return nil
		}
		last = key
		s.out.item(itemID, id, key, value)
		return s.flushFull()
	})
}

// beginAnew takes the place of a state that is lost: its generations begin
// behind one that is known.
func (i *HistoryImport) beginAnew(generation uint64) error {
	state := newState()
	state.generation = max(state.generation, generation)
	state.epoch, state.open, i.state = newEpoch(state.generation), true, true
	return i.db.Update(state.put)
}
