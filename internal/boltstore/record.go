package boltstore

import (
	"encoding/binary"

	"edgegw/internal/gateway"
)

// A stored message is
//
//	version kind ts user id payload crc
//
// with ts as a varint, user and id after their lengths, the payload up to the
// sum, and a CRC32C over all of it, the room and the seq. In the log it stands
// behind its room and seq, in a room's bucket under its seq.
const recordVersion = 1

// recordOverhead is more than a stored message and its key need besides the
// room, the user, the id and the payload.
const recordOverhead = 64

// recordSize is at least what the record takes in the log.
func recordSize(rec *gateway.Record) int {
	m := &rec.Message
	return recordOverhead + len(rec.Room) + len(m.User) + len(m.ID) + len(m.Payload.Bytes)
}

func appendMessage(dst []byte, room gateway.RoomID, m *gateway.Message) []byte {
	start := len(dst)
	dst = append(dst, recordVersion, byte(m.Payload.Kind))
	dst = binary.AppendVarint(dst, int64(m.TS))
	dst = appendString(dst, m.User)
	dst = appendString(dst, m.ID)
	dst = append(dst, m.Payload.Bytes...)
	return appendSum(dst, start, room, uint64(m.Seq))
}

// decodeMessage reads a stored message. The payload is a part of value; the
// strings are copies. It returns false for a value that is not exactly what was
// stored for this room and seq.
//
// likely is an account that may have published it, whose name is shared then.
func decodeMessage(room gateway.RoomID, seq gateway.Seq, value []byte, scratch *[]byte, likely gateway.AccountName) (gateway.Message, bool) {
	body, ok := openSum(value, room, uint64(seq), scratch)
	if !ok {
		return gateway.Message{}, false
	}
	d := decoder{b: body}
	version, kind := d.byte(), d.byte()
	m := gateway.Message{Seq: seq, TS: gateway.Timestamp(d.varint()), User: likely}
	if user := d.bytes(); string(user) != string(likely) {
		m.User = gateway.AccountName(user)
	}
	m.ID = gateway.MessageID(d.bytes())
	m.Payload = gateway.Payload{Kind: gateway.PayloadKind(kind), Bytes: d.b}
	return m, !d.bad && version == recordVersion
}

// messageTime reads only the timestamp, which costs no allocation.
func messageTime(room gateway.RoomID, seq gateway.Seq, value []byte, scratch *[]byte) (gateway.Timestamp, bool) {
	body, ok := openSum(value, room, uint64(seq), scratch)
	if !ok {
		return 0, false
	}
	d := decoder{b: body}
	version := d.byte()
	d.byte()
	ts := gateway.Timestamp(d.varint())
	return ts, !d.bad && version == recordVersion
}

// appendLogEntry appends the form that a record has in the log.
func appendLogEntry(dst []byte, rec *gateway.Record) []byte {
	dst = appendString(dst, rec.Room)
	dst = binary.AppendUvarint(dst, uint64(rec.Message.Seq))
	return appendMessage(dst, rec.Room, &rec.Message)
}

// decodeLogEntry copies a record out of the log.
func decodeLogEntry(value []byte, scratch *[]byte) (*gateway.Record, bool) {
	d := decoder{b: value}
	room, seq := gateway.RoomID(d.bytes()), gateway.Seq(d.uvarint())
	if d.bad {
		return nil, false
	}
	m, ok := decodeMessage(room, seq, append([]byte(nil), d.b...), scratch, "")
	return &gateway.Record{Room: room, Message: m}, ok
}

// seqBytes is the length of a message's key.
const seqBytes = 8

func seqKey(seq gateway.Seq) []byte { return binary.BigEndian.AppendUint64(nil, uint64(seq)) }

func keySeq(key []byte) gateway.Seq {
	if len(key) != seqBytes {
		return 0
	}
	return gateway.Seq(binary.BigEndian.Uint64(key))
}
