package main

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"edgegw/internal/config"
)

func configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check, show and explain the configuration",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(configCheckCommand(), configShowCommand(), configReferenceCommand())
	return cmd
}

func configCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration and say everything that is wrong with it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := loadConfig(cmd); err != nil {
				return err
			}
			return say(cmd, "the configuration is good")
		},
	}
	addOptionFlags(cmd)
	return cmd
}

func configShowCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print what is in force and where each value comes from; secrets are shown as paths only",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadInstalled(cmd)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(settingsJSON(cfg))
			}
			return cfg.Write(cmd.OutOrStdout())
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

func configReferenceCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reference",
		Short: "Print a configuration file with every option, explained, at its default",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return config.WriteReference(cmd.OutOrStdout())
		},
	}
}
