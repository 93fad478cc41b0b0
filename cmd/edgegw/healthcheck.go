package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"edgegw/internal/command"
	"edgegw/internal/reach"
)

// reachOptions are the options that say where the gateway of this machine is.
var reachOptions = []string{"env", "data_dir", "listen", "tls_listen", "tls_cert_file"}

// place is where a command finds the gateway.
type place struct{ url, caFile string }

func (p *place) flags(cmd *command.Command) {
	cmd.Flags().StringVar(&p.url, "url", "", "the gateway's address, http://HOST:PORT or https://HOST (default: this machine's, by its configuration)")
	cmd.Flags().StringVar(&p.caFile, "cacert", "", "believe only the certificates in this file (PEM), such as the gateway's ca.crt")
	addOptionFlags(cmd, reachOptions...)
}

// target is an error of usage when it cannot be said where the gateway is.
func (p *place) target(cmd *command.Command) (reach.Target, error) {
	if p.url != "" {
		return reach.Named(p.url, p.caFile)
	}
	cfg, err := loadInstalled(cmd)
	if err != nil {
		return reach.Target{}, err
	}
	return reach.Local(cfg, p.caFile)
}

// errUsage marks an error of the command line that is found when the command has
// begun.
type errUsage struct{ error }

func (e errUsage) Unwrap() error { return e.error }

// needsTime refuses a --timeout that leaves none.
func needsTime(d time.Duration) error {
	if d < time.Millisecond {
		return errors.New("--timeout is at least 1ms, for example 5s")
	}
	return nil
}

func healthcheckCommand() *command.Command {
	var where place
	var timeout time.Duration
	var strict, asJSON bool
	cmd := &command.Command{
		Use:   "healthcheck",
		Short: "Ask the gateway how it is, for probes: exit code 0 when it serves, 1 when it does not",
		Args: func(cmd *command.Command, args []string) error {
			if err := needsTime(timeout); err != nil {
				return err
			}
			return command.NoArgs(cmd, args)
		},
		Run: func(cmd *command.Command, _ []string) error {
			target, err := where.target(cmd)
			if err != nil {
				return errUsage{err}
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			h, err := target.Ask(ctx)
			return judge(cmd, target, h, err, strict, asJSON)
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 3*time.Second, "how long the gateway may take to answer")
	cmd.Flags().BoolVar(&strict, "strict", false, "take a degraded gateway for unhealthy too")
	jsonFlag(cmd, &asJSON)
	where.flags(cmd)
	return cmd
}

// healthcheckJSON is what healthcheck prints.
type healthcheckJSON struct {
	Healthy bool          `json:"healthy"`
	URL     string        `json:"url"`
	Problem string        `json:"problem,omitempty"`
	Health  *reach.Health `json:"health,omitempty"`
}

func judge(cmd *command.Command, t reach.Target, h reach.Health, err error, strict, asJSON bool) error {
	out := healthcheckJSON{URL: t.URL, Healthy: err == nil && (h.Status == reach.StatusOK || h.Status == reach.StatusDegraded && !strict)}
	if err == nil {
		out.Health = &h
		if h.Status != reach.StatusOK {
			out.Problem = fmt.Sprintf("%s is %s: %s", t.URL, h.Status, complaints(h.Checks))
		}
	} else {
		out.Problem = err.Error()
	}
	if asJSON {
		if err := printJSON(cmd, out); err != nil {
			return err
		}
	}
	switch {
	case !out.Healthy:
		return errors.New("unhealthy: " + out.Problem)
	case asJSON:
		return nil
	case out.Problem != "":
		return say(cmd, "healthy, but %s", out.Problem)
	}
	return say(cmd, "healthy: %s, edgegw %s, up for %s, clock %s", t.URL, h.Version, lasting(h.Uptime), h.Clock)
}

// complaints are the checks that are not as they should be. They come from the
// network, and must not steer a terminal.
func complaints(checks map[string]string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(checks)) {
		if said := checks[name]; said != "ok" && name != "wear" {
			list = append(list, visible(name)+" "+visible(said))
		}
	}
	if list == nil {
		return "it does not say why"
	}
	return strings.Join(list, "; ")
}
