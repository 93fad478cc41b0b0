package main

import (
	"errors"
	"fmt"
	"strings"

	"edgegw/internal/adminsock"
	"edgegw/internal/app"
	"edgegw/internal/command"
	"edgegw/internal/gateway"
)

// group is a command that only has others below it.
func group(use, short string, below ...*command.Command) *command.Command {
	cmd := &command.Command{
		Use: use, Short: short, Args: command.NoArgs,
		Run: func(cmd *command.Command, _ []string) error { return cmd.Help() },
	}
	cmd.Add(below...)
	return cmd
}

// onAccount is a command about one account, named by its argument.
func onAccount(use, short string, do func(cmd *command.Command, name string) error) *command.Command {
	cmd := &command.Command{
		Use: use + " NAME", Short: short, Args: command.Between(1, 1),
		Run: func(cmd *command.Command, args []string) error {
			name, err := gateway.ParseAccountName(args[0])
			if err != nil {
				return err
			}
			return do(cmd, string(name))
		},
	}
	addOptionFlags(cmd, accountOptions...)
	return cmd
}

// withAdmin runs do on the running gateway, or on the closed store when none
// runs.
func withAdmin(cmd *command.Command, do func(adminsock.Admin) error) error {
	return openAdmin(cmd, false, do)
}

// openAdmin is withAdmin; with create it makes a store where there is none.
func openAdmin(cmd *command.Command, create bool, do func(adminsock.Admin) error) error {
	cfg, err := loadInstalled(cmd)
	if err != nil {
		return err
	}
	admin, closeAdmin, err := app.OpenAccounts(cmd.Context(), cfg, create)
	if err != nil {
		return err
	}
	err = do(admin)
	if gateway.CodeOf(err) == gateway.CodeNotFound {
		err = fmt.Errorf("%w; `edgegw user list` and `edgegw device list` show all there are", err)
	}
	return errors.Join(err, closeAdmin())
}

func jsonFlag(cmd *command.Command, asJSON *bool) {
	cmd.Flags().BoolVar(asJSON, "json", false, "print JSON")
}

func passwordFlag(cmd *command.Command, file *string) {
	cmd.Flags().StringVar(file, "password-file", "", "read the password from this file, less one trailing newline")
}

// grantFlags are for changing grants.
type grantFlags struct {
	list []string
	none bool
}

func (g *grantFlags) add(cmd *command.Command) {
	cmd.Flags().StringArrayVar(&g.list, "grant", nil, "PATTERN:RIGHTS in place of all grants of before, for example plant.*:rw; may be repeated")
	cmd.Flags().BoolVar(&g.none, "no-grants", false, "take all grants away")
}

// patch is nil when nothing changes.
func (g *grantFlags) patch() *[]string {
	if len(g.list) == 0 && !g.none {
		return nil
	}
	return &g.list
}

// argsAndFlags is ExactArgs(1) for commands that change what flags say: at
// least one of those has to be given, and --grant not with --no-grants.
func argsAndFlags(flags ...string) command.Args {
	return func(cmd *command.Command, args []string) error {
		if err := command.Between(1, 1)(cmd, args); err != nil {
			return err
		}
		if cmd.Flags().Changed("grant") && cmd.Flags().Changed("no-grants") {
			return errors.New("give --grant or --no-grants, not both")
		}
		for _, f := range flags {
			if cmd.Flags().Changed(f) {
				return nil
			}
		}
		return fmt.Errorf("nothing to change; give one of --%s", strings.Join(flags, ", --"))
	}
}
