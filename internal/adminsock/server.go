package adminsock

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"edgegw/internal/gateway"
)

// maxPathBytes is the longest path of a unix socket on Linux (unix(7)).
const maxPathBytes = 107

// stopTimeout is how long requests have for their end.
const stopTimeout = 2 * time.Second

// Listen opens the socket of a data folder. The caller holds the folder's store,
// so that a socket file that is there already is left over and may go. It
// returns CodeUnavailable, with what to do, when the path is too long.
func Listen(dataDir string) (net.Listener, error) {
	path := Path(dataDir)
	if len(path) > maxPathBytes {
		return nil, gateway.Errorf(gateway.CodeUnavailable,
			"the path of the admin socket has %d bytes and the system allows %d; use a shorter data_dir: %s", len(path), maxPathBytes, path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := (&net.ListenConfig{Control: private}).Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// private gives the socket its mode before it has a file, which Linux makes with
// that mode: so it is right from the first moment. The folder is private, but it
// may not always have been; and a umask would change what the other goroutines
// of the process make meanwhile.
func private(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) { failed = syscall.Fchmod(int(fd), 0o600) })
	return errors.Join(err, failed)
}

// Serve answers until ctx is done, and returns when the last operation has ended:
// the store may be closed then. An operation that is still under way after
// stopTimeout, such as an import, is told to end; nothing of it is done then.
func Serve(ctx context.Context, l net.Listener, a Admin, logger *slog.Logger) error {
	requests, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	var running sync.RWMutex // each operation holds it for reading
	srv := &http.Server{
		Handler:           unlessOver(requests, &running, handler(a)),
		BaseContext:       func(net.Listener) context.Context { return requests },
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          slog.NewLogLogger(logger.With("event", "admin_socket").Handler(), slog.LevelDebug),
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		err := srv.Shutdown(grace)
		giveUp()
		if err != nil {
			_ = srv.Close()
		}
		running.Lock()
		defer running.Unlock()
	})
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		stop()
		return err
	}
	<-ended
	return nil
}

// unlessOver lets nothing begin once requests is done: a connection that was
// accepted late may come to its request only then.
func unlessOver(requests context.Context, running *sync.RWMutex, serve http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		running.RLock()
		defer running.RUnlock()
		if requests.Err() == nil {
			serve.ServeHTTP(w, r)
		}
	})
}
