package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"edgegw/internal/adminsock"
	"edgegw/internal/app"
	"edgegw/internal/command"
)

func checkCommand() *command.Command {
	var asJSON bool
	cmd := &command.Command{
		Use:   "check [FILE]",
		Short: "Look at every page and every record of both stores, or of one file, while the gateway runs or not; exit code 1 when anything is damaged",
		Args:  command.Between(0, 1),
		Run: func(cmd *command.Command, args []string) error {
			cfg, err := loadInstalled(cmd)
			if err != nil {
				return err
			}
			list, err := app.Check(cmd.Context(), cfg, append(args, "")[0])
			if err != nil {
				return err
			}
			out, damaged := cmd.Out(), 0
			for _, f := range list {
				damaged += f.Damaged
			}
			if asJSON {
				if err := json.NewEncoder(out).Encode(map[string]any{"good": damaged == 0, "files": list}); err != nil {
					return err
				}
			} else {
				for _, f := range list {
					fmt.Fprintln(out, found(f))
					for _, p := range f.Problems {
						fmt.Fprintf(out, "  %s\n", p)
					}
				}
			}
			if damaged > 0 {
				return errors.New("something is wrong: each line above says what becomes of it; `edgegw restore` goes back to a backup")
			}
			return nil
		},
	}
	addOptionFlags(cmd, archiveOptions...)
	jsonFlag(cmd, &asJSON)
	return cmd
}

func found(f adminsock.Checked) string {
	switch {
	case f.Kind != app.KindBackup:
		return fmt.Sprintf("%s: %s store, schema version %d, %d records, %d damaged", f.File, f.Kind, f.Schema, f.Values, f.Damaged)
	case f.Damaged > 0:
		return f.File + ": a backup that cannot be restored"
	}
	return f.File + ": a backup, which was brought back once beside it: it is good"
}

func compactCommand() *command.Command {
	var asJSON bool
	cmd := &command.Command{
		Use:   "compact",
		Short: "Give the free space of both stores back to the disk, and make unreadable what was deleted; messages wait meanwhile",
		Args:  command.NoArgs,
		Run: func(cmd *command.Command, _ []string) error {
			cfg, err := loadInstalled(cmd)
			if err != nil {
				return err
			}
			list, err := app.Compact(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			out := cmd.Out()
			if asJSON {
				return json.NewEncoder(out).Encode(map[string]any{"files": list})
			}
			for _, f := range list {
				fmt.Fprintf(out, "%s: %d bytes, before %d\n", f.File, f.After, f.Before)
			}
			return nil
		},
	}
	addOptionFlags(cmd, archiveOptions...)
	jsonFlag(cmd, &asJSON)
	return cmd
}
