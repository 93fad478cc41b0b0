package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"edgegw/internal/app"
)

func restoreCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup in place of what data_dir holds, which is kept aside; the gateway must not run",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			done, err := app.Restore(cfg, args[0])
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "%s is restored into %s; start the gateway\n", args[0], cfg.DataDir)
			if done.Aside != "" {
				fmt.Fprintf(out, "what was there before is in %s\n", done.Aside)
			}
			if done.Config != "" {
				fmt.Fprintf(out, "the configuration and the key files of the backup are in %s; put them where they belong\n", done.Config)
			}
			return nil
		},
	}
	addOptionFlags(cmd, archiveOptions...)
	return cmd
}
