package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"edgegw/internal/app"
	"edgegw/internal/command"
	"edgegw/internal/config"
)

func restoreCommand() *command.Command {
	cmd := &command.Command{
		Use:   "restore FILE",
		Short: "Put a backup in place of what data_dir holds, which is kept aside; the gateway must not run",
		Args:  command.Between(1, 1),
		Run: func(cmd *command.Command, args []string) error {
			cfg, err := loadInstalled(cmd)
			if err != nil {
				return err
			}
			done, err := app.Restore(cfg, args[0])
			if err != nil {
				return err
			}
			out := cmd.Out()
			fmt.Fprintf(out, "%s is restored into %s; start the gateway\n", args[0], cfg.DataDir)
			if done.Aside != "" {
				fmt.Fprintf(out, "what was there before is in %s\n", done.Aside)
			}
			if done.Config != "" {
				fmt.Fprintf(out, "the configuration of the backup is in %s, with the secret files that it names: put them where they belong, or start the gateway with\n  %s\n",
					done.Config, startAsItWas(cfg.DataDir, done.Config))
			}
			return nil
		},
	}
	addOptionFlags(cmd, archiveOptions...)
	return cmd
}

// startAsItWas is the command that runs a restored gateway as it was configured, with
// all that it needs taken from the folder that the configuration was restored to.
func startAsItWas(dataDir, folder string) string {
	words := []string{"edgegw", "serve", "--data-dir", dataDir}
	use := func(flag, name string) {
		path := filepath.Join(folder, name)
		if _, err := os.Stat(path); err == nil {
			words = append(words, "--"+flag, path)
		}
	}
	use("config", app.GivenFile)
	for _, o := range config.Options() {
		if o.Secret {
			use(o.Flag(), o.Name)
		}
	}
	return strings.Join(words, " ")
}
