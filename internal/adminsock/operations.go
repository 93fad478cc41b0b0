package adminsock

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
)

// maxImportBody holds the largest file in JSON, which takes a third more in
// base64.
const maxImportBody = accounts.MaxImportBytes/3*4 + 1<<10

// handler has one path for each operation: there is nothing to be gained from
// more structure between two ends of one binary.
func handler(a Admin) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /setup/show", operation(gateway.MaxBodyBytes, list(a.ShowSetup)))
	mux.Handle("POST /setup/owner", command(a.SetUp))
	mux.Handle("POST /setup/code", operation(gateway.MaxBodyBytes, list(a.NewSetupCode)))

	mux.Handle("POST /user/add", command(a.AddUser))
	mux.Handle("POST /user/list", operation(gateway.MaxBodyBytes, list(a.ListUsers)))
	mux.Handle("POST /user/update", command(a.UpdateUser))
	mux.Handle("POST /user/unlock", command(a.UnlockUser))
	mux.Handle("POST /user/reset", operation(gateway.MaxBodyBytes, a.ResetUser))
	mux.Handle("POST /user/delete", command(a.DeleteUser))
	mux.Handle("POST /user/import", operation(maxImportBody, a.ImportUsers))

	mux.Handle("POST /device/add", operation(gateway.MaxBodyBytes, a.AddDevice))
	mux.Handle("POST /device/list", operation(gateway.MaxBodyBytes, list(a.ListDevices)))
	mux.Handle("POST /device/update", command(a.UpdateDevice))
	mux.Handle("POST /device/rotate-key", operation(gateway.MaxBodyBytes, a.RotateDeviceKey))
	mux.Handle("POST /device/delete", command(a.DeleteDevice))
	mux.Handle("POST /device/import", operation(maxImportBody, a.ImportDevices))

	mux.Handle("POST /token/issue", operation(gateway.MaxBodyBytes, a.IssueToken))
	mux.Handle("POST /token/inspect", operation(gateway.MaxBodyBytes, a.InspectToken))
	mux.Handle("POST /token/rotate", operation(gateway.MaxBodyBytes, list(a.RotateKey)))

	mux.Handle("POST /clock/show", operation(gateway.MaxBodyBytes, list(a.ShowClock)))
	mux.Handle("POST /clock/set", operation(gateway.MaxBodyBytes, a.SetClock))
	mux.Handle("POST /clock/reset", operation(gateway.MaxBodyBytes, list(a.ResetClock)))

	mux.Handle("POST /check", operation(gateway.MaxBodyBytes, list(a.Check)))
	mux.Handle("POST /compact", operation(gateway.MaxBodyBytes, list(a.Compact)))
	mux.Handle("POST /backup", archive(a.Backup))
	mux.Handle("POST /backup/done", command(a.BackupDone))
	return mux
}

// answer is the body of every answer: a result or an error.
type answer[Result any] struct {
	Result  Result       `json:"result"`
	Code    gateway.Code `json:"code,omitempty"`
	Message string       `json:"message,omitempty"`
}

// command is an operation without a result.
func command[Req any](do func(context.Context, Req) error) http.Handler {
	return operation(gateway.MaxBodyBytes, func(ctx context.Context, req Req) (struct{}, error) {
		return struct{}{}, do(ctx, req)
	})
}

// list is an operation that needs to be told nothing.
func list[Result any](do func(context.Context) (Result, error)) func(context.Context, struct{}) (Result, error) {
	return func(ctx context.Context, _ struct{}) (Result, error) { return do(ctx) }
}

// operation reads a request of at most limit bytes, and answers.
func operation[Req, Result any](limit int64, do func(context.Context, Req) (Result, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req := new(Req)
		serveOperation(w, r, limit, req, func() (any, error) { return do(r.Context(), *req) })
	})
}

// serveOperation is what all operations have in common: it is compiled once.
func serveOperation(w http.ResponseWriter, r *http.Request, limit int64, req any, do func() (any, error)) {
	var out answer[any]
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, limit)).Decode(req)
	if err == nil {
		out.Result, err = do()
	} else {
		err = unreadable(err)
	}
	if err != nil {
		// The one who asks is the operator: the cause is theirs to see.
		e := gateway.AsError(err)
		out = answer[any]{Code: e.Code, Message: e.Message}
		if e.Code == gateway.CodeInternal {
			out.Message = e.Error()
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out) // a client that is gone gets nothing
}

func unreadable(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return gateway.Errorf(gateway.CodeTooLarge, "the request has more than %d bytes; send less at once", tooLarge.Limit)
	}
	return gateway.Errorf(gateway.CodeInvalidRequest, "the request could not be read")
}
