package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"edgegw/internal/app"
)

// archiveOptions are the options that backup and restore may be given as flags.
var archiveOptions = []string{"env", "data_dir", "jwt_secret_file", "jwt_keys_file"}

func backupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write one file with all that the gateway needs to come back, while it runs or not; it holds its secrets",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := loadInstalled(cmd)
			if err != nil {
				return err
			}
			if err := app.Backup(cmd.Context(), cfg, args[0]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is written and verified; it holds keys and password hashes: keep it safe\n", args[0])
			return nil
		},
	}
	addOptionFlags(cmd, archiveOptions...)
	return cmd
}
