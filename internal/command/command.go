// Package command is a tree of commands with their flags, their help and their
// completion by a shell. It knows nothing of what the commands do. What is typed
// is read by pflag; that is all that it needs, see docs/decisions/0009-commands.md.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Command is one command, or a group of them.
type Command struct {
	// Use is the command's name and, behind it, its arguments: "add NAME".
	Use string
	// Short says in a line what it does, Long in as many as it needs.
	Short, Long string
	// Args judges the arguments, with the flags read already. nil takes any.
	Args Args
	// Run does it.
	Run func(cmd *Command, args []string) error
	// Hidden ones are in no list.
	Hidden bool

	// raw takes all that is typed behind its name for arguments.
	raw bool

	// Fixed once the tree is complete.
	parent *Command
	below  []*Command
	flags  *pflag.FlagSet

	// Owned by the root.
	ctx     context.Context
	streams Streams
}

// Args judges a command's arguments, and says what is wrong with them.
type Args func(cmd *Command, args []string) error

// ErrUsage is of every error that comes before a command began: what was typed is
// wrong.
var ErrUsage = errors.New("usage")

// usageError is an error of Args or of the flags, in its own words.
type usageError struct{ error }

func (e usageError) Is(target error) bool { return target == ErrUsage }
func (e usageError) Unwrap() error        { return e.error }

// Flag is one flag of a command.
type Flag = pflag.Flag

// Value is what a flag sets, if it is of a kind of its own.
type Value = pflag.Value

// Streams are what a tree of commands reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Name is the first word of Use.
func (c *Command) Name() string {
	name, _, _ := strings.Cut(c.Use, " ")
	return name
}

// Path is the names from the root down to the command.
func (c *Command) Path() string {
	if c.parent == nil {
		return c.Name()
	}
	return c.parent.Path() + " " + c.Name()
}

// UseLine is the path with the arguments, as help shows it.
func (c *Command) UseLine() string {
	line := c.Use
	if c.parent != nil {
		line = c.parent.Path() + " " + line
	}
	return line + " [flags]"
}

// Add puts commands below this one.
func (c *Command) Add(below ...*Command) {
	for _, b := range below {
		b.parent = c
	}
	c.below = append(c.below, below...)
	slices.SortFunc(c.below, func(a, b *Command) int { return strings.Compare(a.Name(), b.Name()) })
}

// Commands are those below this one, by name.
func (c *Command) Commands() []*Command { return c.below }

// Flags are the command's own.
func (c *Command) Flags() *pflag.FlagSet {
	if c.flags == nil {
		c.flags = pflag.NewFlagSet(c.Name(), pflag.ContinueOnError)
		c.flags.Usage = func() {}
	}
	return c.flags
}

func (c *Command) root() *Command {
	for c.parent != nil {
		c = c.parent
	}
	return c
}

// Context ends when the program is asked to end.
func (c *Command) Context() context.Context { return c.root().ctx }

// SetStreams says what the tree reads and writes. Execute does it.
func (c *Command) SetStreams(s Streams) { c.root().streams = s }

// In is standard input.
func (c *Command) In() io.Reader { return c.root().streams.In }

// Out is standard output.
func (c *Command) Out() io.Writer { return c.root().streams.Out }

// Err is standard error.
func (c *Command) Err() io.Writer { return c.root().streams.Err }

// Execute finds the command below this root that the arguments name, reads its
// flags, and runs it. Its error is the command's own, or one that is ErrUsage.
func (c *Command) Execute(ctx context.Context, args []string, s Streams) error {
	c.ctx = ctx
	c.SetStreams(s)
	cmd, rest := c.find(args)
	if cmd.raw {
		return cmd.Run(cmd, rest)
	}
	cmd.helpFlag()
	if err := cmd.Flags().Parse(rest); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return cmd.Help()
		}
		return usageError{err}
	}
	if help, err := cmd.Flags().GetBool("help"); err == nil && help {
		return cmd.Help()
	}
	rest = cmd.Flags().Args()
	if cmd.Args != nil {
		if err := cmd.Args(cmd, rest); err != nil {
			return usageError{err}
		}
	}
	return cmd.Run(cmd, rest)
}

// find walks down the tree by the arguments' names. What stands between them,
// such as flags, is the found command's.
func (c *Command) find(args []string) (*Command, []string) {
	i := c.nextName(args)
	if i < 0 {
		return c, args
	}
	if b := c.child(args[i]); b != nil {
		return b.find(slices.Concat(args[:i], args[i+1:]))
	}
	return c, args
}

// child is the command of this name below, nil if there is none.
func (c *Command) child(name string) *Command {
	for _, b := range c.below {
		if b.Name() == name {
			return b
		}
	}
	return nil
}

// nextName is the index of the first argument that is neither a flag nor a flag's
// value, -1 if there is none. A flag of a command that is not found yet is taken
// for one with a value.
func (c *Command) nextName(args []string) int {
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "--":
			return -1
		case arg == "-h" || arg == "--help":
		case strings.HasPrefix(arg, "--"):
			if !strings.Contains(arg, "=") {
				i++
			}
		case strings.HasPrefix(arg, "-") && len(arg) == 2:
			i++
		case strings.HasPrefix(arg, "-") && arg != "-":
		default:
			return i
		}
	}
	return -1
}

// NoArgs takes no arguments.
func NoArgs(cmd *Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("unknown command %q for %q", args[0], cmd.Path())
}

// Between takes from least to most arguments; a most of -1 is no bound.
func Between(least, most int) Args {
	return func(_ *Command, args []string) error {
		n := len(args)
		switch {
		case n >= least && (most < 0 || n <= most):
			return nil
		case least == most:
			return fmt.Errorf("accepts %d arg(s), received %d", least, n)
		case most < 0:
			return fmt.Errorf("requires at least %d arg(s), only received %d", least, n)
		case least == 0:
			return fmt.Errorf("accepts at most %d arg(s), received %d", most, n)
		}
		return fmt.Errorf("accepts between %d and %d arg(s), received %d", least, most, n)
	}
}
