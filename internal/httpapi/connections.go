package httpapi

import (
	"net/http"
	"slices"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
	"edgegw/internal/wire"
)

// Connections are the live connections of all accounts.
type Connections interface {
	// Connections describes them, the oldest first.
	Connections() []hub.ConnectionInfo
	// Trace is what a device has left since the start.
	Trace(name gateway.AccountName) hub.Trace
	// NoteSkew notes how far a device's clock is ahead.
	NoteSkew(p gateway.Principal, ahead time.Duration)
	// Cut closes one with 4501. It reports false when there is none of that id.
	Cut(id string) bool
}

type connectionJSON struct {
	ID         string              `json:"id"`
	User       gateway.AccountName `json:"user"`
	Kind       gateway.Kind        `json:"kind"`
	Format     wire.Format         `json:"format"`
	Room       gateway.RoomID      `json:"room"`
	Rooms      int                 `json:"rooms"`
	IP         string              `json:"ip"`
	Since      gateway.Timestamp   `json:"since"`
	LastSeen   gateway.Timestamp   `json:"last_seen"`
	RTT        float64             `json:"rtt_ms,omitempty"` // left out while no ping has come back
	QueueBytes int                 `json:"queue_bytes"`
}

func connectionOf(c hub.ConnectionInfo) connectionJSON {
	return connectionJSON{
		ID: c.ID, User: c.User, Kind: c.Kind, Format: c.Format, Room: c.Room, Rooms: c.Subscriptions, IP: c.IP,
		Since: c.Since, LastSeen: c.LastSeen, RTT: float64(c.RTT.Microseconds()) / 1000, QueueBytes: c.QueueBytes,
	}
}

func (a *API) listConnections(w http.ResponseWriter, _ *http.Request) error {
	found := a.opts.Connections.Connections()
	list := make([]connectionJSON, 0, len(found))
	for _, c := range found {
		list = append(list, connectionOf(c))
	}
	return writeJSON(w, http.StatusOK, map[string][]connectionJSON{"connections": list})
}

// cutConnection audits first: what cannot be written down is not done. A
// connection that ends by itself meanwhile is as gone as it should be.
func (a *API) cutConnection(w http.ResponseWriter, r *http.Request) error {
	live := a.opts.Connections.Connections()
	i := slices.IndexFunc(live, func(c hub.ConnectionInfo) bool { return c.ID == r.PathValue("id") })
	if i < 0 {
		return gateway.Errorf(gateway.CodeNotFound, "there is no such connection; GET /connections lists those that live")
	}
	if err := readNothing(w, r); err != nil {
		return err
	}
	if err := a.opts.Accounts.Note(r.Context(), gateway.EventSocketCut, string(live[i].User), ""); err != nil {
		return err
	}
	a.opts.Connections.Cut(live[i].ID)
	return noContent(w)
}
