package main

import "github.com/spf13/cobra"

// addDoctor adds nothing: with doctor the binary for 32-bit ARM is over its 10 MB.
// healthcheck, check and the log are what there is on such a board.
func addDoctor(*cobra.Command) {}
