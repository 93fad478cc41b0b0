package hub

import (
	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// enter gives the subscription its place among the subscribers and its position
// in the room, both in one critical section: what the answer says of the head
// holds for exactly the messages that follow it. A position before the answer's
// seq asks for a replay. It returns errGone when the room begins anew.
func (r *room) enter(sub *subscription, resume wire.Resume) (wire.Subscribed, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone {
		return wire.Subscribed{}, errGone
	}
	answer, from, err := r.resumeLocked(resume)
	if err != nil {
		return wire.Subscribed{}, err
	}
	sub.seq, sub.since = from, from
	r.addLocked(sub)
	return answer, nil
}

// resumeLocked decides what follows for someone who comes with resume: the
// messages above from, of which those up to answer.Seq come from the history.
func (r *room) resumeLocked(resume wire.Resume) (answer wire.Subscribed, from gateway.Seq, err error) {
	answer = wire.Subscribed{Room: r.id, Epoch: r.head.Epoch, Seq: r.announced}
	from = r.announced
	if !resume.HasAfter && !resume.Latest {
		return answer, from, nil
	}
	oldest, err := r.oldestLocked()
	if err != nil {
		return answer, from, err
	}
	if resume.HasAfter {
		answer.From = oldest
		end, known, err := r.endLocked(resume.Epoch)
		if err != nil {
			return answer, from, err
		}
		switch {
		case resume.Epoch == "":
			answer.HasReplay = true
		case known && resume.After <= end && resume.After+1 >= oldest:
			answer.HasReplay, answer.Recovery = true, wire.Recovered
		default:
			answer.Recovery = wire.NotRecovered
		}
	}
	switch {
	case answer.HasReplay:
		from = min(max(resume.After, oldest-1), r.announced)
		answer.Replay = uint64(r.announced - from)
	case resume.Latest && oldest <= r.announced:
		from = r.announced - 1
	}
	return answer, from, nil
}

// oldestLocked returns the oldest announced message that is kept, or one more
// than the newest when none is.
func (r *room) oldestLocked() (gateway.Seq, error) {
	head, err := r.history.Head(r.id)
	return max(1, min(head.Oldest, r.announced+1)), err
}

// endLocked returns the last seq that someone may have who was in the epoch: the
// newest of the current one, or the last that a remembered one durably holds.
func (r *room) endLocked(epoch gateway.Epoch) (end gateway.Seq, known bool, err error) {
	if epoch == "" || epoch == r.head.Epoch {
		return r.announced, true, nil
	}
	if !r.pastKnown {
		// It does not change any more: with a new epoch the room begins anew.
		if r.past, err = r.history.Past(r.id); err != nil {
			return 0, false, err
		}
		r.pastKnown = true
	}
	for i := range r.past {
		if r.past[i].Epoch == epoch {
			return min(r.past[i].End, r.announced), true, nil
		}
	}
	return 0, false, nil
}

// again answers someone who is in the room. The answer's seq is this
// connection's own newest: the room's may be ahead of it by what the flusher or
// a replay still carries, and the client would take that for messages it has
// had. As long as nothing was sent, the position can be moved back to what is
// asked for: then from is before it, and a replay has to start there. Later that
// would change the order of messages, and what is older is not sent any more.
func (r *room) again(sub *subscription, resume wire.Resume) (answer wire.Subscribed, from gateway.Seq, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone {
		resume = wire.Resume{} // the end of this subscription is on its way
	}
	answer, from, err = r.resumeLocked(resume)
	if err != nil {
		return answer, sub.seq, err
	}
	untouched := sub.seq == sub.since && sub.replay == nil
	if from < sub.since && untouched {
		return answer, from, nil
	}
	answer.Seq, answer.Replay = sub.seq, 0
	if resume.Epoch != "" {
		end, known, err := r.endLocked(resume.Epoch)
		if err != nil {
			return answer, sub.seq, err
		}
		// What was sent here is not missing, purged since or not.
		answer.HasReplay = known && sub.since <= resume.After && resume.After <= end
		answer.Recovery = wire.NotRecovered
		if answer.HasReplay {
			answer.Recovery = wire.Recovered
		}
	}
	return answer, sub.seq, nil
}
