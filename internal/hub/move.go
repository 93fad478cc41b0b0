package hub

import "edgegw/internal/gateway"

// move has the room kept elsewhere from now on: by the volatile history instead
// of the stored one, or the other way about. Nobody is in the room meanwhile.
func (h *Hub) move(id gateway.RoomID, to *gateway.RoomSettings) error {
	if to.Durability != gateway.DurabilityMemory {
		return h.moveToStore(id, to)
	}
	if err := h.moveToMemory(id); err != nil {
		return err
	}
	return h.opts.SaveSettings(id, to)
}

// moveToMemory goes on behind the newest stored message: who has had that one
// misses nothing.
func (h *Hub) moveToMemory(id gateway.RoomID) error {
	if err := h.opts.Stored.NewEpoch(id); err != nil {
		return err
	}
	head, err := h.opts.Stored.Head(id)
	if err != nil {
		return err
	}
	past, err := h.opts.Stored.Past(id)
	if err != nil {
		return err
	}
	// Not only on the way back: nobody may be there then who knows where the
	// room has been.
	if err := h.opts.Stored.ForgetEpochs(id); err != nil {
		return err
	}
	return h.opts.Volatile.Begin(id, head, past)
}

// moveToStore goes on behind the newest stored message. What was announced since
// is gone, so that no epoch of before can be resumed.
func (h *Hub) moveToStore(id gateway.RoomID, to *gateway.RoomSettings) error {
	if err := h.opts.Stored.ForgetEpochs(id); err != nil {
		return err
	}
	if err := h.opts.SaveSettings(id, to); err != nil {
		return err
	}
	return h.opts.Volatile.Delete(id)
}
