// Package course is the fault course of the firmware clients: each of them is run
// as a program of its own against the real gateway behind a proxy that breaks, slows
// and delays what goes through it, and against a gateway that a test plays, which is
// hostile. README.md tells how a client takes part.
package course
