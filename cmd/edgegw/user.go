package main

import (
	"edgegw/internal/adminsock"
	"edgegw/internal/command"
	"edgegw/internal/gateway"
)

func userCommand() *command.Command {
	return group("user", "Manage the people's accounts, whether the gateway runs or not",
		userAdd(), userImportCommand(), userListCommand(), userSetCommand(),
		userPasswdCommand(), userResetCommand(), userUnlockCommand(),
		userSwitchCommand("disable", "Keep a person out, at once", true),
		userSwitchCommand("enable", "Let a disabled person in again", false),
		userDeleteCommand(),
	)
}

func userAdd() *command.Command {
	var passwordFile string
	var add adminsock.NewUser
	cmd := onAccount("add", "Make an account; the password is read from the terminal or from standard input",
		func(cmd *command.Command, name string) (err error) {
			add.Name = name
			if add.Password, err = readPassword(cmd, passwordFile); err != nil {
				return err
			}
			return openAdmin(cmd, true, func(a adminsock.Admin) error {
				if err := a.AddUser(cmd.Context(), add); err != nil {
					return err
				}
				return say(cmd, "added %s", name)
			})
		})
	cmd.Flags().StringVar(&add.Role, "role", string(gateway.RoleMember), "admin or member")
	cmd.Flags().StringArrayVar(&add.Grants, "grant", nil, "PATTERN:RIGHTS, for example plant.*:rw; may be repeated (default: default_grants)")
	passwordFlag(cmd, &passwordFile)
	return cmd
}

func userSetCommand() *command.Command {
	var role string
	var grants grantFlags
	cmd := onAccount("set", "Change a person's role or grants, at once", func(cmd *command.Command, name string) error {
		patch := adminsock.UserPatch{Name: name, Grants: grants.patch()}
		if cmd.Flags().Changed("role") {
			patch.Role = &role
		}
		return updateUser(cmd, patch, "changed %s", name)
	})
	cmd.Args = argsAndFlags("role", "grant", "no-grants")
	cmd.Flags().StringVar(&role, "role", "", "admin or member")
	grants.add(cmd)
	return cmd
}

func userPasswdCommand() *command.Command {
	var passwordFile string
	cmd := onAccount("passwd", "Set a person's password; it is read from the terminal or from standard input",
		func(cmd *command.Command, name string) error {
			password, err := readPassword(cmd, passwordFile)
			if err != nil {
				return err
			}
			return updateUser(cmd, adminsock.UserPatch{Name: name, Password: &password}, "changed the password of %s", name)
		})
	passwordFlag(cmd, &passwordFile)
	return cmd
}

func userSwitchCommand(use, short string, disabled bool) *command.Command {
	return onAccount(use, short, func(cmd *command.Command, name string) error {
		return updateUser(cmd, adminsock.UserPatch{Name: name, Disabled: &disabled}, "%sd %s", use, name)
	})
}

func updateUser(cmd *command.Command, patch adminsock.UserPatch, done string, args ...any) error {
	return withAdmin(cmd, func(a adminsock.Admin) error {
		if err := a.UpdateUser(cmd.Context(), patch); err != nil {
			return err
		}
		return say(cmd, done, args...)
	})
}

func userResetCommand() *command.Command {
	var asJSON bool
	cmd := onAccount("reset", "Print a code with which a person sets a new password, once", func(cmd *command.Command, name string) error {
		return withAdmin(cmd, func(a adminsock.Admin) error {
			code, err := a.ResetUser(cmd.Context(), name)
			if err != nil {
				return err
			}
			return printSecret(cmd, asJSON, code, code.Code,
				"the reset code of %s works once, within %s: send it with the new password to POST /auth/password-reset/confirm as {\"token\":CODE,\"new_password\":…}",
				name, lasting(code.ExpiresIn))
		})
	})
	jsonFlag(cmd, &asJSON)
	return cmd
}

func userUnlockCommand() *command.Command {
	return onAccount("unlock", "Let a person try passwords again after too many wrong ones", func(cmd *command.Command, name string) error {
		return withAdmin(cmd, func(a adminsock.Admin) error {
			if err := a.UnlockUser(cmd.Context(), name); err != nil {
				return err
			}
			return say(cmd, "unlocked %s", name)
		})
	})
}

func userDeleteCommand() *command.Command {
	return onAccount("delete", "Delete a person's account; the messages stay", func(cmd *command.Command, name string) error {
		return withAdmin(cmd, func(a adminsock.Admin) error {
			if err := a.DeleteUser(cmd.Context(), name); err != nil {
				return err
			}
			return say(cmd, "deleted %s", name)
		})
	})
}
