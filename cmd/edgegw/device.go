package main

import (
	"edgegw/internal/adminsock"
	"edgegw/internal/command"
)

func deviceCommand() *command.Command {
	return group("device", "Manage the machines' accounts, whether the gateway runs or not",
		deviceAdd(), deviceImportCommand(), deviceListCommand(), deviceSetCommand(), deviceRotateKeyCommand(),
		deviceSwitchCommand("disable", "Keep a device out, at once", true),
		deviceSwitchCommand("enable", "Let a disabled device in again", false),
		deviceDeleteCommand(),
	)
}

func deviceListCommand() *command.Command {
	return listCommand("List the devices",
		func(cmd *command.Command, a adminsock.Admin) (adminsock.DeviceList, error) {
			return a.ListDevices(cmd.Context())
		},
		printDevices)
}

func deviceAdd() *command.Command {
	var asJSON bool
	var add adminsock.NewDevice
	cmd := onAccount("add", "Make a device and print its key, which is shown this once", func(cmd *command.Command, name string) error {
		add.Name = name
		return withAdmin(cmd, func(a adminsock.Admin) error {
			key, err := a.AddDevice(cmd.Context(), add)
			if err != nil {
				return err
			}
			return printSecret(cmd, asJSON, key, key.Key,
				"added %s; this is its key, which is shown only now: put it into the device, which sends it to POST /auth/device as {\"device_key\":KEY}", name)
		})
	})
	cmd.Flags().StringVar(&add.Room, "room", "", "where the device belongs; without --grant it may read and write there")
	cmd.Flags().StringArrayVar(&add.Grants, "grant", nil, "PATTERN:RIGHTS, for example plant.*:rw; may be repeated")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func deviceRotateKeyCommand() *command.Command {
	var asJSON bool
	cmd := onAccount("rotate-key", "Give a device a new key and print it, which is shown this once", func(cmd *command.Command, name string) error {
		return withAdmin(cmd, func(a adminsock.Admin) error {
			key, err := a.RotateDeviceKey(cmd.Context(), name)
			if err != nil {
				return err
			}
			return printSecret(cmd, asJSON, key, key.Key,
				"this is the new key of %s, which is shown only now; the old one works for 24 h more, or until the new one is used", name)
		})
	})
	jsonFlag(cmd, &asJSON)
	return cmd
}

func deviceSetCommand() *command.Command {
	var room string
	var grants grantFlags
	cmd := onAccount("set", "Change a device's room or grants, at once", func(cmd *command.Command, name string) error {
		patch := adminsock.DevicePatch{Name: name, Grants: grants.patch()}
		if cmd.Flags().Changed("room") {
			patch.Room = &room
		}
		return updateDevice(cmd, patch, "changed %s", name)
	})
	cmd.Args = argsAndFlags("room", "grant", "no-grants")
	cmd.Flags().StringVar(&room, "room", "", `where the device belongs; "" is nowhere`)
	grants.add(cmd)
	return cmd
}

func deviceSwitchCommand(use, short string, disabled bool) *command.Command {
	return onAccount(use, short, func(cmd *command.Command, name string) error {
		return updateDevice(cmd, adminsock.DevicePatch{Name: name, Disabled: &disabled}, "%sd %s", use, name)
	})
}

func updateDevice(cmd *command.Command, patch adminsock.DevicePatch, done string, args ...any) error {
	return withAdmin(cmd, func(a adminsock.Admin) error {
		if err := a.UpdateDevice(cmd.Context(), patch); err != nil {
			return err
		}
		return say(cmd, done, args...)
	})
}

func deviceDeleteCommand() *command.Command {
	return onAccount("delete", "Delete a device; its messages stay", func(cmd *command.Command, name string) error {
		return withAdmin(cmd, func(a adminsock.Admin) error {
			if err := a.DeleteDevice(cmd.Context(), name); err != nil {
				return err
			}
			return say(cmd, "deleted %s", name)
		})
	})
}
