package httpapi

import (
	"context"
	"net/http"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
)

// Machines are the accounts of devices. What names one returns CodeNotFound, also
// for a person's name.
type Machines interface {
	// Devices returns all of them by name.
	Devices(ctx context.Context) ([]gateway.Account, error)
	// Device returns one.
	Device(ctx context.Context, name gateway.AccountName) (gateway.Account, error)
	// AddDevice returns the device's key, which is never shown again, or
	// CodeConflict when the name is taken.
	AddDevice(ctx context.Context, n accounts.NewDevice) (key string, err error)
	// UpdateDevice returns the device as it is then.
	UpdateDevice(ctx context.Context, name gateway.AccountName, p accounts.Patch) (gateway.Account, error)
	// RotateDeviceKey returns a second key; the first goes with its first use.
	RotateDeviceKey(ctx context.Context, name gateway.AccountName) (key string, err error)
	// DeleteDevice ends its sessions and sockets, too.
	DeleteDevice(ctx context.Context, name gateway.AccountName) error
}

type deviceJSON struct {
	Name     gateway.AccountName `json:"name"`
	Kind     gateway.Kind        `json:"kind"`
	Room     gateway.RoomID      `json:"room,omitempty"`
	Grants   []grantJSON         `json:"grants"`
	Disabled bool                `json:"disabled"`
	Created  gateway.Timestamp   `json:"created"`
	LastSeen gateway.Timestamp   `json:"last_seen,omitempty"`
	Keys     int                 `json:"keys"`
	// What it has left since the gateway's start: how its last connection
	// ended, why its last handshake was refused, how far its clock is ahead.
	LastClose *closeJSON   `json:"last_close,omitempty"`
	LastError *refusedJSON `json:"last_error,omitempty"`
	ClockSkew *int64       `json:"clock_skew_ms,omitempty"`
	// DeviceKey is shown once, when the device is made.
	DeviceKey string `json:"device_key,omitempty"`
}

type closeJSON struct {
	Code   uint16            `json:"code"`
	Reason string            `json:"reason"`
	TS     gateway.Timestamp `json:"ts"`
}

type refusedJSON struct {
	Code gateway.Code      `json:"code"`
	TS   gateway.Timestamp `json:"ts"`
}

func (a *API) deviceOf(d gateway.Account) deviceJSON {
	out := deviceJSON{
		Name: d.Name, Kind: d.Kind, Room: d.Room, Grants: grantsOf(d.Grants), Disabled: d.Disabled,
		Created: d.Created, LastSeen: d.Seen, Keys: len(d.Keys),
	}
	t := a.opts.Connections.Trace(d.Name)
	if t.ClosedAt != 0 {
		out.LastClose = &closeJSON{t.Closed, t.Reason, t.ClosedAt}
	}
	if t.RefusedAt != 0 {
		out.LastError = &refusedJSON{t.Refused, t.RefusedAt}
	}
	if t.Skew != nil {
		ms := t.Skew.Milliseconds()
		out.ClockSkew = &ms
	}
	return out
}

func (a *API) listDevices(w http.ResponseWriter, r *http.Request) error {
	found, err := a.opts.Accounts.Devices(r.Context())
	if err != nil {
		return err
	}
	list := make([]deviceJSON, 0, len(found))
	for _, d := range found {
		list = append(list, a.deviceOf(d))
	}
	return writeJSON(w, http.StatusOK, map[string][]deviceJSON{"devices": list})
}

func (a *API) getDevice(w http.ResponseWriter, r *http.Request) error {
	name, err := accountName(r)
	if err != nil {
		return err
	}
	d, err := a.opts.Accounts.Device(r.Context(), name)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, a.deviceOf(d))
}

type addDeviceRequest struct {
	Name   string      `json:"name" required:"true"`
	Room   string      `json:"room"`
	Grants []grantJSON `json:"grants"`
}

func (a *API) addDevice(w http.ResponseWriter, r *http.Request) error {
	var req addDeviceRequest
	if err := readBody(w, r, &req); err != nil {
		return err
	}
	var n accounts.NewDevice
	var err error
	if n.Name, err = gateway.ParseAccountName(req.Name); err != nil {
		return err
	}
	if n.Room, err = roomOrNone(req.Room); err != nil {
		return err
	}
	if n.Grants, err = parseGrants(req.Grants); err != nil {
		return err
	}
	key, err := a.opts.Accounts.AddDevice(r.Context(), n)
	if err != nil {
		return err
	}
	d, err := a.opts.Accounts.Device(r.Context(), n.Name)
	if err != nil {
		return err
	}
	made := a.deviceOf(d)
	made.DeviceKey = key
	w.Header().Set("Location", "/devices/"+string(n.Name))
	return writeJSON(w, http.StatusCreated, made)
}

// roomOrNone reads a room id, or "" for none.
func roomOrNone(s string) (gateway.RoomID, error) {
	if s == "" {
		return "", nil
	}
	return gateway.ParseRoomID(s)
}

// patchDeviceRequest has nil for what is to stay.
type patchDeviceRequest struct {
	Room     *string      `json:"room"` // "" takes it away
	Grants   *[]grantJSON `json:"grants"`
	Disabled *bool        `json:"disabled"`
}

func (p patchDeviceRequest) patch() (accounts.Patch, error) {
	if p == (patchDeviceRequest{}) {
		return accounts.Patch{}, gateway.Errorf(gateway.CodeInvalidRequest, "give at least one of room, grants and disabled")
	}
	out := accounts.Patch{Disabled: p.Disabled}
	if p.Room != nil {
		room, err := roomOrNone(*p.Room)
		if err != nil {
			return out, err
		}
		out.Room = &room
	}
	return out, patchGrants(&out, p.Grants)
}

func (a *API) patchDevice(w http.ResponseWriter, r *http.Request) error {
	name, err := accountName(r)
	if err != nil {
		return err
	}
	var req patchDeviceRequest
	if err := readBody(w, r, &req); err != nil {
		return err
	}
	p, err := req.patch()
	if err != nil {
		return err
	}
	d, err := a.opts.Accounts.UpdateDevice(r.Context(), name, p)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, a.deviceOf(d))
}

func (a *API) deleteDevice(w http.ResponseWriter, r *http.Request) error {
	return onAccount(w, r, a.opts.Accounts.DeleteDevice)
}

type rotatedKey struct {
	Name      gateway.AccountName `json:"name"`
	DeviceKey string              `json:"device_key"`
}

func (a *API) rotateDeviceKey(w http.ResponseWriter, r *http.Request) error {
	name, err := accountName(r)
	if err != nil {
		return err
	}
	if err := readNothing(w, r); err != nil {
		return err
	}
	key, err := a.opts.Accounts.RotateDeviceKey(r.Context(), name)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, rotatedKey{Name: name, DeviceKey: key})
}
