package httpapi

import (
	"encoding/json"
	"net/http"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
	"edgegw/internal/wire"
)

type roomJSON struct {
	Room        gateway.RoomID     `json:"room"`
	Epoch       gateway.Epoch      `json:"epoch"`
	Seq         gateway.Seq        `json:"seq"`
	Subscribers int                `json:"subscribers"`
	Durability  gateway.Durability `json:"durability"`
	Overflow    gateway.Overflow   `json:"overflow"`
	MaxMessages int64              `json:"max_messages"`
	MaxBytes    int64              `json:"max_bytes"`
	MaxAge      string             `json:"max_age"`
}

func roomOf(i hub.RoomInfo) roomJSON {
	return roomJSON{
		Room: i.Room, Epoch: i.Epoch, Seq: i.Seq, Subscribers: i.Subscribers,
		Durability: i.Settings.Durability, Overflow: i.Settings.Overflow,
		MaxMessages: i.Settings.MaxMessages, MaxBytes: i.Settings.MaxBytes, MaxAge: i.Settings.MaxAge.String(),
	}
}

func (a *API) listRooms(w http.ResponseWriter, r *http.Request) error {
	id, err := a.authenticate(r)
	if err != nil {
		return err
	}
	infos, err := a.opts.Rooms.Rooms(id.Principal)
	if err != nil {
		return err
	}
	rooms := make([]roomJSON, 0, len(infos))
	for _, i := range infos {
		rooms = append(rooms, roomOf(i))
	}
	return writeJSON(w, http.StatusOK, map[string][]roomJSON{"rooms": rooms})
}

func (a *API) getRoom(w http.ResponseWriter, r *http.Request) error {
	p, room, err := a.roomRequest(r)
	if err != nil {
		return err
	}
	info, err := a.opts.Rooms.Room(p, room)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, roomOf(info))
}

// roomRequest checks who asks, and for which room.
func (a *API) roomRequest(r *http.Request) (gateway.Principal, gateway.RoomID, error) {
	id, err := a.authenticate(r)
	if err != nil {
		return gateway.Principal{}, "", err
	}
	room, err := gateway.ParseRoomID(r.PathValue("id"))
	return id.Principal, room, err
}

type publishRequest struct {
	Data json.RawMessage    `json:"data"`
	ID   *gateway.MessageID `json:"id"` // nil when it is not given
}

type publishResponse struct {
	Room       gateway.RoomID     `json:"room"`
	Seq        gateway.Seq        `json:"seq"`
	TS         gateway.Timestamp  `json:"ts"`
	ID         gateway.MessageID  `json:"id,omitempty"`
	Durability gateway.Durability `json:"durability"`
}

func (a *API) postMessage(w http.ResponseWriter, r *http.Request) error {
	p, room, err := a.roomRequest(r)
	if err != nil {
		return err
	}
	if !p.May(gateway.RightWrite, room) { // rights are told before the body is looked at
		return gateway.Errorf(gateway.CodeForbidden, "no grant to write to this room; ask an administrator for one")
	}
	var req publishRequest
	if err := readBody(w, r, &req); err != nil {
		return err
	}
	var id gateway.MessageID
	if req.ID != nil {
		id = *req.ID
	}
	switch {
	case req.Data == nil:
		return gateway.Errorf(gateway.CodeInvalidRequest, "the member data is missing")
	case len(req.Data) > a.opts.MaxMessageBytes:
		return gateway.Errorf(gateway.CodeTooLarge, "a message has at most %d bytes", a.opts.MaxMessageBytes)
	case !wire.ValidJSON(req.Data):
		return gateway.Errorf(gateway.CodeInvalidRequest, "data is nested too deeply")
	case req.ID != nil && id == "", len(id) > gateway.MaxMessageIDBytes:
		return gateway.Errorf(gateway.CodeInvalidRequest, "id has 1 to %d bytes", gateway.MaxMessageIDBytes)
	}
	receipt, err := a.opts.Rooms.Publish(r.Context(), p, room, id,
		gateway.Payload{Kind: gateway.PayloadJSON, Bytes: req.Data})
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, publishResponse(receipt))
}

// webSocket leaves the request to wsedge, which answers it in its own time.
func (a *API) webSocket(w http.ResponseWriter, r *http.Request) error {
	a.opts.WebSocket.ServeHTTP(w, r)
	return nil
}
