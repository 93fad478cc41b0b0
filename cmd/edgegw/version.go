package main

import (
	"encoding/json"
	"fmt"

	"edgegw/internal/buildinfo"
	"edgegw/internal/command"
)

func versionCommand() *command.Command {
	var asJSON bool
	cmd := &command.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  command.NoArgs,
		Run: func(cmd *command.Command, _ []string) error {
			info := buildinfo.Read()
			if asJSON {
				return json.NewEncoder(cmd.Out()).Encode(info)
			}
			_, err := fmt.Fprintf(cmd.Out(), "edgegw %s (%s, %s)\n", info.Version, info.Commit, info.Go)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
