package main

import (
	"encoding/json"

	"edgegw/internal/command"
	"edgegw/internal/config"
)

func configCommand() *command.Command {
	cmd := &command.Command{
		Use:   "config",
		Short: "Check, show and explain the configuration",
		Args:  command.NoArgs,
		Run:   func(cmd *command.Command, _ []string) error { return cmd.Help() },
	}
	cmd.Add(configCheckCommand(), configShowCommand(), configReferenceCommand())
	return cmd
}

func configCheckCommand() *command.Command {
	cmd := &command.Command{
		Use:   "check",
		Short: "Check the configuration and say everything that is wrong with it",
		Args:  command.NoArgs,
		Run: func(cmd *command.Command, _ []string) error {
			if _, err := loadConfig(cmd); err != nil {
				return err
			}
			return say(cmd, "the configuration is good")
		},
	}
	addOptionFlags(cmd)
	return cmd
}

func configShowCommand() *command.Command {
	var asJSON bool
	cmd := &command.Command{
		Use:   "show",
		Short: "Print what is in force and where each value comes from; secrets are shown as paths only",
		Args:  command.NoArgs,
		Run: func(cmd *command.Command, _ []string) error {
			cfg, err := loadInstalled(cmd)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.Out()).Encode(settingsJSON(cfg))
			}
			return cfg.Write(cmd.Out())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	addOptionFlags(cmd)
	return cmd
}

type settingJSON struct {
	Value  json.RawMessage `json:"value"`
	Origin config.Origin   `json:"origin"`
	Where  string          `json:"where,omitempty"`
}

func settingsJSON(cfg *config.Config) map[string]settingJSON {
	out := make(map[string]settingJSON)
	for _, s := range cfg.Settings() {
		out[s.Name] = settingJSON{Value: json.RawMessage(s.Value), Origin: s.Origin, Where: s.Where}
	}
	return out
}

func configReferenceCommand() *command.Command {
	return &command.Command{
		Use:   "reference",
		Short: "Print a configuration file with every option, explained, at its default",
		Args:  command.NoArgs,
		Run: func(cmd *command.Command, _ []string) error {
			return config.WriteReference(cmd.Out())
		},
	}
}
