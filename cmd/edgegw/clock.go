package main

import (
	"encoding/json"
	"fmt"
	"time"

	"edgegw/internal/adminsock"
	"edgegw/internal/command"
)

func clockCommand() *command.Command {
	return group("clock", "Show, set or reset the gateway's time, which never runs back",
		clockShowCommand(), clockSetCommand(), clockResetCommand())
}

func clockShowCommand() *command.Command {
	return onClock("show", "Print the gateway's time, the system's, and how far the time is trusted", command.NoArgs,
		func(cmd *command.Command, a adminsock.Admin, _ []string) (adminsock.Clock, error) {
			return a.ShowClock(cmd.Context())
		})
}

func clockSetCommand() *command.Command {
	var force bool
	cmd := onClock("set TIME", "Say what time it is, as 2027-01-31T12:00:00Z, on a site without a time server; the gateway then trusts its time", command.Between(1, 1),
		func(cmd *command.Command, a adminsock.Admin, args []string) (adminsock.Clock, error) {
			at, err := time.Parse(time.RFC3339, args[0])
			if err != nil {
				return adminsock.Clock{}, fmt.Errorf("%q is no time; give it as 2027-01-31T12:00:00Z or 2027-01-31T13:00:00+01:00", args[0])
			}
			c, err := a.SetClock(cmd.Context(), adminsock.NewTime{At: at, Force: force})
			if err == nil {
				fmt.Fprintln(cmd.Err(), whatHolds(c))
			}
			return c, err
		})
	cmd.Flags().BoolVar(&force, "force", false, "also more than a year ahead")
	return cmd
}

// whatHolds says what a time that was set is worth, and how long.
func whatHolds(c adminsock.Clock) string {
	if c.Running {
		return "set: the gateway trusts this time until it is restarted, and lets nothing get older by it for a day"
	}
	return "set: the next start of the gateway begins at this time, at least; it is trusted when a time server confirms it, or when this command is run on the running gateway"
}

func clockResetCommand() *command.Command {
	return onClock("reset", "Let the next start begin at the system's time, after a boot in a wrong future", command.NoArgs,
		func(cmd *command.Command, a adminsock.Admin, _ []string) (adminsock.Clock, error) {
			c, err := a.ResetClock(cmd.Context())
			if err == nil && c.Running {
				fmt.Fprintln(cmd.Err(), "restart the gateway: until then its time stays where it is")
			}
			return c, err
		})
}

func onClock(use, short string, args command.Args, do func(*command.Command, adminsock.Admin, []string) (adminsock.Clock, error)) *command.Command {
	var asJSON bool
	cmd := &command.Command{
		Use: use, Short: short, Args: args,
		Run: func(cmd *command.Command, args []string) error {
			return withAdmin(cmd, func(a adminsock.Admin) error {
				c, err := do(cmd, a, args)
				if err != nil {
					return err
				}
				return printClock(cmd, asJSON, c)
			})
		},
	}
	addOptionFlags(cmd, accountOptions...)
	jsonFlag(cmd, &asJSON)
	return cmd
}

func printClock(cmd *command.Command, asJSON bool, c adminsock.Clock) error {
	out := cmd.Out()
	if asJSON {
		return json.NewEncoder(out).Encode(c)
	}
	said := map[string]string{
		"none":   "nobody has vouched for it",
		"floor":  "not before the gateway's last run",
		"synced": "trusted",
	}[c.State]
	for _, line := range []struct {
		name string
		ms   int64
		more string
	}{{"gateway", c.Now, c.State + ": " + said}, {"system", c.Wall, ""}, {"next start", c.Floor, "at least"}, {"ages by", c.Age, "what max_age is measured by"}} {
		when := "never"
		if line.ms > 0 {
			when = time.UnixMilli(line.ms).UTC().Format(time.RFC3339)
		}
		if _, err := fmt.Fprintf(out, "%-10s  %-20s  %s\n", line.name, when, line.more); err != nil {
			return err
		}
	}
	return nil
}
