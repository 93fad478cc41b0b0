package httpapi

import (
	"log/slog"
	"net/http"
	"strconv"

	"edgegw/internal/accounts"
	"edgegw/internal/config"
	"edgegw/internal/gateway"
)

// putRoomRequest has nil for what is to stay.
type putRoomRequest struct {
	Durability  *string `json:"durability"`
	Overflow    *string `json:"overflow"`
	MaxMessages *int64  `json:"max_messages"`
	MaxBytes    *int64  `json:"max_bytes"`
	MaxAge      *string `json:"max_age"`
}

// change sets what is given. The configuration knows what each may be, and reads
// what GET /rooms/{id} shows.
func (p putRoomRequest) change(s *gateway.RoomSettings) error {
	for _, given := range []struct {
		name   string
		text   *string
		number *int64
	}{
		{"durability", p.Durability, nil},
		{"overflow", p.Overflow, nil},
		{"max_messages", nil, p.MaxMessages},
		{"max_bytes", nil, p.MaxBytes},
		{"max_age", p.MaxAge, nil},
	} {
		var value string
		switch {
		case given.text != nil:
			value = *given.text
		case given.number != nil:
			value = strconv.FormatInt(*given.number, 10)
		default:
			continue
		}
		if err := config.SetRoom(s, given.name, value); err != nil {
			return err
		}
	}
	return nil
}

// putRoom changes what is given and leaves the rest as it is. With nothing given
// it does nothing: to set one thing would already hold all of the room's
// settings against later changes of the configuration.
func (a *API) putRoom(w http.ResponseWriter, r *http.Request, id accounts.Identity) error {
	room, err := a.adminsRoom(r, id)
	if err != nil {
		return err
	}
	var req putRoomRequest
	if err := readBody(w, r, &req); err != nil {
		return err
	}
	if req == (putRoomRequest{}) {
		info, err := a.opts.Rooms.Room(id.Principal, room)
		if err != nil {
			return err
		}
		return writeJSON(w, http.StatusOK, roomOf(info))
	}
	info, err := a.opts.Rooms.Configure(r.Context(), room, req.change)
	if err != nil {
		return err
	}
	a.logRoom(r, "room_changed", "the settings of a room were changed", room)
	return writeJSON(w, http.StatusOK, roomOf(info))
}

// deleteRoom deletes also what nobody has used: that is empty, and will be.
func (a *API) deleteRoom(w http.ResponseWriter, r *http.Request, id accounts.Identity) error {
	room, err := a.adminsRoom(r, id)
	if err != nil {
		return err
	}
	if err := readNothing(w, r); err != nil {
		return err
	}
	if err := a.opts.Rooms.Delete(r.Context(), room); err != nil {
		return err
	}
	a.logRoom(r, "room_deleted", "a room was deleted with its history", room)
	return noContent(w)
}

// adminsRoom is the room of the path, for administrators.
func (a *API) adminsRoom(r *http.Request, id accounts.Identity) (gateway.RoomID, error) {
	if err := mustBeAdmin(id); err != nil {
		return "", err
	}
	return gateway.ParseRoomID(r.PathValue("id"))
}

func (a *API) logRoom(r *http.Request, event, msg string, room gateway.RoomID) {
	o := gateway.OriginOf(r.Context())
	a.opts.Logger.LogAttrs(r.Context(), slog.LevelInfo, msg,
		slog.String("event", event), slog.String("room", string(room)), slog.String("user", o.Actor),
		slog.String("ip", o.IP), slog.String("request_id", o.RequestID))
}
