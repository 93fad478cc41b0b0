package adminsock

import (
	"bytes"
	"context"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
)

// AddDevice implements Devices.
func (d Direct) AddDevice(ctx context.Context, n NewDevice) (DeviceKey, error) {
	name, err := gateway.ParseAccountName(n.Name)
	if err != nil {
		return DeviceKey{}, err
	}
	add := accounts.NewDevice{Name: name}
	if add.Room, err = parseRoom(n.Room); err != nil {
		return DeviceKey{}, err
	}
	if add.Grants, err = parseGrants(n.Grants); err != nil {
		return DeviceKey{}, err
	}
	key, err := d.Service.AddDevice(origin(ctx), add)
	return DeviceKey{Name: string(name), Key: key}, err
}

// ListDevices implements Devices.
func (d Direct) ListDevices(ctx context.Context) (DeviceList, error) {
	list, err := d.Service.Devices(origin(ctx))
	out := DeviceList{Devices: make([]Device, 0, len(list))}
	for _, a := range list {
		device := Device{
			Name: string(a.Name), Kind: string(a.Kind), Room: string(a.Room),
			State: state(a), Disabled: a.Disabled, Grants: showGrants(a.Grants),
			Created: int64(a.Created), LastLogin: int64(a.Seen),
		}
		if len(a.Keys) > 1 {
			device.OldKeyExpires = int64(a.Keys[1].Expires)
		}
		out.Devices = append(out.Devices, device)
	}
	return out, err
}

// UpdateDevice implements Devices.
func (d Direct) UpdateDevice(ctx context.Context, p DevicePatch) error {
	name, err := gateway.ParseAccountName(p.Name)
	if err != nil {
		return err
	}
	patch := accounts.Patch{Disabled: p.Disabled}
	if p.Room != nil {
		room, err := parseRoom(*p.Room)
		if err != nil {
			return err
		}
		patch.Room = &room
	}
	if patch.Grants, err = patchGrants(p.Grants); err != nil {
		return err
	}
	_, err = d.Service.UpdateDevice(origin(ctx), name, patch)
	return err
}

// RotateDeviceKey implements Devices.
func (d Direct) RotateDeviceKey(ctx context.Context, name string) (key DeviceKey, err error) {
	err = named(name, func(n gateway.AccountName) error {
		raw, err := d.Service.RotateDeviceKey(origin(ctx), n)
		key = DeviceKey{Name: string(n), Key: raw}
		return err
	})
	return key, err
}

// DeleteDevice implements Devices.
func (d Direct) DeleteDevice(ctx context.Context, name string) error {
	return named(name, func(n gateway.AccountName) error { return d.Service.DeleteDevice(origin(ctx), n) })
}

// ImportDevices implements Devices.
func (d Direct) ImportDevices(ctx context.Context, i Import) (ImportReport, error) {
	list, err := accounts.ReadDevices(bytes.NewReader(i.Data))
	if err != nil {
		return ImportReport{}, err
	}
	report, err := d.Service.ImportDevices(origin(ctx), list, i.SkipBad)
	return showReport(report), err
}

// parseRoom lets "" through, which is no room.
func parseRoom(s string) (gateway.RoomID, error) {
	if s == "" {
		return "", nil
	}
	return gateway.ParseRoomID(s)
}
