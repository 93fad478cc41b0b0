package hub

import (
	"sort"

	"edgegw/internal/gateway"
)

// RoomInfo describes a room to someone who may read it.
type RoomInfo struct {
	Room        gateway.RoomID
	Epoch       gateway.Epoch
	Seq         gateway.Seq
	Subscribers int // connections, not accounts
	Settings    gateway.RoomSettings
}

// Room describes one room. An unused room is empty, not an error. It returns
// CodeForbidden without a grant to read it.
func (h *Hub) Room(p gateway.Principal, id gateway.RoomID) (RoomInfo, error) {
	if err := mayRead(&p, id); err != nil {
		return RoomInfo{}, err
	}
	return h.describe(id)
}

func (h *Hub) describe(id gateway.RoomID) (RoomInfo, error) {
	r, err := h.acquire(id)
	if err != nil {
		return RoomInfo{}, err
	}
	defer h.release(r)
	r.mu.Lock()
	defer r.mu.Unlock()
	return RoomInfo{
		Room: id, Epoch: r.epoch, Seq: r.announced,
		Subscribers: len(r.subs), Settings: *r.settings.Load(),
	}, nil
}

// Rooms describes the rooms that are live or keep messages and that the
// principal may read, sorted by id.
func (h *Hub) Rooms(p gateway.Principal) ([]RoomInfo, error) {
	ids := make(map[gateway.RoomID]struct{})
	for _, history := range []History{h.opts.Stored, h.opts.Volatile} {
		kept, err := history.Rooms()
		if err != nil {
			return nil, err
		}
		for _, id := range kept {
			ids[id] = struct{}{}
		}
	}
	h.mu.Lock()
	for id := range h.rooms {
		ids[id] = struct{}{}
	}
	h.mu.Unlock()

	infos := make([]RoomInfo, 0, len(ids))
	for id := range ids {
		if mayRead(&p, id) != nil {
			continue
		}
		info, err := h.Room(p, id)
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	sort.Slice(infos, func(i, j int) bool { return infos[i].Room < infos[j].Room })
	return infos, nil
}

// Page reads a room's history. It returns CodeForbidden without a grant to read
// the room.
func (h *Hub) Page(p gateway.Principal, id gateway.RoomID, q gateway.HistoryQuery) (gateway.HistoryPage, error) {
	if err := mayRead(&p, id); err != nil {
		return gateway.HistoryPage{}, err
	}
	page, err := h.history(h.opts.Settings(id)).Page(id, q)
	page.Head.Epoch = shownEpoch(id, page.Head.Epoch)
	return page, err
}

// Live returns how many connections and rooms there are.
func (h *Hub) Live() (connections, rooms int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	rooms = len(h.rooms)
	for r := range h.watched {
		if r.refs == 1 { // nobody is there, but for graces
			rooms--
		}
	}
	return h.admitted, rooms
}

// LiveDevices returns how many devices have at least one connection.
func (h *Hub) LiveDevices() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.devices
}
