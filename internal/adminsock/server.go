package adminsock

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
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

// Serve answers until ctx is done, and returns when the last answer is given:
// the store may be closed then.
func Serve(ctx context.Context, l net.Listener, a Accounts, logger *slog.Logger) error {
	srv := &http.Server{
		Handler:           handler(a),
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          slog.NewLogLogger(logger.With("event", "admin_socket").Handler(), slog.LevelDebug),
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			_ = srv.Close()
		}
	})
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		stop()
		return err
	}
	<-ended
	return nil
}

type nameRequest struct {
	Name     string `json:"name"`
	Password string `json:"password,omitempty"`
	Disabled bool   `json:"disabled,omitempty"`
}

// handler has one path for each operation: there is nothing to be gained from
// more structure between two ends of one binary.
func handler(a Accounts) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /user/add", operation(func(ctx context.Context, u NewUser) (any, error) {
		return nil, a.AddUser(ctx, u)
	}))
	mux.HandleFunc("POST /user/list", operation(func(ctx context.Context, _ struct{}) (any, error) {
		return a.ListUsers(ctx)
	}))
	mux.HandleFunc("POST /user/password", operation(func(ctx context.Context, r nameRequest) (any, error) {
		return nil, a.SetUserPassword(ctx, r.Name, r.Password)
	}))
	mux.HandleFunc("POST /user/disabled", operation(func(ctx context.Context, r nameRequest) (any, error) {
		return nil, a.SetUserDisabled(ctx, r.Name, r.Disabled)
	}))
	mux.HandleFunc("POST /user/delete", operation(func(ctx context.Context, r nameRequest) (any, error) {
		return nil, a.DeleteUser(ctx, r.Name)
	}))
	return mux
}

// answer is the body of every answer: a result or an error.
type answer struct {
	Result  any          `json:"result,omitempty"`
	Code    gateway.Code `json:"code,omitempty"`
	Message string       `json:"message,omitempty"`
}

func operation[Req any](do func(context.Context, Req) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var req Req
		var out answer
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, gateway.MaxBodyBytes)).Decode(&req)
		if err == nil {
			ctx := gateway.WithOrigin(r.Context(), gateway.Origin{IP: "admin-socket"})
			out.Result, err = do(ctx, req)
		} else {
			err = gateway.Errorf(gateway.CodeInvalidRequest, "the request could not be read")
		}
		if err != nil {
			// The one who asks is the operator: the cause is theirs to see.
			e := gateway.AsError(err)
			out = answer{Code: e.Code, Message: e.Message}
			if e.Code == gateway.CodeInternal {
				out.Message = e.Error()
			}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out) // a client that is gone gets nothing
	}
}
