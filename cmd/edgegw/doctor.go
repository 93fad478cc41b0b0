package main

import (
	"errors"
	"fmt"

	"edgegw/internal/app"
	"edgegw/internal/command"
	"edgegw/internal/config"
	"edgegw/internal/doctor"
)

func doctorCommand() *command.Command {
	var asJSON, all bool
	cmd := &command.Command{
		Use:   "doctor",
		Short: "Look at this machine and its gateway, running or not, and say what is wrong and what to do; exit code 1 when there is a problem",
		Args:  command.NoArgs,
		Run: func(cmd *command.Command, _ []string) error {
			list, err := examine(cmd)
			if err != nil {
				return err
			}
			worst := doctor.Worst(list)
			if asJSON {
				if err := printJSON(cmd, map[string]any{"status": worst, "findings": list}); err != nil {
					return err
				}
			} else if err := printFindings(cmd, list, all); err != nil {
				return err
			}
			if worst == doctor.Problem {
				return errors.New("there are problems: each has its fix behind it")
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "show what is in order too")
	jsonFlag(cmd, &asJSON)
	addOptionFlags(cmd)
	return cmd
}

// examine takes a configuration that cannot be loaded for a finding like others.
func examine(cmd *command.Command) ([]doctor.Finding, error) {
	cfg, err := loadInstalled(cmd)
	var bad config.Problems
	switch {
	case errors.As(err, &bad):
		var list []doctor.Finding
		for _, p := range bad {
			list = append(list, doctor.Finding{Check: "configuration", Level: doctor.Problem, Message: p.String(), Fix: "correct it; `edgegw config check` looks again, and nothing else was looked at"})
		}
		return list, nil
	case err != nil:
		return nil, err
	}
	from := "no file"
	if cfg.File() != "" {
		from = cfg.File()
	}
	first := doctor.Finding{Check: "configuration", Level: doctor.OK, Message: "it is good (" + from + ")"}
	return append([]doctor.Finding{first}, app.Examine(cmd.Context(), cfg)...), nil
}

func printFindings(cmd *command.Command, list []doctor.Finding, all bool) error {
	counts := make(map[doctor.Level]int)
	for _, f := range list {
		if counts[f.Level]++; f.Level == doctor.OK && !all {
			continue
		}
		if err := say(cmd, "%-8s %s: %s", f.Level, f.Check, visible(f.Message)); err != nil {
			return err
		}
		if f.Fix == "" {
			continue
		}
		if err := say(cmd, "         fix: %s", visible(f.Fix)); err != nil {
			return err
		}
	}
	line := fmt.Sprintf("%d problems, %d warnings, %d notes; in order: %d", counts[doctor.Problem], counts[doctor.Warning], counts[doctor.Note], counts[doctor.OK])
	if n := counts[doctor.Unknown]; n > 0 {
		line += fmt.Sprintf("; could not be looked at: %d", n)
	}
	return say(cmd, "%s", line)
}
