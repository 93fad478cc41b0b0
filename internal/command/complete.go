package command

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// The shells' scripts ask the program itself, by its hidden command __complete,
// what may stand in the place of the last word. Its answer has a line for each
// candidate: the word, a tab, and what it is. Files complete as ever where it has
// none.
var scripts = map[string]string{
	"bash": `# bash completion for NAME
_NAME() {
    local line
    COMPREPLY=()
    while IFS=$'\t' read -r line _; do
        COMPREPLY+=("$line")
    done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _NAME NAME
`,
	"zsh": `#compdef NAME
_NAME() {
    local word what
    local -a found
    while IFS=$'\t' read -r word what; do
        found+=("${word//:/\\:}:$what")
    done < <("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
    if (( ${#found} )); then
        _describe NAME found
    else
        _files
    fi
}
if [[ ${funcstack[1]} == _NAME ]]; then
    _NAME "$@"
else
    compdef _NAME NAME
fi
`,
	"fish": `# fish completion for NAME
function __NAME_complete
    set -l words (commandline -opc) (commandline -ct)
    $words[1] __complete $words[2..-1] 2>/dev/null
end
complete -c NAME -a '(__NAME_complete)'
`,
}

// completion prints a shell's script.
func (c *Command) completion() *Command {
	return &Command{
		Use: "completion bash|zsh|fish", Short: "Print a script with which a shell completes commands and flags", Hidden: true,
		Args: func(_ *Command, args []string) error {
			if len(args) != 1 || scripts[args[0]] == "" {
				return fmt.Errorf("name one shell: bash, zsh or fish")
			}
			return nil
		},
		Run: func(cmd *Command, args []string) error {
			_, err := fmt.Fprint(cmd.Out(), strings.ReplaceAll(scripts[args[0]], "NAME", c.Name()))
			return err
		},
	}
}

// complete prints the candidates for the last of its arguments.
func (c *Command) complete() *Command {
	return &Command{
		Use: "__complete", Hidden: true, raw: true, Short: "What may stand in the place of the last word",
		Run: func(cmd *Command, args []string) error {
			for _, line := range c.candidates(args) {
				if _, err := fmt.Fprintln(cmd.Out(), line); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func (c *Command) candidates(words []string) (lines []string) {
	if len(words) == 0 {
		return nil
	}
	before, last := words[:len(words)-1], words[len(words)-1]
	cmd, rest := c.find(before)
	if strings.HasPrefix(last, "-") {
		cmd.helpFlag()
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if name := "--" + f.Name; strings.HasPrefix(name, last) {
				lines = append(lines, name+"\t"+firstLine(f.Usage))
			}
		})
		return lines
	}
	if cmd.nextName(rest) >= 0 { // an argument
		return nil
	}
	for _, sub := range cmd.below {
		if !sub.Hidden && strings.HasPrefix(sub.Name(), last) {
			lines = append(lines, sub.Name()+"\t"+sub.Short)
		}
	}
	return lines
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
