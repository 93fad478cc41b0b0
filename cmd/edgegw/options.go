package main

import (
	"os"
	"slices"
	"strings"

	"edgegw/internal/command"
	"edgegw/internal/config"
)

// accountOptions are the options that account commands may be given as flags;
// the rest comes from the file and the environment.
var accountOptions = []string{
	"env", "data_dir", "argon2_memory_kib", "argon2_time", "argon2_threads", "password_min_length", "default_grants",
	"jwt_secret_file", "jwt_keys_file", "jwt_issuer", "jwt_audience", "access_ttl", "device_access_ttl",
}

// addOptionFlags gives the command --config and a flag for each named option,
// or for all of them. What they mean is config's business: here they are text.
func addOptionFlags(cmd *command.Command, names ...string) {
	flags := cmd.Flags()
	flags.String("config", "", "configuration file (TOML)")
	for _, o := range config.Options() {
		if len(names) > 0 && !slices.Contains(names, o.Name) {
			continue
		}
		usage, _, _ := strings.Cut(o.Doc, ". ")
		if d := o.Default(config.Production); d != "" {
			usage = strings.TrimSuffix(usage, ".") + " (default " + d + ")"
		}
		flags.String(o.Flag(), "", usage)
	}
	flags.SortFlags = len(names) > 0
}

// installedFile is the configuration that packages install, and their unit names.
const installedFile = "/etc/edgegw/edgegw.toml"

// tokenVariable holds an access token for pub and sub. It is no option.
const tokenVariable = "EDGEGW_TOKEN"

// loadConfig reads the configuration for a command that has option flags.
func loadConfig(cmd *command.Command) (*config.Config, error) { return config.Load(sourcesOf(cmd)) }

// loadInstalled is loadConfig for a command about the gateway of this machine: when
// nobody names a file or a folder, it takes the file that a package has installed.
func loadInstalled(cmd *command.Command) (*config.Config, error) {
	return config.Load(withInstalled(sourcesOf(cmd), installedFile))
}

// withInstalled adds the file, if there is one, to sources that name neither a file
// nor data_dir: whoever names those means another gateway.
func withInstalled(s config.Sources, file string) config.Sources {
	named := func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		return name == config.FileVariable || name == "EDGEGW_DATA_DIR"
	}
	if s.File != "" || s.Flags["data-dir"] != "" || slices.ContainsFunc(s.Environ, named) {
		return s
	}
	if _, err := os.Stat(file); err == nil {
		s.File = file
	}
	return s
}

func sourcesOf(cmd *command.Command) config.Sources {
	sources := config.Sources{Flags: make(map[string]string), Environ: os.Environ()}
	sources.Environ = slices.DeleteFunc(sources.Environ, func(pair string) bool { return strings.HasPrefix(pair, tokenVariable+"=") })
	known := make(map[string]bool)
	for _, o := range config.Options() {
		known[o.Flag()] = true
	}
	cmd.Flags().Visit(func(f *command.Flag) {
		switch {
		case known[f.Name]:
			sources.Flags[f.Name] = f.Value.String()
		case f.Name == "config":
			sources.File = f.Value.String()
		}
	})
	return sources
}
