package app

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
)

// listenOptions are the options that a passed socket may be named after.
var listenOptions = []string{"listen", "tls_listen", "metrics_listen"}

// passedSocket is a listening socket that systemd has opened and passed on; see
// sd_listen_fds(3). It stays open in systemd while the gateway restarts, so that
// nobody is refused meanwhile.
type passedSocket struct {
	// name is FileDescriptorName= of the socket unit, by default the name of the
	// unit.
	name     string
	listener net.Listener
}

// passedSockets takes over what systemd has passed, which may be nothing. After
// an error all of it is closed.
func passedSockets() (passed []passedSocket, err error) {
	files := activation.Files(true)
	defer func() {
		for _, f := range files {
			_ = f.Close() // a listener has a copy of its own
		}
		if err != nil {
			closePassed(passed)
		}
	}()
	for _, f := range files {
		l, err := listenerOf(f)
		if err != nil {
			return passed, fmt.Errorf("the socket %q that the service manager has passed on %w; correct the socket unit, or disable it: systemctl disable --now edgegw.socket",
				f.Name(), err)
		}
		passed = append(passed, passedSocket{f.Name(), l})
	}
	return passed, nil
}

func closePassed(passed []passedSocket) {
	for _, p := range passed {
		_ = p.listener.Close()
	}
}

// listenerOf says of a socket that is no listening TCP socket what it is.
func listenerOf(f *os.File) (net.Listener, error) {
	fd := int(f.Fd())
	kind, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_TYPE)
	if err != nil {
		return nil, fmt.Errorf("is no socket (%w)", err)
	}
	if kind != syscall.SOCK_STREAM {
		return nil, fmt.Errorf("is no stream socket: it needs ListenStream=")
	}
	accepts, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
	if err != nil || accepts == 0 {
		return nil, fmt.Errorf("does not listen: it needs Accept=no")
	}
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("cannot be used (%w)", err)
	}
	if _, ok := l.(*net.TCPListener); !ok {
		_ = l.Close()
		return nil, fmt.Errorf("is %s and not TCP: it needs ListenStream= with a port", l.Addr().Network())
	}
	return l, nil
}

// takePassed gives the socket that was passed for an option: the one with its
// name, or else one without any option's name that listens on its address. It
// returns nil when there is none.
func (a *App) takePassed(option, address string) net.Listener {
	i := slices.IndexFunc(a.passed, func(p passedSocket) bool { return p.name == option })
	if i < 0 {
		i = slices.IndexFunc(a.passed, func(p passedSocket) bool {
			return !slices.Contains(listenOptions, p.name) && sameAddress(address, p.listener.Addr())
		})
	}
	if i < 0 {
		return nil
	}
	p := a.passed[i]
	a.passed = slices.Delete(a.passed, i, i+1)
	if !sameAddress(address, p.listener.Addr()) {
		a.logger.Warn("the passed socket decides where the gateway listens, and not the option; make the two agree",
			"event", "socket_differs", "option", option, "value", address, "socket", p.listener.Addr().String())
	}
	a.logger.Debug("a passed socket is used", "event", "socket_passed", "option", option, "socket", p.listener.Addr().String())
	return p.listener
}

// sameAddress compares an option's text with a socket. An empty host, 0.0.0.0 and
// :: are all every interface.
func sameAddress(text string, of net.Addr) bool {
	host, port, err := net.SplitHostPort(text)
	have, ok := of.(*net.TCPAddr)
	if err != nil || !ok || port != strconv.Itoa(have.Port) {
		return false
	}
	want := net.ParseIP(host)
	if host == "" || want.IsUnspecified() {
		return have.IP.IsUnspecified()
	}
	return want.Equal(have.IP) || host == "localhost" && have.IP.IsLoopback()
}

// refusePassed returns an error when a passed socket is left that no option asked
// for: nobody would ever answer whoever connects to it.
func (a *App) refusePassed() error {
	if len(a.passed) == 0 {
		return nil
	}
	var said []string
	for _, p := range a.passed {
		said = append(said, fmt.Sprintf("%q on %s", p.name, p.listener.Addr()))
	}
	closePassed(a.passed)
	a.passed = nil
	return fmt.Errorf("the service manager has passed on sockets that no option asks for: %s; set listen, tls_listen or metrics_listen to the same address, or correct ListenStream= in the socket unit (systemctl edit edgegw.socket), or disable it (systemctl disable --now edgegw.socket)",
		strings.Join(said, ", "))
}
