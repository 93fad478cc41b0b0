package httpapi

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"edgegw/internal/gateway"
)

// ServeHTTP names the request, finds its route, and answers errors. Every
// answer carries X-Request-ID.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started := a.opts.Clock.Now()
	o := gateway.Origin{IP: a.clientIP(r), RequestID: newRequestID()}
	r = r.WithContext(gateway.WithOrigin(r.Context(), o))
	h := w.Header()
	h.Set("X-Request-ID", o.RequestID)
	h.Set("X-Content-Type-Options", "nosniff")
	if len(r.TransferEncoding) > 0 || !r.ProtoAtLeast(1, 1) {
		// A proxy may have seen another end of this request than net/http,
		// which drops a Content-Length beside a coding, and a coding in
		// HTTP/1.0, without a word (RFC 9112 section 6.1). So nothing that
		// came behind it counts.
		h.Set("Connection", "close")
	}
	rec := &recorder{ResponseWriter: w, status: http.StatusOK}

	class := classOther
	defer func() {
		if p := recover(); p != nil {
			a.panicked(rec, r, p)
		}
		took := a.opts.Clock.Now().Sub(started)
		a.opts.Observe(class, rec.status, took)
		a.opts.Logger.LogAttrs(r.Context(), slog.LevelDebug, "request",
			slog.String("event", "http_request"), slog.String("method", r.Method), slog.String("path", pathForLog(r.URL.Path)),
			slog.Int("code", rec.status), slog.String("ip", o.IP), slog.String("request_id", o.RequestID),
			slog.Duration("took", took))
	}()

	rt := a.match(r)
	if rt != nil {
		class = rt.class
	}
	if err := a.serve(rec, r, rt); err != nil {
		if class == classSocket { // refused before wsedge heard of it
			a.opts.SocketRefused(r, err)
		}
		a.Refuse(rec, r, err)
	}
}

// serve answers a request for the route, which is nil where there is none.
func (a *API) serve(w http.ResponseWriter, r *http.Request, rt *route) error {
	if err := a.checkOrigin(w, r); err != nil {
		return err
	}
	if rt == nil {
		return gateway.Errorf(gateway.CodeNotFound, "there is nothing at this path")
	}
	if isPreflight(r) {
		a.preflight(w, rt)
		return nil
	}
	do := rt.method(r.Method)
	if do == nil {
		w.Header().Set("Allow", rt.allow())
		return gateway.Errorf(gateway.CodeMethodNotAllowed, "this path knows %s", rt.allow())
	}
	if !rt.open && !a.opts.Accounts.HasAdmin() {
		return setupRequired()
	}
	return do(w, r)
}

// setupRetry is when devices are to ask again: somebody has to come first.
const setupRetry = 10 * time.Second

func setupRequired() error {
	err := gateway.Errorf(gateway.CodeSetupRequired,
		"this gateway has no administrator yet: open /setup in a browser and give the code from its console or journal, or run `edgegw setup` on it")
	err.RetryAfter = setupRetry
	return err
}

func (a *API) panicked(w *recorder, r *http.Request, p any) {
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p)
	}
	a.opts.Logger.LogAttrs(r.Context(), slog.LevelError, "request panicked",
		slog.String("event", "http_panic"), slog.String("request_id", gateway.OriginOf(r.Context()).RequestID),
		slog.String("reason", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
	if !w.wrote {
		a.Refuse(w, r, gateway.Errorf(gateway.CodeInternal, "internal error"))
	}
}

// pathForLog leaves out segments that are long enough for a key or a token: somebody
// may have put one where a name belongs.
func pathForLog(path string) string {
	const most = 40
	segments := strings.Split(path[:min(len(path), 1<<10)], "/")
	for i, s := range segments {
		if len(s) > most {
			segments[i] = "…"
		}
	}
	return strings.Join(segments, "/")
}

func newRequestID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return hex.EncodeToString(b[:])
}

// recorder remembers the status for the metrics.
type recorder struct {
	http.ResponseWriter
	status int
	wrote  bool
}

func (r *recorder) WriteHeader(status int) {
	if !r.wrote {
		r.status, r.wrote = status, true
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	r.wrote = true
	return r.ResponseWriter.Write(p)
}

// Hijack gives the connection away; what follows is no HTTP any more.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(r.ResponseWriter).Hijack()
	if err == nil {
		r.status, r.wrote = http.StatusSwitchingProtocols, true
	}
	return conn, rw, err
}

// Unwrap lets http.ResponseController reach the connection below.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
