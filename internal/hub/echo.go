package hub

import (
	"sync"

	"edgegw/internal/gateway"
)

// maxEchoes is how many may wait for the commit of one message beside its own
// publisher.
const maxEchoes = 100

// echoes know the messages with an id that wait for their commit, so that one
// that is published again can wait for the same.
type echoes struct {
	mu      sync.Mutex
	waiting map[*gateway.Record][]*publication
}

// expect notes a record that is about to be handed to the history.
func (e *echoes) expect(rec *gateway.Record) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waiting[rec] = nil
}

// forget takes back an expect: the history has refused the record.
func (e *echoes) forget(rec *gateway.Record) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.waiting, rec)
}

// committed ends the waiting of all the records: none of them gets another echo.
// It returns the echoes of those that have some.
func (e *echoes) committed(records []*gateway.Record) map[*gateway.Record][]*publication {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.waiting) == 0 {
		return nil
	}
	var all map[*gateway.Record][]*publication
	for _, rec := range records {
		if rec.Message.ID == "" {
			continue
		}
		if pubs := e.waiting[rec]; pubs != nil {
			if all == nil {
				all = make(map[*gateway.Record][]*publication)
			}
			all[rec] = pubs
		}
		delete(e.waiting, rec)
	}
	return all
}

// wait has pub settled together with the publication of rec, and reports false
// when that is settled already.
func (e *echoes) wait(rec *gateway.Record, pub *publication) (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	pubs, ok := e.waiting[rec]
	switch {
	case !ok:
		return false, nil
	case len(pubs) >= maxEchoes:
		return false, gateway.Errorf(gateway.CodeRateLimited, "a message with this id is being stored; wait for its ack")
	}
	e.waiting[rec] = append(pubs, pub)
	return true, nil
}

// repeat makes pub the echo of a message that was published before under the
// same id: it is not stored again, and gets the answer of that one, when that
// one gets it. It reports whether it has to wait.
func (r *room) repeat(pub *publication, found gateway.Found) (waits bool, err error) {
	m := &pub.record.Message
	m.Seq, m.TS = found.Seq, found.TS
	m.Payload = gateway.Payload{}
	if found.Record == nil {
		return false, nil
	}
	return r.hub.echo.wait(found.Record, pub)
}
