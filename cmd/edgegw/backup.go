package main

import (
	"fmt"

	"edgegw/internal/app"
	"edgegw/internal/command"
)

// archiveOptions are the options that backup and restore may be given as flags.
var archiveOptions = []string{"env", "data_dir", "jwt_secret_file", "jwt_keys_file"}

func backupCommand() *command.Command {
	cmd := &command.Command{
		Use:   "backup FILE",
		Short: "Write one file with all that the gateway needs to come back, while it runs or not; it holds its secrets",
		Args:  command.Between(1, 1),
		Run: func(cmd *command.Command, args []string) error {
			cfg, err := loadInstalled(cmd)
			if err != nil {
				return err
			}
			if err := app.Backup(cmd.Context(), cfg, args[0]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.Out(), "%s is written and verified; it holds keys and password hashes: keep it safe\n", args[0])
			return nil
		},
	}
	addOptionFlags(cmd, archiveOptions...)
	return cmd
}
