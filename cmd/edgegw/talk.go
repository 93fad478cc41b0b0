package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"time"
	"unicode"

	"golang.org/x/term"

	client "edgegw/firmware-clients/go"
	"edgegw/internal/adminsock"
	"edgegw/internal/command"
	"edgegw/internal/config"
	"edgegw/internal/gateway"
	"edgegw/internal/reach"
)

// tokenLife is how long the tokens are valid that pub and sub get through the
// admin socket.
const tokenLife = time.Hour

// talk is what pub and sub have in common: where the gateway is, and as whom.
type talk struct {
	place
	user, passwordFile, tokenFile, keyFile string
}

func (t *talk) flags(cmd *command.Command) {
	f := cmd.Flags()
	f.StringVar(&t.tokenFile, "token-file", "", "log in with the access token in this file (or in the variable "+tokenVariable+")")
	f.StringVar(&t.keyFile, "device-key-file", "", "log in as the device whose key is in this file")
	f.StringVar(&t.user, "user", "", "log in as this person, with --password-file or a prompt; on the gateway's own machine its user and root need neither")
	passwordFlag(cmd, &t.passwordFile)
	t.place.flags(cmd)
}

// check finds what is wrong with the flags together.
func (t *talk) check() error {
	ways := 0
	for _, given := range []string{t.tokenFile, t.keyFile, t.user} {
		if given != "" {
			ways++
		}
	}
	switch {
	case ways > 1:
		return errors.New("give one of --token-file, --device-key-file and --user")
	case t.passwordFile != "" && t.user == "":
		return errors.New("--password-file needs --user")
	}
	return nil
}

// options are those of the client, less what it does.
func (t *talk) options(cmd *command.Command) (client.Options, reach.Target, error) {
	target, err := t.target(cmd)
	if err != nil {
		return client.Options{}, target, errUsage{err}
	}
	login, err := t.login(cmd, target)
	return client.Options{URL: target.URL, TLS: target.TLS, Login: login}, target, err
}

func (t *talk) login(cmd *command.Command, target reach.Target) (client.Login, error) {
	switch {
	case t.tokenFile != "":
		return client.Login{Source: t.fromFile(cmd)}, nil
	case t.keyFile != "":
		key, err := readInput(cmd, t.keyFile, maxSecretBytes)
		return client.Login{DeviceKey: strings.TrimSpace(string(key))}, err
	case t.user != "" && t.passwordFile != "":
		return t.password(cmd)
	case t.user == "" && os.Getenv(tokenVariable) != "":
		return client.Login{Source: once(os.Getenv(tokenVariable), tokenVariable)}, nil
	case target.Local:
		cfg, err := loadInstalled(cmd)
		if err != nil {
			return client.Login{}, err
		}
		admin, err := adminsock.Dial(cmd.Context(), cfg.DataDir)
		if err == nil {
			return client.Login{Source: issued(cfg, admin, t.user)}, nil
		}
		if t.user == "" {
			return client.Login{}, noSocket(cfg, err)
		}
	case t.user == "":
		return client.Login{}, errors.New("as whom? Give --token-file, --device-key-file, or --user with --password-file")
	}
	return t.password(cmd)
}

func noSocket(cfg *config.Config, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return errors.New("as whom? Give --token-file, --device-key-file or --user; or run it with sudo, which needs none of them on the gateway's own machine")
	}
	return fmt.Errorf("no gateway runs on the data folder %s (%w); start it, name the right folder with --data-dir or --config, or say where and as whom with --url and --user", cfg.DataDir, err)
}

// password reads one from its file, or from a terminal without showing it.
func (t *talk) password(cmd *command.Command) (client.Login, error) {
	l := client.Login{Username: t.user}
	if t.passwordFile != "" {
		b, err := readInput(cmd, t.passwordFile, maxSecretBytes)
		l.Password = strings.TrimSuffix(string(b), "\n")
		return l, err
	}
	f, ok := cmd.In().(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return l, errors.New("the password of --user is asked for on a terminal, and this is none; give --password-file")
	}
	var err error
	l.Password, err = promptPassword(cmd, f, "Password: ")
	return l, err
}

// fromFile reads the token again whenever another one is needed: whoever makes
// tokens may have put a new one there.
func (t *talk) fromFile(cmd *command.Command) func(context.Context) (client.Token, error) {
	last := ""
	return func(context.Context) (client.Token, error) {
		b, err := readInput(cmd, t.tokenFile, maxSecretBytes)
		if err != nil {
			return client.Token{}, fmt.Errorf("%w: %w", client.ErrLoginNeeded, err)
		}
		token := strings.TrimSpace(string(b))
		if token == last || token == "" {
			return client.Token{}, fmt.Errorf("%w: %s holds no token, or one that has ended or is refused", client.ErrLoginNeeded, t.tokenFile)
		}
		last = token
		return client.Token{Access: token, ExpiresIn: tokenLife}, nil
	}
}

