package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"edgegw/internal/adminsock"
	"edgegw/internal/app"
	"edgegw/internal/gateway"
)

func userCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Manage the people's accounts, whether the gateway runs or not",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		userAddCommand(), userListCommand(), userPasswdCommand(),
		userSwitchCommand("disable", "Keep an account from logging in", true),
		userSwitchCommand("enable", "Let a disabled account log in again", false),
		userDeleteCommand(),
	)
	return cmd
}

// withAccounts runs do on the running gateway's accounts, or on the closed
// store when none runs; with create, on a new one where there is none.
func withAccounts(cmd *cobra.Command, create bool, do func(adminsock.Accounts) error) error {
	cfg, err := loadConfig(cmd)
	if err != nil {
		return err
	}
	accounts, closeAccounts, err := app.OpenAccounts(cmd.Context(), cfg, create)
	if err != nil {
		return err
	}
	return errors.Join(do(accounts), closeAccounts())
}

func userAddCommand() *cobra.Command {
	var role, passwordFile string
	var grants []string
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Make an account; the password is read from the terminal or from standard input",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := gateway.ParseAccountName(args[0])
			if err != nil {
				return err
			}
			add := adminsock.NewUser{Name: string(name), Role: role, Grants: grants}
			if add.Password, err = readPassword(cmd, passwordFile); err != nil {
				return err
			}
			return withAccounts(cmd, true, func(a adminsock.Accounts) error {
				if err := a.AddUser(cmd.Context(), add); err != nil {
					return err
				}
				return say(cmd, "added %s", name)
			})
		},
	}
	cmd.Flags().StringVar(&role, "role", string(gateway.RoleMember), "admin or member")
	cmd.Flags().StringArrayVar(&grants, "grant", nil, "PATTERN:RIGHTS, for example plant.*:rw; may be repeated (default: default_grants)")
	cmd.Flags().StringVar(&passwordFile, "password-file", "", "read the password from this file, less one trailing newline")
	addOptionFlags(cmd, accountOptions...)
	return cmd
}

func userListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the accounts",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAccounts(cmd, false, func(a adminsock.Accounts) error {
				users, err := a.ListUsers(cmd.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{"users": users})
				}
				return printUsers(cmd.OutOrStdout(), users)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	addOptionFlags(cmd, accountOptions...)
	return cmd
}

func printUsers(w io.Writer, users []adminsock.User) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "NAME\tROLE\tSTATE\tGRANTS\tCREATED")
	for _, u := range users {
		state := "enabled"
		if u.Disabled {
			state = "disabled"
		}
		created := time.UnixMilli(u.Created).UTC().Format(time.DateTime)
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", u.Name, u.Role, state, strings.Join(u.Grants, " "), created)
	}
	return tw.Flush()
}

func userPasswdCommand() *cobra.Command {
	var passwordFile string
	cmd := &cobra.Command{
		Use:   "passwd NAME",
		Short: "Set an account's password; it is read from the terminal or from standard input",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := gateway.ParseAccountName(args[0])
			if err != nil {
				return err
			}
			password, err := readPassword(cmd, passwordFile)
			if err != nil {
				return err
			}
			return withAccounts(cmd, false, func(a adminsock.Accounts) error {
				if err := a.SetUserPassword(cmd.Context(), string(name), password); err != nil {
					return err
				}
				return say(cmd, "changed the password of %s", name)
			})
		},
	}
	cmd.Flags().StringVar(&passwordFile, "password-file", "", "read the password from this file, less one trailing newline")
	addOptionFlags(cmd, accountOptions...)
	return cmd
}

func userSwitchCommand(name, short string, disabled bool) *cobra.Command {
	cmd := &cobra.Command{
		Use:   name + " NAME",
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			account, err := gateway.ParseAccountName(args[0])
			if err != nil {
				return err
			}
			return withAccounts(cmd, false, func(a adminsock.Accounts) error {
				if err := a.SetUserDisabled(cmd.Context(), string(account), disabled); err != nil {
					return err
				}
				return say(cmd, "%sd %s", name, account)
			})
		},
	}
	addOptionFlags(cmd, accountOptions...)
	return cmd
}

func userDeleteCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete an account; its messages stay",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := gateway.ParseAccountName(args[0])
			if err != nil {
				return err
			}
			return withAccounts(cmd, false, func(a adminsock.Accounts) error {
				if err := a.DeleteUser(cmd.Context(), string(name)); err != nil {
					return err
				}
				return say(cmd, "deleted %s", name)
			})
		},
	}
	addOptionFlags(cmd, accountOptions...)
	return cmd
}

func say(cmd *cobra.Command, format string, args ...any) error {
	_, err := fmt.Fprintf(cmd.OutOrStdout(), format+"\n", args...)
	return err
}

// readPassword reads a password from a file, from the terminal without showing
// it (twice), or as the first line of standard input. It is never an argument:
// those can be read by every process of the machine.
func readPassword(cmd *cobra.Command, file string) (string, error) {
	if file != "" {
		b, err := os.ReadFile(file)
		return strings.TrimSuffix(string(b), "\n"), err
	}
	if f, ok := cmd.InOrStdin().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		first, err := promptPassword(cmd, f, "Password: ")
		if err != nil {
			return "", err
		}
		again, err := promptPassword(cmd, f, "Again: ")
		if err == nil && again != first {
			err = errors.New("the two passwords differ; nothing was changed")
		}
		return first, err
	}
	line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return strings.TrimSuffix(line, "\n"), nil
}

func promptPassword(cmd *cobra.Command, f *os.File, prompt string) (string, error) {
	fmt.Fprint(cmd.ErrOrStderr(), prompt)
	b, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(cmd.ErrOrStderr())
	return string(b), err
}
