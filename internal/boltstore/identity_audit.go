package boltstore

import (
	"encoding/binary"
	"math"

	"edgegw/internal/gateway"
)

// defaultAuditEvents is how many events each ring of the audit keeps.
const defaultAuditEvents = 10_000

var keyAudit = []byte("audit")

// auditState is what the audit knows about itself.
type auditState struct {
	last  uint64       // the newest seq that was ever given
	count [bins]uint64 // how many events the two rings hold
}

// ringOf is the ring that an event stands in.
func ringOf(e *gateway.AuditEvent) bin {
	if e.Routine() {
		return binRoutine
	}
	return binAudit
}

// AddEvent appends an event and gives it the next seq, whatever it brings. When
// its ring holds too many, the oldest go with this change.
func (t *IdentityTx) AddEvent(e gateway.AuditEvent) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	a, ring := t.auditState(), ringOf(&e)
	a.last++
	a.count[ring]++
	key := numberKey(a.last)
	v := make([]byte, 0, 96)
	v = binary.AppendVarint(append(v, noteVersion), int64(e.TS))
	v = appendString(v, e.Event)
	v = appendString(v, e.Actor)
	v = appendString(v, e.Subject)
	v = appendString(v, e.IP)
	v = appendString(v, e.Result)
	v = appendString(v, e.Reason)
	v = binary.AppendUvarint(v, uint64(max(1, e.Count)))
	return t.put(ring, key, seal(ring, key, v))
}

func (t *IdentityTx) decodeEvent(ring bin, key, value []byte) (gateway.AuditEvent, bool) {
	d := t.unseal(ring, key, value)
	e := gateway.AuditEvent{
		Seq:     uint64(keySeq(key)),
		TS:      gateway.Timestamp(d.varint()),
		Event:   gateway.Event(d.bytes()),
		Actor:   string(d.bytes()),
		Subject: string(d.bytes()),
		IP:      string(d.bytes()),
		Result:  gateway.Result(d.bytes()),
		Reason:  string(d.bytes()),
		Count:   uint32(min(d.uvarint(), math.MaxUint32)),
	}
	return e, !d.bad
}

// Events returns up to limit events in the order of their seq: the oldest above
// after, or the newest of all when after is nil. Damaged ones are left out.
func (t *IdentityTx) Events(after *uint64, limit int) ([]gateway.AuditEvent, error) {
	switch {
	case limit <= 0:
		return nil, nil
	case after == nil:
		return t.newestEvents(limit), nil
	case *after == math.MaxUint64:
		return nil, nil
	}
	return t.eventsBetween(numberKey(*after+1), nil, limit), nil
}

// newestEvents reads backwards in steps of seqs that become wider: as long as
// nothing was purged, the first step has all that is wanted.
func (t *IdentityTx) newestEvents(limit int) []gateway.AuditEvent {
	var events []gateway.AuditEvent
	end, width := t.auditState().last+1, uint64(limit)
	for end > 0 && len(events) < limit {
		start := end - min(end, width)
		events = append(t.eventsBetween(numberKey(start), numberKey(end), math.MaxInt), events...)
		end, width = start, width*2
	}
	return events[max(0, len(events)-limit):]
}

// eventsBetween merges the two rings.
func (t *IdentityTx) eventsBetween(from, to []byte, limit int) []gateway.AuditEvent {
	one, other := t.ringBetween(binAudit, from, to, limit), t.ringBetween(binRoutine, from, to, limit)
	if len(one) == 0 {
		return other
	}
	merged := make([]gateway.AuditEvent, 0, min(limit, len(one)+len(other)))
	for len(merged) < limit && len(one)+len(other) > 0 {
		if len(one) == 0 || len(other) > 0 && other[0].Seq < one[0].Seq {
			one, other = other, one
		}
		merged = append(merged, one[0])
		one = one[1:]
	}
	return merged
}

func (t *IdentityTx) ringBetween(ring bin, from, to []byte, limit int) (events []gateway.AuditEvent) {
	for key, value := range t.scan(ring, from, to) {
		if e, ok := t.decodeEvent(ring, key, value); ok {
			if events = append(events, e); len(events) == limit {
				break
			}
		}
	}
	return events
}

// PurgeEvents removes the events from before the given time, and damaged ones.
// It looks at all of them: after a clock that ran ahead, the oldest event need
// not have the smallest time.
func (t *IdentityTx) PurgeEvents(before gateway.Timestamp) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	for _, ring := range []bin{binAudit, binRoutine} {
		var keys [][]byte
		for key, value := range t.scan(ring, nil, nil) {
			d := t.unseal(ring, key, value)
			if ts := gateway.Timestamp(d.varint()); d.bad || ts < before {
				keys = append(keys, key)
			}
		}
		if err := t.dropEvents(ring, keys); err != nil {
			return err
		}
	}
	return nil
}

func (t *IdentityTx) dropEvents(ring bin, keys [][]byte) error {
	if len(keys) == 0 {
		return nil
	}
	a := t.auditState()
	a.count[ring] -= min(a.count[ring], uint64(len(keys)))
	t.own.shrunk = t.own.shrunk || ring == binAudit
	return t.dropAll(ring, keys)
}

// finishAudit makes room in rings that became too full, and notes where the
// audit stands. It makes a little more room than is needed, so that not every
// event has to change both ends of its ring.
func (t *IdentityTx) finishAudit() error {
	if t.own.audit == nil {
		return nil
	}
	a := t.own.audit
	for _, ring := range []bin{binAudit, binRoutine} {
		if a.count[ring] <= t.ringEvents {
			continue
		}
		surplus := a.count[ring] - t.ringEvents + t.ringEvents/64
		keys := make([][]byte, 0, surplus)
		for key := range t.scan(ring, nil, nil) {
			if keys = append(keys, key); uint64(len(keys)) == surplus {
				break
			}
		}
		if err := t.dropEvents(ring, keys); err != nil {
			return err
		}
	}
	v := binary.AppendUvarint([]byte{noteVersion}, a.last)
	v = binary.AppendUvarint(v, a.count[binAudit])
	v = binary.AppendUvarint(v, a.count[binRoutine])
	return t.put(binMeta, keyAudit, seal(binMeta, keyAudit, v))
}

// auditState returns where the audit stands. Within a change it is the change's
// own.
func (t *IdentityTx) auditState() *auditState {
	if t.own != nil && t.own.audit != nil {
		return t.own.audit
	}
	a := t.readAuditState()
	if t.own != nil {
		t.own.audit = a
	}
	return a
}

func (t *IdentityTx) readAuditState() *auditState {
	a := &auditState{}
	value := t.get(binMeta, keyAudit)
	if value == nil {
		return a
	}
	d := t.unseal(binMeta, keyAudit, value)
	a.last, a.count[binAudit], a.count[binRoutine] = d.uvarint(), d.uvarint(), d.uvarint()
	if d.bad {
		return t.recountAudit()
	}
	return a
}

// recountAudit makes the state anew when the note of it is damaged. The newest
// events may have been purged since: the numbers go on behind any that can have
// been given.
func (t *IdentityTx) recountAudit() *auditState {
	const leap = 1 << 32
	a := &auditState{}
	for _, ring := range []bin{binAudit, binRoutine} {
		for key := range t.scan(ring, nil, nil) {
			a.count[ring]++
			a.last = max(a.last, uint64(keySeq(key)))
		}
	}
	a.last += leap
	return a
}
