package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"

	"edgegw/internal/adminsock"
	"edgegw/internal/command"
)

func tokenCommand() *command.Command {
	return group("token", "Make and look into access tokens, and change the key that signs them",
		tokenIssueCommand(), tokenInspectCommand(), tokenRotateCommand())
}

func tokenIssueCommand() *command.Command {
	var asJSON bool
	var room string
	var ttl time.Duration
	cmd := onAccount("issue", "Print an access token for an account; it has no session, so that only its end or the account's ends it",
		func(cmd *command.Command, name string) error {
			ask := adminsock.TokenRequest{Name: name, Room: room, Life: int64(ttl / time.Second)}
			return withAdmin(cmd, func(a adminsock.Admin) error {
				t, err := a.IssueToken(cmd.Context(), ask)
				if err != nil {
					return err
				}
				return printSecret(cmd, asJSON, t, t.Token, "a token of %s for %s", name, lasting(t.ExpiresIn))
			})
		})
	cmd.Args = func(cmd *command.Command, args []string) error {
		if ttl < time.Second {
			return errors.New("--ttl is at least 1s")
		}
		return command.Between(1, 1)(cmd, args)
	}
	cmd.Flags().StringVar(&room, "room", "", "the room that a connection joins by default")
	cmd.Flags().DurationVar(&ttl, "ttl", time.Hour, "how long it is valid, for example 90m")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func tokenInspectCommand() *command.Command {
	cmd := &command.Command{
		Use:   "inspect [FILE]",
		Short: "Print what a token says and whether it is good; it is read from a file or from standard input",
		Args: func(cmd *command.Command, args []string) error {
			// The token itself must not be an argument, nor may it come back
			// in an error: others could read it there.
			if len(args) > 0 && strings.Count(args[0], ".") == 2 && strings.HasPrefix(args[0], "eyJ") {
				return errors.New("a token is no argument, since every process of the machine can read those; give it on standard input or in a file")
			}
			return command.Between(0, 1)(cmd, args)
		},
		Run: func(cmd *command.Command, args []string) error {
			raw, err := readInput(cmd, append(args, stdinName)[0], maxSecretBytes)
			if err != nil {
				return err
			}
			return withAdmin(cmd, func(a adminsock.Admin) error {
				i, err := a.InspectToken(cmd.Context(), strings.TrimSpace(string(raw)))
				if err != nil {
					return err
				}
				return printInspection(cmd, i)
			})
		},
	}
	addOptionFlags(cmd, accountOptions...)
	return cmd
}

// inspectionJSON is what token inspect prints.
type inspectionJSON struct {
	Good      bool            `json:"good"`
	Problem   string          `json:"problem,omitempty"`
	ExpiresIn int64           `json:"expires_in"`
	Header    json.RawMessage `json:"header"`
	Claims    json.RawMessage `json:"claims"`
}

func printInspection(cmd *command.Command, i adminsock.Inspection) error {
	err := printJSON(cmd, inspectionJSON{
		Good: i.Problem == "", Problem: i.Problem, ExpiresIn: i.ExpiresIn, Header: plainJSON(i.Header), Claims: plainJSON(i.Claims),
	})
	if err == nil && i.Problem != "" {
		err = fmt.Errorf("the token is refused: %s", i.Problem)
	}
	return err
}

// plainJSON escapes what is not ASCII: a token may come from anyone, and must not
// steer the terminal that it is shown on. What is no JSON becomes null.
func plainJSON(s string) json.RawMessage {
	if !json.Valid([]byte(s)) {
		return json.RawMessage("null")
	}
	var out []byte
	for _, r := range s {
		if r < 0x7f {
			out = append(out, byte(r))
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			out = fmt.Appendf(out, `\u%04x`, unit)
		}
	}
	return out
}

func tokenRotateCommand() *command.Command {
	var asJSON bool
	cmd := &command.Command{
		Use: "rotate", Short: "Make a new signing key; tokens of the old one work until they end", Args: command.NoArgs,
		Run: func(cmd *command.Command, _ []string) error {
			return withAdmin(cmd, func(a adminsock.Admin) error {
				r, err := a.RotateKey(cmd.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd, r)
				}
				return say(cmd, "the key %s signs from now on; tokens of the key before it work for %s more at most", r.KID, lasting(r.OldTokensFor))
			})
		},
	}
	jsonFlag(cmd, &asJSON)
	addOptionFlags(cmd, accountOptions...)
	return cmd
}
