package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"edgegw/internal/app"
	"edgegw/internal/command"
)

// tlsOptions are the options that the tls commands may be given as flags.
var tlsOptions = []string{"env", "site", "data_dir", "tls_listen", "tls_cert_file", "tls_key_file", "tls_names"}

func tlsCommand() *command.Command {
	return group("tls", "Make and show the certificates that TLS is spoken with", tlsInitCommand(), tlsShowCommand())
}

func tlsInitCommand() *command.Command {
	var asJSON, force bool
	cmd := &command.Command{
		Use: "init", Short: "Make the gateway's own CA and its first certificate; a start with tls_listen does it too", Args: command.NoArgs,
		Run: func(cmd *command.Command, _ []string) error {
			cfg, err := loadInstalled(cmd)
			if err != nil {
				return err
			}
			t, err := app.MakeCA(cmd.Context(), cfg, force)
			if err != nil {
				return err
			}
			if t.Aside != "" {
				fmt.Fprintf(cmd.Err(), "warning: whoever trusted the CA of before has to be given this one; that one is in %s\n", t.Aside)
			}
			return printTLS(cmd, asJSON, t)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace a CA that is there; whoever trusts it has to be given the new one")
	jsonFlag(cmd, &asJSON)
	addOptionFlags(cmd, tlsOptions...)
	return cmd
}

func tlsShowCommand() *command.Command {
	var asJSON bool
	cmd := &command.Command{
		Use: "show", Short: "Print the certificates, how long they are valid, and the fingerprint and the pin of the CA", Args: command.NoArgs,
		Run: func(cmd *command.Command, _ []string) error {
			cfg, err := loadInstalled(cmd)
			if err != nil {
				return err
			}
			t, err := app.ShowTLS(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			if err := printTLS(cmd, asJSON, t); err != nil || !t.Expired() {
				return err
			}
			return fmt.Errorf("a certificate is not valid at %s (%s clock); clients refuse it: check the clock with `edgegw clock show`, then send the gateway SIGHUP",
				t.Now.Format(time.RFC3339), t.Clock)
		},
	}
	jsonFlag(cmd, &asJSON)
	addOptionFlags(cmd, tlsOptions...)
	return cmd
}

func printTLS(cmd *command.Command, asJSON bool, t app.TLS) error {
	if asJSON {
		return printJSON(cmd, t)
	}
	out := cmd.Out()
	if t.CA != nil {
		printCertificate(out, "CA", *t.CA)
		fmt.Fprintf(out, "  pin          %s\n", t.Pin)
	}
	if t.Server != nil {
		printCertificate(out, "server", *t.Server)
	}
	_, err := fmt.Fprintf(out, "time           %s (%s)\n", t.Now.Format(time.RFC3339), t.Clock)
	if err == nil && t.Listen == "" {
		_, err = fmt.Fprintln(out, "tls_listen is not set here: without it, for example :8443, a gateway speaks no TLS")
	}
	return err
}

func printCertificate(out io.Writer, what string, c app.Certificate) {
	fmt.Fprintf(out, "%-13s  %s\n", what, c.File)
	if len(c.Names) > 0 {
		fmt.Fprintf(out, "  names        %s\n", strings.Join(c.Names, " "))
	}
	fmt.Fprintf(out, "  valid        %s to %s: %s\n", c.NotBefore.UTC().Format(time.DateOnly), c.NotAfter.UTC().Format(time.DateOnly), strings.ReplaceAll(c.State, "_", " "))
	fmt.Fprintf(out, "  SHA-256      %s\n", c.Fingerprint)
}
