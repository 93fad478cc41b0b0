package client

import "time"

// room is a room that the client is in, or wants to be in: how far it has come
// there (PROTOCOL section 4). Its methods tell what a frame means and where it
// leads; they change nothing.
type room struct {
	name   string
	latest bool
	// from is what the application asked to go on from; nil once the gateway
	// has answered.
	from *Position
	// known is whether at is how far the client has come.
	known bool
	at    Position
	// waiting: the newest message behind at was asked for, and comes unless it
	// is not kept any more.
	waiting bool
	// asked and confirmed are of the connection of now: the subscription has
	// been sent, and answered.
	asked, confirmed bool
}

// resume is what to ask for when the client comes back to the room.
func (r *room) resume() resume {
	from := r.from
	if r.known {
		from = &r.at
	}
	if from == nil {
		return resume{latest: r.latest}
	}
	return resume{after: &from.Seq, epoch: from.Epoch, latest: r.latest}
}

// subscribed reads the answer to a subscription. A second one on the same
// connection, to a question that was asked again, says nothing new.
func (r room) subscribed(f *incoming) (room, []Event) {
	if r.confirmed {
		return r, nil
	}
	had := r.resume()
	next := r
	next.from, next.known, next.confirmed, next.waiting = nil, true, true, false
	next.at = Position{Epoch: f.Epoch, Seq: f.Seq}
	told := Subscribed{Room: r.name, Epoch: f.Epoch, Seq: f.Seq}
	if f.Replay != nil {
		told.Replay = *f.Replay
	}
	events := []Event{told}
	switch {
	case had.after != nil && f.Recovered == nil && f.Replay == nil:
		return r, nil // to another question
	case had.after == nil:
		next.awaitLatest()
	case f.Recovered != nil && *f.Recovered:
		told.Recovered = true
		events[0] = told
		next.at.Seq = *had.after // good in the new epoch, too
	case f.Recovered != nil:
		next.awaitLatest()
		events = append(events, r.notRecovered(f, had, next.at.Seq))
	case f.Replay != nil:
		var purged []Event
		next.at.Seq, purged = r.kept(f, *had.after)
		events = append(events, purged...)
	}
	return next, events
}

// awaitLatest steps back in front of the newest message, if that follows.
func (r *room) awaitLatest() {
	if r.latest && r.at.Seq > 0 {
		r.at.Seq--
		r.waiting = true
	}
}

// notRecovered is what a client says whom the gateway could not promise that
// nothing is missing up to start.
func (r room) notRecovered(f *incoming, had resume, start uint64) Lost {
	lost := Lost{
		Room: r.name, Reason: LostNotRecovered, Epoch: f.Epoch, Oldest: f.From,
		From: *had.after + 1, To: start,
	}
	if had.epoch != f.Epoch || *had.after > f.Seq {
		lost.From, lost.Reset = f.From, true
	}
	return lost
}

// kept is where a client stands that came without an epoch, and what it has missed:
// what is above after and not kept. What is kept and not brought, a gap tells. Who
// was past the end was in a room that is no more.
func (r room) kept(f *incoming, after uint64) (seq uint64, missed []Event) {
	start := min(f.Seq-min(f.Seq, *f.Replay), max(f.From, 1)-1)
	switch {
	case after > f.Seq:
		return f.Seq, []Event{Lost{Room: r.name, Reason: LostNotRecovered, Epoch: f.Epoch, Oldest: f.From, From: f.From, To: f.Seq, Reset: true}}
	case after < start:
		return start, []Event{Lost{Room: r.name, Reason: LostPurged, Epoch: f.Epoch, Oldest: f.From, From: after + 1, To: start}}
	}
	return after, nil
}

// message reads a message. One that the client has had is no event.
func (r room) message(f *incoming) (room, []Event) {
	next := r
	next.at.Seq, next.waiting = f.Seq, false
	m := Message{
		Room: r.name, Epoch: r.at.Epoch, Seq: f.Seq, TS: time.UnixMilli(f.TS),
		User: f.User, ID: f.ID, Data: f.Data, Encoding: f.Encoding,
	}
	switch {
	case !r.confirmed || f.Seq <= r.at.Seq:
		return r, nil
	case f.Seq == r.at.Seq+1, r.waiting && f.Seq == r.at.Seq+2:
		return next, []Event{m}
	}
	return next, []Event{Lost{Room: r.name, Reason: LostMissing, Epoch: r.at.Epoch, From: r.at.Seq + 1, To: f.Seq - 1}, m}
}

// gap reads that messages were not sent.
func (r room) gap(f *incoming) (room, []Event) {
	if !r.confirmed || f.To <= r.at.Seq {
		return r, nil
	}
	next := r
	next.at.Seq, next.waiting = f.To, false
	// What is missing in front of it was not sent either.
	return next, []Event{Lost{Room: r.name, Reason: f.Reason, Epoch: r.at.Epoch, From: r.at.Seq + 1, To: f.To}}
}
