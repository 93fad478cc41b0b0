package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"edgegw/internal/accounts"
	"edgegw/internal/adminsock"
	"edgegw/internal/command"
	"edgegw/internal/gateway"
)

// setupFlags are those of `edgegw setup`.
type setupFlags struct {
	username, passwordFile, device, room string
	newCode, ifNeeded, asJSON            bool
}

// setupResult is what --json prints.
type setupResult struct {
	// Already says that there was an administrator before; nothing was done
	// then.
	Already  bool         `json:"already,omitempty"`
	Username string       `json:"username,omitempty"`
	URLs     []string     `json:"urls"`
	Device   *setupDevice `json:"device,omitempty"`
}

type setupDevice struct {
	Name string `json:"name"`
	Room string `json:"room"`
	Key  string `json:"device_key"`
}

func setupCommand() *command.Command {
	var f setupFlags
	cmd := &command.Command{
		Use:   "setup",
		Short: "Make the first administrator, and the key of a first device",
		Long: `Make the first administrator, and the key of a first device, whether the gateway runs or not. Name and
password are asked for on a terminal; elsewhere the password is the first line of standard input.`,
		Args: f.check,
		Run: func(cmd *command.Command, _ []string) error {
			if f.newCode {
				return newSetupCode(cmd, f.asJSON)
			}
			return setUp(cmd, f)
		},
	}
	cmd.Flags().StringVar(&f.username, "username", "", "the administrator's name (default admin)")
	passwordFlag(cmd, &f.passwordFile)
	cmd.Flags().StringVar(&f.device, "device", "", "make a device with this name, and print its key, which is shown this once")
	cmd.Flags().StringVar(&f.room, "room", string(gateway.DefaultRoom), "where that device may read and write")
	cmd.Flags().BoolVar(&f.newCode, "new-code", false, "only print a new code for the page of the running gateway, in the place of the one before")
	cmd.Flags().BoolVar(&f.ifNeeded, "if-needed", false, "it is no error when there is an administrator already")
	jsonFlag(cmd, &f.asJSON)
	addOptionFlags(cmd, append([]string{"listen"}, accountOptions...)...)
	return cmd
}

// check finds what is wrong before anything is asked or made.
func (f *setupFlags) check(cmd *command.Command, args []string) error {
	if err := command.NoArgs(cmd, args); err != nil {
		return err
	}
	if f.newCode {
		for _, other := range []string{"username", "password-file", "device", "room", "if-needed"} {
			if cmd.Flags().Changed(other) {
				return fmt.Errorf("give --new-code or --%s, not both", other)
			}
		}
	}
	return f.checkNames()
}

func (f *setupFlags) checkNames() error {
	for _, name := range []string{f.username, f.device} {
		if name == "" {
			continue
		}
		if _, err := gateway.ParseAccountName(name); err != nil {
			return err
		}
	}
	if f.device != "" && strings.EqualFold(f.device, cmp.Or(f.username, string(accounts.AdminName))) {
		return errors.New("the device needs another name than the administrator")
	}
	_, err := gateway.ParseRoomID(f.room)
	return err
}

func setUp(cmd *command.Command, f setupFlags) error {
	var state adminsock.SetupState
	// The store is not kept open while somebody types.
	err := openAdmin(cmd, true, func(a adminsock.Admin) (err error) {
		state, err = a.ShowSetup(cmd.Context())
		return err
	})
	if err != nil {
		return err
	}
	if state.Done {
		return setUpBefore(cmd, f, state)
	}
	password, err := f.ask(cmd)
	if err != nil {
		return err
	}
	result := setupResult{Username: strings.ToLower(f.username), URLs: state.URLs}
	err = openAdmin(cmd, true, func(a adminsock.Admin) error {
		if err := a.SetUp(cmd.Context(), adminsock.Owner{Username: f.username, Password: password}); err != nil {
			return err
		}
		result.Device, err = firstDevice(cmd, a, f)
		return err
	})
	if err != nil {
		return err
	}
	if f.asJSON {
		return printJSON(cmd, result)
	}
	return say(cmd, "%s", setupDone(result, state.Running))
}

func setUpBefore(cmd *command.Command, f setupFlags, state adminsock.SetupState) error {
	switch {
	case !f.ifNeeded:
		return errors.New("there is an administrator already: `edgegw user list` says who, `edgegw user passwd NAME` sets a new password, and `edgegw user add NAME --role admin` makes another one")
	case f.asJSON:
		return printJSON(cmd, setupResult{Already: true, URLs: state.URLs})
	}
	return say(cmd, "there is an administrator already; nothing was changed")
}

// ask completes the flags, on a terminal by asking, and returns the password.
func (f *setupFlags) ask(cmd *command.Command) (password string, err error) {
	in, _ := cmd.In().(*os.File)
	interactive := in != nil && term.IsTerminal(int(in.Fd()))
	if interactive && f.username == "" {
		if f.username, err = promptLine(cmd, in, "Name of the administrator ["+string(accounts.AdminName)+"]: "); err != nil {
			return "", err
		}
	}
	f.username = cmp.Or(f.username, string(accounts.AdminName))
	if err := f.checkNames(); err != nil {
		return "", err
	}
	if password, err = readPassword(cmd, f.passwordFile); err != nil {
		return "", err
	}
	if interactive && f.device == "" && f.passwordFile == "" {
		f.device, err = promptLine(cmd, in, "Name of a first device, which gets a key [none]: ")
	}
	if err == nil {
		err = f.checkNames()
	}
	return password, err
}

// promptLine asks for one line. A terminal hands out one line at a time, so that
// nothing of the next one is lost with the reader.
func promptLine(cmd *command.Command, terminal *os.File, prompt string) (string, error) {
	fmt.Fprint(cmd.Err(), prompt)
	line, err := bufio.NewReader(terminal).ReadString('\n')
	return strings.TrimSpace(line), err
}

// firstDevice makes the device that was asked for, nil when none was. The
// administrator is there by then.
func firstDevice(cmd *command.Command, a adminsock.Admin, f setupFlags) (*setupDevice, error) {
	if f.device == "" {
		return nil, nil
	}
	key, err := a.AddDevice(cmd.Context(), adminsock.NewDevice{Name: f.device, Room: f.room})
	if err != nil {
		return nil, fmt.Errorf("%s is the administrator now, but there is no device: %w; make it with `edgegw device add NAME --room %s`", f.username, err, f.room)
	}
	return &setupDevice{Name: key.Name, Room: f.room, Key: key.Key}, nil
}

func newSetupCode(cmd *command.Command, asJSON bool) error {
	return openAdmin(cmd, true, func(a adminsock.Admin) error {
		code, err := a.NewSetupCode(cmd.Context())
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(cmd, code)
		}
		return say(cmd, "%s", setupNotice(code, cmd.Out()))
	})
}
