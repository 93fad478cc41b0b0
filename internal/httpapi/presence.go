package httpapi

import (
	"net/http"

	"edgegw/internal/gateway"
)

type presenceResponse struct {
	Room  gateway.RoomID `json:"room"`
	Count int            `json:"count"`
	Users []presentJSON  `json:"users"`
}

type presentJSON struct {
	User        gateway.AccountName `json:"user"`
	Since       gateway.Timestamp   `json:"since"`
	Connections int                 `json:"connections"`
}

func (a *API) getPresence(w http.ResponseWriter, r *http.Request) error {
	p, room, err := a.roomRequest(r)
	if err != nil {
		return err
	}
	present, err := a.opts.Rooms.Presence(p, room)
	if err != nil {
		return err
	}
	users := make([]presentJSON, 0, len(present))
	for _, u := range present {
		users = append(users, presentJSON(u))
	}
	return writeJSON(w, http.StatusOK, presenceResponse{Room: room, Count: len(users), Users: users})
}
