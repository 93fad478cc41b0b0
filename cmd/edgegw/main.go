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

	"edgegw/internal/command"
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
	err := newRoot().Execute(ctx, args, command.Streams{In: stdin, Out: stdout, Err: stderr})
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(stderr, "edgegw: %v\n", err)
	var bad config.Problems
	var usage errUsage
	switch {
	case errors.As(err, &bad), errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, command.ErrUsage):
		fmt.Fprintln(stderr, "edgegw: `edgegw help` lists the commands, `edgegw COMMAND --help` their flags")
		return exitUsage
	}
	return exitFailed
}

// newRoot builds the command tree.
func newRoot() *command.Command {
	root := group("edgegw", "The secure real-time hub of a site, in one binary",
		serveCommand(), setupCommand(), userCommand(), deviceCommand(), tokenCommand(), clockCommand(), tlsCommand(), backupCommand(), restoreCommand(), checkCommand(), compactCommand(), tuneCommand(), configCommand(), versionCommand(),
		// For those who use a gateway or look after its machine.
		pubCommand(), subCommand(), healthcheckCommand(), doctorCommand())
	root.AddHelp()
	return root
}
