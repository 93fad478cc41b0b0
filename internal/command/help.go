package command

import (
	"fmt"
	"strings"
)

// leastPadding is how wide the column of names is at least.
const leastPadding = 11

// helpFlag gives the command its --help.
func (c *Command) helpFlag() {
	if c.Flags().Lookup("help") == nil {
		c.Flags().BoolP("help", "h", false, "help for "+c.Name())
	}
}

// Help prints what the command does, what is below it, and its flags.
func (c *Command) Help() error {
	c.helpFlag()
	var b strings.Builder
	text := c.Long
	if text == "" {
		text = c.Short
	}
	fmt.Fprintf(&b, "%s\n\nUsage:\n  %s\n", strings.TrimSpace(text), c.UseLine())
	if len(c.below) > 0 {
		fmt.Fprintf(&b, "  %s [command]\n\nAvailable Commands:\n", c.Path())
		width := leastPadding
		for _, sub := range c.below {
			width = max(width, len(sub.Name()))
		}
		for _, sub := range c.below {
			if !sub.Hidden {
				fmt.Fprintf(&b, "  %-*s %s\n", width, sub.Name(), sub.Short)
			}
		}
	}
	fmt.Fprintf(&b, "\nFlags:\n%s", c.Flags().FlagUsages())
	if len(c.below) > 0 {
		fmt.Fprintf(&b, "\nUse \"%s [command] --help\" for more information about a command.\n", c.Path())
	}
	_, err := fmt.Fprint(c.Out(), b.String())
	return err
}

// AddHelp gives a root the commands `help` and, hidden, `completion`.
func (c *Command) AddHelp() {
	help := &Command{
		Use: "help [command]", Short: "Help about any command",
		Long: fmt.Sprintf("Help provides help for any command in the application.\nSimply type %s help [path to command] for full details.", c.Name()),
		Run: func(_ *Command, args []string) error {
			cmd, rest := c.find(args)
			if len(rest) > 0 {
				return usageError{NoArgs(cmd, rest)}
			}
			return cmd.Help()
		},
	}
	c.Add(help, c.completion(), c.complete())
}
