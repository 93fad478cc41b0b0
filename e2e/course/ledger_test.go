package course_test

import (
	"reflect"
	"slices"
)

// balance compares what the client has published, what was acknowledged and what it
// has heard with the history of the room: nothing lost, nothing twice, nothing in
// another order.
func (s *site) balance(d *driver, ids []string) {
	s.t.Helper()
	if len(ids) == 0 {
		s.t.Fatal("nothing was published")
	}
	acks := s.acknowledged(d, ids)
	history := s.history("course")
	seqs := map[string]uint64{}
	for _, m := range history {
		if m.User != "device" {
			continue
		}
		if was, twice := seqs[m.ID]; twice {
			s.t.Errorf("%s is stored twice, as %d and %d", m.ID, was, m.Seq)
		}
		seqs[m.ID] = m.Seq
	}
	for _, id := range ids {
		if seqs[id] == 0 || acks[id] != seqs[id] {
			s.t.Errorf("%s was acknowledged as %d and is stored as %d", id, acks[id], seqs[id])
		}
	}
	if len(seqs) != len(ids) {
		s.t.Errorf("%d messages are stored, %d were published", len(seqs), len(ids))
	}
	for _, name := range []string{"lost", "gap", "failed"} {
		if told := d.of(name); len(told) > 0 {
			s.t.Errorf("%d times %s, first %+v", len(told), name, told[0])
		}
	}
	s.heard(d, history)
}

// acknowledged waits for the acks of all, and returns their numbers.
func (s *site) acknowledged(d *driver, ids []string) map[string]uint64 {
	s.t.Helper()
	acks := map[string]uint64{}
	d.awaitThat("ack", len(ids), func(e *event) bool { return slices.Contains(ids, e.ID) })
	for _, e := range d.of("ack") {
		if was, twice := acks[e.ID]; twice {
			s.t.Errorf("%s was acknowledged twice, as %d and %d", e.ID, was, e.Seq)
		}
		acks[e.ID] = e.Seq
	}
	return acks
}

// heard compares the messages that the client has given out with the history from
// where it came in.
func (s *site) heard(d *driver, history []stored) {
	s.t.Helper()
	from := d.await("subscribed", 1).Seq
	expected := slices.DeleteFunc(slices.Clone(history), func(m stored) bool { return m.Seq <= from })
	d.await("message", len(expected))
	heard := d.of("message")
	if len(heard) != len(expected) {
		s.t.Fatalf("the client gave out %d messages, the history has %d", len(heard), len(expected))
	}
	for i, m := range expected {
		h := heard[i]
		if h.Room != "course" || h.Seq != m.Seq || h.ID != m.ID || h.User != m.User || !reflect.DeepEqual(h.Data, m.Data) {
			s.t.Fatalf("message %d: the client gave out %+v, the history has %+v", i, h, m)
		}
	}
}
