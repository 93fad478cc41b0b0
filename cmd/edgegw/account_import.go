package main

import (
	"context"
	"fmt"

	"edgegw/internal/accounts"
	"edgegw/internal/adminsock"
	"edgegw/internal/command"
)

func userImportCommand() *command.Command {
	return importCommand("Make accounts from CSV with the header name,role,hash or from JSON lines with those members; - is standard input",
		true, "user", adminsock.Admin.ImportUsers)
}

func deviceImportCommand() *command.Command {
	return importCommand("Make devices with the keys of their factory, from CSV with the header name,room,grants,key_hash or from JSON lines; - is standard input",
		false, "device", adminsock.Admin.ImportDevices)
}

// importCommand is an import of accounts of one kind; create makes a store where
// there is none.
func importCommand(
	short string, create bool, thing string, do func(adminsock.Admin, context.Context, adminsock.Import) (adminsock.ImportReport, error),
) *command.Command {
	var asJSON bool
	var in adminsock.Import
	cmd := &command.Command{
		Use: "import FILE", Short: short, Args: command.Between(1, 1),
		Run: func(cmd *command.Command, args []string) (err error) {
			if in.Data, err = readInput(cmd, args[0], accounts.MaxImportBytes); err != nil {
				return err
			}
			return openAdmin(cmd, create, func(a adminsock.Admin) error {
				report, err := do(a, cmd.Context(), in)
				if err != nil {
					return fmt.Errorf("%s: %w", inputName(args[0]), err)
				}
				return printReport(cmd, asJSON, thing, args[0], report)
			})
		},
	}
	cmd.Flags().BoolVar(&in.SkipBad, "skip-bad", false, "leave bad lines out instead of importing nothing")
	jsonFlag(cmd, &asJSON)
	addOptionFlags(cmd, accountOptions...)
	return cmd
}

// printReport says what came in, and each bad line like a compiler. That nothing
// came in because of those is an error.
func printReport(cmd *command.Command, asJSON bool, thing, file string, r adminsock.ImportReport) error {
	if asJSON {
		if err := printJSON(cmd, r); err != nil {
			return err
		}
	} else {
		for _, b := range r.Bad {
			hint(cmd, "%s:%d: %s", inputName(file), b.Line, b.Problem)
		}
	}
	bad, added := counted(len(r.Bad), "bad line"), counted(r.Added, thing)
	switch {
	case r.Added == 0 && len(r.Bad) > 0:
		return fmt.Errorf("nothing was imported, because of %s; correct what is wrong, or leave it out with --skip-bad", bad)
	case asJSON:
		return nil
	case len(r.Bad) > 0:
		return say(cmd, "imported %s and left %s out", added, bad)
	}
	return say(cmd, "imported %s", added)
}

func counted(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}
