package main

import (
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"edgegw/internal/app"
)

// gcPercent trades a little CPU for memory: most of the heap is connections
// that live long, and on a small board their number is what counts.
const gcPercent = 30

func serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the gateway",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			if os.Getenv("GOGC") == "" {
				debug.SetGCPercent(gcPercent)
			}
			gw, err := app.New(cmd.Context(), cfg, app.Deps{Log: cmd.ErrOrStderr()})
			if err != nil {
				return err
			}
			return gw.Run(cmd.Context())
		},
	}
	addOptionFlags(cmd)
	return cmd
}
