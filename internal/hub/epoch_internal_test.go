package hub

import "edgegw/internal/gateway"

// ShownEpoch is what clients know by which the history calls epoch.
func ShownEpoch(id gateway.RoomID, epoch gateway.Epoch) gateway.Epoch { return shownEpoch(id, epoch) }
