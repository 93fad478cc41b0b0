package hub

import (
	"math"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// resumption is what follows for someone who comes back.
type resumption struct {
	answer wire.Subscribed
	// What is above from follows; up to answer.Seq it comes from the history.
	from gateway.Seq
	// skipped is the first of the messages before from that are kept and not
	// brought, or 0 where there are none.
	skipped gateway.Seq
}

// enter gives the subscription its place among the subscribers and its position
// in the room, both in one critical section: what the answer says of the head
// holds for exactly the messages that follow it. A position before the answer's
// seq asks for a replay. It returns errGone when the room begins anew.
func (r *room) enter(sub *subscription, resume wire.Resume) (resumption, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone {
		return resumption{}, errGone
	}
	follows, err := r.resumeLocked(resume)
	if err != nil {
		return resumption{}, err
	}
	sub.seq, sub.since = follows.from, follows.from
	r.addLocked(sub)
	return follows, nil
}

// resumeLocked decides what follows for someone who comes with resume.
func (r *room) resumeLocked(resume wire.Resume) (f resumption, err error) {
	f.answer = wire.Subscribed{Room: r.id, Epoch: r.epoch, Seq: r.announced}
	f.from = r.announced
	if !resume.HasAfter && !resume.Latest {
		return f, nil
	}
	oldest, err := r.oldestLocked()
	if err != nil {
		return f, err
	}
	longest := r.hub.longestReplay()
	if resume.HasAfter {
		f.answer.From = oldest
		end, known, err := r.endLocked(resume.Epoch)
		if err != nil {
			return f, err
		}
		switch {
		case resume.Epoch == "":
			f.answer.HasReplay = true
		case known && resume.After <= end && resume.After+1 >= oldest && r.announced-resume.After <= longest:
			f.answer.HasReplay, f.answer.Recovery = true, wire.Recovered
		default:
			f.answer.Recovery = wire.NotRecovered
		}
	}
	switch {
	case f.answer.HasReplay:
		f.from = min(max(resume.After, oldest-1), r.announced)
		if r.announced-f.from > longest { // only of who comes without an epoch
			f.skipped = f.from + 1
			f.from = r.announced - longest
		}
		f.answer.Replay = uint64(r.announced - f.from)
	case resume.Latest && oldest <= r.announced:
		f.from = r.announced - 1
	}
	return f, nil
}

// longestReplay is how many messages a client may be brought that comes back
// now.
func (h *Hub) longestReplay() gateway.Seq {
	if h.Pressure() >= PressureReplays {
		return pressedReplay
	}
	return math.MaxUint64
}

// oldestLocked returns the oldest announced message that is kept, or one more
// than the newest when none is.
func (r *room) oldestLocked() (gateway.Seq, error) {
	head, err := r.history.Head(r.id)
	return max(1, min(head.Oldest, r.announced+1)), err
}

// endLocked returns the last seq that someone may have who was in the epoch: the
// newest of the current one, or the last that a remembered one durably holds.
func (r *room) endLocked(shown gateway.Epoch) (end gateway.Seq, known bool, err error) {
	if shown == "" || shown == r.epoch {
		return r.announced, true, nil
	}
	epoch, ok := keptEpoch(r.id, shown)
	if !ok {
		return 0, false, nil
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
func (r *room) again(sub *subscription, resume wire.Resume) (resumption, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone {
		resume = wire.Resume{} // the end of this subscription is on its way
	}
	f, err := r.resumeLocked(resume)
	if err != nil {
		return f, err
	}
	untouched := sub.seq == sub.since && sub.replay == nil
	if f.from < sub.since && untouched {
		return f, nil
	}
	f.from, f.skipped = sub.seq, 0
	f.answer.Seq, f.answer.Replay = sub.seq, 0
	if resume.Epoch != "" {
		end, known, err := r.endLocked(resume.Epoch)
		if err != nil {
			return f, err
		}
		// What was sent here is not missing, purged since or not.
		f.answer.HasReplay = known && sub.since <= resume.After && resume.After <= end
		f.answer.Recovery = wire.NotRecovered
		if f.answer.HasReplay {
			f.answer.Recovery = wire.Recovered
		}
	}
	return f, nil
}
