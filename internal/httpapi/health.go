package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"time"

	"edgegw/internal/gateway"
)

// HealthStatus is the gateway's state in one word.
type HealthStatus string

// The states. Degraded still serves; failing answers 503.
const (
	HealthOK       HealthStatus = "ok"
	HealthDegraded HealthStatus = "degraded"
	HealthFailing  HealthStatus = "failing"
)

// Health is how the gateway is. It holds no secrets: anyone may read it.
type Health struct {
	Status HealthStatus
	Uptime time.Duration
	// Clock is the state of the logical clock; without a synced one the
	// gateway is still ok.
	Clock  string
	Checks map[string]string
}

type healthJSON struct {
	Status  HealthStatus      `json:"status"`
	Version string            `json:"version"`
	Uptime  int64             `json:"uptime"`
	Clock   string            `json:"clock"`
	Checks  map[string]string `json:"checks"`
}

func (a *API) health(w http.ResponseWriter, _ *http.Request) error {
	h := a.opts.Health()
	status := http.StatusOK
	if h.Status == HealthFailing {
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "5")
	}
	return writeJSON(w, status, healthJSON{
		Status: h.Status, Version: a.opts.Version, Uptime: int64(h.Uptime / time.Second),
		Clock: h.Clock, Checks: h.Checks,
	})
}

// live answers as long as the process does.
func (a *API) live(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// ready answers whether requests should be sent here.
func (a *API) ready(w http.ResponseWriter, _ *http.Request) error {
	if !a.opts.Ready() {
		err := gateway.Errorf(gateway.CodeUnavailable, "the gateway is starting or stopping")
		err.RetryAfter = time.Second
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// caCertificate is for browsers, telephones and firmware: whoever opens it is asked
// whether to trust the CA.
func (a *API) caCertificate(w http.ResponseWriter, _ *http.Request) error {
	pem := a.opts.CACertificate()
	if len(pem) == 0 {
		return gateway.Errorf(gateway.CodeNotFound, "the gateway has no CA of its own: TLS is off, or its certificate comes from elsewhere")
	}
	h := w.Header()
	h.Set("Content-Type", "application/x-x509-ca-cert")
	h.Set("Content-Disposition", `inline; filename="edgegw-ca.crt"`)
	h.Set("Cache-Control", "no-cache")
	_, _ = w.Write(pem) // a client that is gone needs none
	return nil
}

func (a *API) metrics(w http.ResponseWriter, r *http.Request) error {
	if err := a.mayScrape(r); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	a.opts.WriteMetrics(w)
	return nil
}

func (a *API) mayScrape(r *http.Request) error {
	if a.opts.MetricsToken == "" {
		return nil
	}
	token, err := bearerToken(r.Header)
	if err != nil {
		return err
	}
	// Hashed first: the comparison then tells nothing of the length either.
	have, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(a.opts.MetricsToken))
	if subtle.ConstantTimeCompare(have[:], want[:]) != 1 {
		o := gateway.OriginOf(r.Context())
		a.opts.Logger.LogAttrs(r.Context(), slog.LevelWarn, "token refused", slog.String("event", "token_refused"),
			slog.String("ip", o.IP), slog.String("request_id", o.RequestID),
			slog.String("code", string(gateway.CodeInvalidToken)), slog.String("reason", "metrics"))
		return gateway.Errorf(gateway.CodeInvalidToken, "this token does not open /metrics")
	}
	return nil
}

// Metrics serves /metrics alone, for an address of its own.
func (a *API) Metrics() http.Handler {
	return &API{opts: a.opts, origins: a.origins, routes: []route{a.metricsRoute()}}
}

func (a *API) metricsRoute() route {
	return route{path: "/metrics", class: classMetrics, open: true, methods: map[string]handler{"GET": a.metrics}}
}
