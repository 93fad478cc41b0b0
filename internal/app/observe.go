package app

import (
	"fmt"
	"io"
	"log/slog"
	"syscall"
	"time"

	"edgegw/internal/accounts"
	"edgegw/internal/boltstore"
	"edgegw/internal/buildinfo"
	"edgegw/internal/config"
	"edgegw/internal/gateway"
	"edgegw/internal/httpapi"
	"edgegw/internal/hub"
	"edgegw/internal/telemetry"
	"edgegw/internal/token"
	"edgegw/internal/wire"
)

// limitedLines is how many lines a second strangers can cause of each event.
const limitedLines = 5

// lowDiskBytes is when health turns to degraded.
const lowDiskBytes = 64 << 20

func newLogger(cfg *config.Config, deps Deps, level slog.Leveler) *slog.Logger {
	return telemetry.NewLogger(deps.Log, telemetry.LogOptions{
		Format: string(cfg.LogFormat), Level: level, Journal: deps.Journal,
		Limited:   []string{"login", "token_refused", "ws_refused", "ws_opened", "ws_closed", "account_locked", "webhook_dropped", "webhook_retried", "tls_refused", "setup"},
		PerSecond: limitedLines,
	})
}

func newMetrics(cfg *config.Config, info buildinfo.Info) *telemetry.Metrics {
	o := telemetry.Options{
		Version: info.Version, Site: cfg.Site,
		LoginResults: accounts.LoginResults,
		Databases:    []string{"identity", "history"},
		HTTPClasses:  httpapi.Classes,
		NoTLS:        cfg.TLSListen == "",
	}
	for _, r := range hub.DropReasons {
		o.DropReasons = append(o.DropReasons, string(r))
	}
	for _, c := range append(wire.CloseCodes, wire.CloseNoStatus, wire.CloseAbnormal) {
		o.CloseCodes = append(o.CloseCodes, int(c))
	}
	for _, c := range wsRefusals {
		o.RejectReasons = append(o.RejectReasons, string(c))
	}
	for _, r := range token.Reasons {
		o.TokenReasons = append(o.TokenReasons, string(r))
	}
	return telemetry.New(o)
}

// wsRefusals are the codes that a handshake can be refused with.
var wsRefusals = []gateway.Code{
	gateway.CodeInvalidRequest, gateway.CodeInvalidToken, gateway.CodeTokenExpired,
	gateway.CodeForbidden, gateway.CodeMethodNotAllowed, gateway.CodeRateLimited, gateway.CodeSetupRequired,
	gateway.CodeBusy, gateway.CodeUnavailable, gateway.CodeInternal,
}

func hubMetrics(m *telemetry.Metrics) hub.Metrics {
	return hub.Metrics{
		Received:        m.MessagesReceived,
		Delivered:       m.MessagesDelivered,
		Dropped:         func(r hub.DropReason, n int) { m.MessagesDropped.With(string(r)).Add(int64(n)) },
		Closed:          func(code uint16) { m.Closed.Inc(int(code)) },
		RoomSubscribers: m.RoomSubscribers,
		RoomMessageRate: m.RoomMessageRate,
		PublishDuration: m.PublishDuration,
	}
}

func (a *App) storeObserver(store string) boltstore.Observer {
	m := a.metrics
	return boltstore.Observer{
		Commit: func(took time.Duration, records int, bytes int64) {
			m.CommitDuration.ObserveDuration(took)
			if records > 0 {
				m.CommitMessages.Observe(float64(records))
			}
			m.BytesWritten.Add(bytes)
		},
		EpochResets: func(rooms int) { m.EpochResets.Add(int64(rooms)) },
		Quarantined: func(saved string) {
			m.Quarantines.Inc()
			a.mended = append(a.mended, mended{store, saved})
		},
	}
}

// observe lets the gauges follow what they measure.
func (a *App) observe() {
	m := a.metrics
	m.Connections.Follow(func() int64 { n, _ := a.hub.Live(); return int64(n) })
	m.Rooms.Follow(func() int64 { _, n := a.hub.Live(); return int64(n) })
	m.StoreSize.With("identity").Follow(a.identity.SizeBytes)
	m.StoreSize.With("history").Follow(a.history.SizeBytes)
	m.DiskFree.Follow(a.diskFree)
	m.LegacyHashes.Follow(func() int64 { return int64(a.accounts.Stats().Legacy) })
	m.Devices.With(telemetry.DeviceConnected).Follow(func() int64 { return int64(a.hub.LiveDevices()) })
	m.Devices.With(telemetry.DeviceNever).Follow(func() int64 { return int64(a.accounts.Stats().DevicesNever) })
	m.Devices.With(telemetry.DeviceOffline).Follow(func() int64 {
		st := a.accounts.Stats()
		return int64(max(0, st.Devices-st.DevicesNever-a.hub.LiveDevices()))
	})
	m.PressureLevel.Follow(func() int64 { return int64(a.hub.Pressure()) })
	m.BackupAge.Follow(a.backupAge)
	if a.certificates != nil {
		m.CertificateExpiry.Follow(a.certificates.left)
	}
	m.ClockState.Follow(func() int64 { return a.clock.State().Level() })
}

func (a *App) writeMetrics(w io.Writer) { _ = a.metrics.Write(w) } // a scraper that is gone gets nothing

// diskFree is what the gateway may still use of its file system, in bytes, or
// -1 when that cannot be told.
func (a *App) diskFree() int64 {
	var st syscall.Statfs_t
	if err := syscall.Statfs(a.cfg.DataDir, &st); err != nil {
		return -1
	}
	return int64(st.Bavail) * int64(st.Bsize)
}

func (a *App) health() httpapi.Health {
	h := httpapi.Health{
		Status: httpapi.HealthOK, Uptime: a.clock.Since(a.started), Clock: string(a.clock.State()),
		Checks: map[string]string{"store": "ok", "disk": "ok", "admin": "ok"},
	}
	if !a.accounts.HasAdmin() {
		h.Checks["admin"] = "missing"
		h.Status = httpapi.HealthDegraded
	}
	switch free := a.diskFree(); {
	case a.space.Full():
		h.Checks["disk"] = "full: messages for stored rooms are refused"
		h.Status = httpapi.HealthDegraded
	case free < 0:
		h.Checks["disk"] = "unreadable"
		h.Status = httpapi.HealthDegraded
	case free < lowDiskBytes:
		h.Checks["disk"] = "low"
		h.Status = httpapi.HealthDegraded
	}
	h.Checks["wear"] = wear(h.Uptime, max(int64(a.metrics.BytesWritten.Value()), storageWritten("/")))
	for _, m := range a.mended {
		h.Checks[m.store] = "was damaged: " + m.how
		h.Status = httpapi.HealthDegraded
	}
	if n := a.damaged.Load(); n > 0 {
		h.Checks["history"] = fmt.Sprintf("damaged messages, which are left out: %d; `edgegw check` names them", n)
		h.Status = httpapi.HealthDegraded
	}
	if said := a.backupFailed.Load(); said != nil {
		h.Checks["backup"] = *said
		h.Status = httpapi.HealthDegraded
	}
	if a.certificates != nil {
		text, ok := a.certificates.health()
		if h.Checks["tls"] = text; !ok {
			h.Status = httpapi.HealthDegraded
		}
	}
	h.Checks["pressure"] = a.pressure.text()
	if a.hub.Pressure() > hub.PressureNone {
		h.Status = httpapi.HealthDegraded
	}
	if !a.tasks.up.Load() {
		h.Checks["tasks"] = "starting or stopping"
		h.Status = httpapi.HealthFailing
	}
	return h
}
