// Command edgegw is the gateway and everything that an operator does with it.
// Each sub-command has a file of its own; what they do stands in internal/app
// and below.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"edgegw/internal/config"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // of the command line or of the configuration
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the program as a value: it touches nothing but its arguments, the
// environment and the file system.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root, began := newRoot(stdin)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(stderr, "edgegw: %v\n", err)
	var bad config.Problems
	var usage errUsage
	switch {
	case errors.As(err, &bad), errors.As(err, &usage):
		return exitUsage
	case !*began:
		fmt.Fprintln(stderr, "edgegw: `edgegw help` lists the commands, `edgegw COMMAND --help` their flags")
		return exitUsage
	}
	return exitFailed
}

// newRoot builds the command tree. began turns true when a command starts: an
// error before that is one of usage.
func newRoot(stdin io.Reader) (root *cobra.Command, began *bool) {
	began = new(bool)
	root = &cobra.Command{
		Use:           "edgegw",
		Short:         "The secure real-time hub of a site, in one binary",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{
			HiddenDefaultCmd: true,
		},
		PersistentPreRun: func(*cobra.Command, []string) { *began = true },
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.SetIn(stdin)
	root.AddCommand(
		serveCommand(), setupCommand(), userCommand(), deviceCommand(), tokenCommand(), clockCommand(), tlsCommand(), backupCommand(), restoreCommand(), checkCommand(), compactCommand(), tuneCommand(), configCommand(), versionCommand(),
	)
	// For those who use a gateway or look after its machine.
	root.AddCommand(pubCommand(), subCommand(), healthcheckCommand())
	addDoctor(root)
	return root, began
}
