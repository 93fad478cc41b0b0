package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"edgegw/internal/adminsock"
	"edgegw/internal/command"
)

func userListCommand() *command.Command {
	return listCommand("List the people, and how many passwords are still wrapped legacy hashes",
		func(cmd *command.Command, a adminsock.Admin) (adminsock.UserList, error) {
			return a.ListUsers(cmd.Context())
		},
		printUsers)
}

// listCommand lists something, as a table or as JSON.
func listCommand[List any](
	short string, ask func(*command.Command, adminsock.Admin) (List, error), show func(io.Writer, List) error,
) *command.Command {
	var asJSON bool
	cmd := &command.Command{
		Use: "list", Short: short, Args: command.NoArgs,
		Run: func(cmd *command.Command, _ []string) error {
			return withAdmin(cmd, func(a adminsock.Admin) error {
				list, err := ask(cmd, a)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd, list)
				}
				return show(cmd.Out(), list)
			})
		},
	}
	jsonFlag(cmd, &asJSON)
	addOptionFlags(cmd, accountOptions...)
	return cmd
}

func printUsers(w io.Writer, list adminsock.UserList) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "NAME\tROLE\tSTATE\tPASSWORD\tGRANTS\tCREATED\tRESET REQUESTED")
	for _, u := range list.Users {
		state := u.State
		if state == adminsock.StateLocked {
			state += " for " + lasting(u.LockedFor)
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", u.Name, u.Role, state, u.Password,
			orDash(strings.Join(u.Grants, " ")), moment(u.Created), moment(u.ResetRequested))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d of %d passwords are still wrapped legacy hashes\n", list.Legacy, len(list.Users))
	return err
}

func printDevices(w io.Writer, list adminsock.DeviceList) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "NAME\tROOM\tSTATE\tGRANTS\tCREATED\tLAST LOGIN\tOLD KEY UNTIL")
	for _, d := range list.Devices {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", d.Name, orDash(d.Room), d.State,
			orDash(strings.Join(d.Grants, " ")), moment(d.Created), moment(d.LastLogin), moment(d.OldKeyExpires))
	}
	return tw.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