func once(token, name string) func(context.Context) (client.Token, error) {
	used := false
	return func(context.Context) (client.Token, error) {
		if used {
			return client.Token{}, fmt.Errorf("%w: the token in %s has ended, or is refused", client.ErrLoginNeeded, name)
		}
		used = true
		return client.Token{Access: strings.TrimSpace(token), ExpiresIn: tokenLife}, nil
	}
}

// issued gets tokens through the admin socket, for the named account or for the
// first administrator.
func issued(cfg *config.Config, admin adminsock.Admin, name string) func(context.Context) (client.Token, error) {
	return func(ctx context.Context) (client.Token, error) {
		var err error
		if name == "" {
			name, err = anAdmin(ctx, admin)
		}
		if err != nil {
			return client.Token{}, fmt.Errorf("%w: %w", client.ErrLoginNeeded, err)
		}
		life := min(tokenLife, max(cfg.AccessTTL, time.Minute))
		token, err := admin.IssueToken(ctx, adminsock.TokenRequest{Name: name, Life: int64(life / time.Second)})
		if gateway.CodeOf(err) == gateway.CodeNotFound || gateway.CodeOf(err) == gateway.CodeConflict {
			err = fmt.Errorf("%w: %w; `edgegw user list` and `edgegw device list` show all there are", client.ErrLoginNeeded, err)
		}
		return client.Token{Access: token.Token, ExpiresIn: time.Duration(token.ExpiresIn) * time.Second}, err
	}
}

func anAdmin(ctx context.Context, admin adminsock.Admin) (string, error) {
	list, err := admin.ListUsers(ctx)
	if err != nil {
		return "", err
	}
	for _, u := range list.Users {
		if u.Role == string(gateway.RoleAdmin) && !u.Disabled {
			return u.Name, nil
		}
	}
	return "", errNoAdmin
}

var errNoAdmin = errors.New("the gateway has no administrator yet; `edgegw setup` makes one")

// passing reports whether an error of a first try may be over in a moment.
func passing(err error) bool {
	var refused *client.Error
	return errors.As(err, &refused) && (refused.Status == http.StatusTooManyRequests || refused.Code == string(gateway.CodeBusy))
}

// explain says what to do about an error of the client. do is what was tried, for
// example "publish in lobby".
func explain(t reach.Target, do string, err error) error {
	var refused *client.Error
	var closed *client.CloseError
	var asked *reach.Refused
	if errors.As(err, &asked) {
		err = &client.Error{Status: asked.Status, Code: asked.Code, Message: asked.Detail}
	}
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return fmt.Errorf("cannot %s: %s", do, adviceFor(t, refused))
	case errors.As(err, &closed):
		return fmt.Errorf("cannot %s any more: the gateway closed the connection with %d %s; its log says why", do, closed.Code, visible(closed.Reason))
	case errors.Is(err, client.ErrLoginNeeded):
		return fmt.Errorf("cannot %s: %s", do, strings.TrimPrefix(err.Error(), client.ErrLoginNeeded.Error()+": "))
	case errors.Is(err, client.ErrTooLarge):
		return fmt.Errorf("cannot %s: the message is longer than max_message_bytes allows", do)
	}
	return t.Explain(err)
}

func adviceFor(t reach.Target, e *client.Error) string {
	said := visible(e.Message)
	switch {
	case e.Code == "" && e.Status == http.StatusBadRequest && strings.HasPrefix(t.URL, "http:"):
		return t.URL + " speaks TLS, or is no edgegw; try https://"
	case e.Code == "":
		return fmt.Sprintf("what answers at %s is no edgegw (HTTP status %d)", t.URL, e.Status)
	case e.Code == string(gateway.CodeSetupRequired):
		return errNoAdmin.Error()
	case e.Code == string(gateway.CodeForbidden):
		return "the account has no grant for that; an administrator gives one with `edgegw user set NAME --grant 'ROOM:rw'` or `edgegw device set NAME --grant 'ROOM:rw'`"
	case e.Status == http.StatusUnauthorized:
		return fmt.Sprintf("the login is refused (%s: %s); is it of this gateway, and still good? `edgegw token inspect` looks into a token, `edgegw user list` and `edgegw device list` show who is enabled", e.Code, said)
	case e.Code == string(gateway.CodeAccountLocked) || e.Status == http.StatusTooManyRequests:
		return fmt.Sprintf("too many tries (%s); wait %s", e.Code, e.RetryAfter)
	case e.Code == string(gateway.CodeStorageFull):
		return "the gateway's disk is full; free some space on its machine, or delete rooms"
	}
	return e.Code + ": " + said
}

// visible is text from the network with its control characters escaped: it must
// not steer the terminal that it is shown on.
func visible(s string) string {
	if strings.IndexFunc(s, unicode.IsControl) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case unicode.IsControl(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
