package hub

import "edgegw/internal/gateway"

// member is an account in a room, from its first connection there until its
// grace is over.
type member struct {
	since       gateway.Timestamp
	connections int32
	// left is the tick after the one in which it last had no connection any
	// more, or 0. It tells its grace from earlier ones.
	left uint32
}

// fewMembers is up to how many are kept in a list. Many devices have a room of
// their own, and a map with one entry takes as much as their whole session.
const fewMembers = 8

// members are the accounts of a room.
type members struct {
	few  []namedMember
	many map[gateway.AccountName]member // instead of few, once they were more
}

type namedMember struct {
	name gateway.AccountName
	member
}

func (ms *members) count() int { return len(ms.few) + len(ms.many) }

func (ms *members) find(name gateway.AccountName) int {
	for i := range ms.few {
		if ms.few[i].name == name {
			return i
		}
	}
	return -1
}

func (ms *members) get(name gateway.AccountName) (m member, ok bool) {
	if ms.many != nil {
		m, ok = ms.many[name]
		return m, ok
	}
	if i := ms.find(name); i >= 0 {
		return ms.few[i].member, true
	}
	return member{}, false
}

func (ms *members) put(name gateway.AccountName, m member) {
	if ms.many == nil {
		if i := ms.find(name); i >= 0 {
			ms.few[i].member = m
			return
		}
		if len(ms.few) < fewMembers {
			ms.few = append(ms.few, namedMember{name, m})
			return
		}
		ms.many = make(map[gateway.AccountName]member, 2*fewMembers)
		for _, f := range ms.few {
			ms.many[f.name] = f.member
		}
		ms.few = nil
	}
	ms.many[name] = m
}

// remove forgets the account. The last one takes the memory with it.
func (ms *members) remove(name gateway.AccountName) {
	if i := ms.find(name); i >= 0 {
		last := len(ms.few) - 1
		ms.few[i] = ms.few[last]
		ms.few[last] = namedMember{}
		ms.few = ms.few[:last]
	}
	delete(ms.many, name)
	if ms.count() == 0 {
		*ms = members{}
	}
}

func (ms *members) each(f func(gateway.AccountName, member)) {
	for _, m := range ms.few {
		f(m.name, m.member)
	}
	for name, m := range ms.many {
		f(name, m)
	}
}
